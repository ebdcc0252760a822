//! The words, from the example and from odd input.

use std::time::{Duration, Instant};

use super::*;
use crate::{
    status::{Scheduling, UnavailableReason},
    top::example::{Cluster, FIVE},
};

/// A table as text: cells without widths.
fn text(table: &Table) -> Vec<String> {
    let cell = |cell: &Cell| match cell {
        Cell::Words(words) => words.text.clone(),
        Cell::Gauge(share) => format!("[{share:.2}]"),
        Cell::Trend(values) => format!("[{} values]", values.len()),
    };
    table.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|")).collect()
}

fn tone(table: &Table, row: usize, title: &str) -> Tone {
    let column = table.columns.iter().position(|column| column.title == title).unwrap();
    let Cell::Words(words) = &table.rows[row][column] else { panic!("{title} holds no words") };
    words.tone
}

#[test]
fn services_say_who_serves_on_which_lease_and_who_would_take_over() {
    let model = FIVE.model(Instant::now(), 2);
    let table = services(&model, 0..99);
    assert_eq!(
        text(&table),
        [
            "web-1|n4|serving|19.0ms|[0.79]|n1|2|n5:A n4:N(serving)|10.0.0.102/24",
            "web-2|n2|elsewhere|-||n2|1|n5:A n4:N(serving)|10.0.0.103/24",
            "web-3|n3|elsewhere|-||n3|1|n5:A n4:N(serving)|10.0.0.104/24",
        ]
    );
    assert_eq!(tone(&table, 0, "OWNER"), Tone::Notable, "away from home");
    assert_eq!(tone(&table, 1, "OWNER"), Tone::Plain);
}

#[test]
fn what_nobody_serves_or_would_take_over_stands_out() {
    let mut model = FIVE.model(Instant::now(), 1);
    model.status.services[1].owner = None;
    model.status.services[1].state = crate::status::ServiceState::Unowned;
    model.status.services[2].backups.retain(|backup| !backup.available);
    let table = services(&model, 1..3);
    assert_eq!(text(&table)[0], "web-2|nobody|unowned|-||n2|1|n5:A n4:N(serving)|10.0.0.103/24");
    assert_eq!([tone(&table, 0, "OWNER"), tone(&table, 0, "STATE")], [Tone::Bad; 2]);
    assert_eq!([tone(&table, 0, "BACKUPS"), tone(&table, 1, "BACKUPS")], [Tone::Plain, Tone::Notable]);
}

#[test]
fn nodes_say_whether_they_answer_how_fast_and_how_busy_they_are() {
    let model = FIVE.model(Instant::now(), 2);
    let table = nodes(&model, 0..99);
    assert_eq!(
        text(&table),
        [
            "n1|member|NO|N(dead)|19.0us|60.0us|[2 values]|4500.0ms|37|22%|7.9GiB|1.4|301|10.0.0.1",
            "n2|member|yes|N(serving)|14.0us|50.0us|[2 values]|3.5ms|2|12%|7.7GiB|0.9|302|10.0.0.2",
            "n3|member|yes|N(serving)|9.0us|40.0us|[2 values]|2.5ms|0|2%|7.6GiB|0.4|303|10.0.0.3",
            "n4*|member|yes|N(serving)|-|-|[2 values]|-|-|15%|7.4GiB|1.1|304|10.0.0.4",
            "n5|member|yes|A|10.5us|43.0us|[2 values]|2.8ms|2|5%|7.3GiB|0.6|305|10.0.0.5",
            "gw|gateway|yes|-|17.0us|56.0us|[2 values]|4.1ms|0|-|-|-|-|10.0.0.6",
        ]
    );
    assert_eq!([tone(&table, 0, "ALIVE"), tone(&table, 0, "RTT P50")], [Tone::Bad, Tone::Faint]);
    assert_eq!([tone(&table, 0, "BACKUP"), tone(&table, 1, "BACKUP")], [Tone::Notable, Tone::Plain]);
}

#[test]
fn the_matrix_says_what_each_node_is_to_each_service() {
    let model = FIVE.model(Instant::now(), 1);
    assert_eq!(matrix_extent(&model), [4, 5]);
    let table = matrix(&model, 0..99, 0..99);
    let titles: Vec<_> = table.columns.iter().map(|column| column.title.as_ref()).collect();
    assert_eq!(titles, ["", "n1", "n2", "n3", "n4", "n5"]);
    let rows = [
        "state|N(dead)|N(serving)|N(serving)|N(serving)|A",
        "web-1|home|-|-|serves|1 A",
        "web-2|-|serves|-|2 N(serving)|1 A",
        "web-3|-|-|serves|2 N(serving)|1 A",
    ];
    assert_eq!(text(&table), rows);
    assert_eq!(text(&matrix(&model, 1..3, 3..9)), ["web-1|serves|1 A", "web-2|2 N(serving)|1 A"]);
    assert_eq!(text(&matrix(&model, 0..1, 0..1)), ["state|N(dead)"]);
}

#[test]
fn parts_beyond_what_there_is_are_empty() {
    let mut model = FIVE.model(Instant::now(), 1);
    for range in [99..120, 300..300, usize::MAX..usize::MAX] {
        assert!(services(&model, range.clone()).rows.is_empty(), "{range:?}");
        assert!(counters(&model.rates.lately(), range.clone()).rows.is_empty(), "{range:?}");
        assert!(events(&model, range).is_empty());
    }
    assert!(matrix(&model, 4..9, 0..9).rows.is_empty());
    model.lists = None;
    assert_eq!(matrix_extent(&model), [0, 0]);
    assert!(matrix(&model, 0..9, 0..9).rows.is_empty());
}

#[test]
fn only_what_is_asked_for_is_made() {
    let big = Cluster { services: 3000, spares: 6 }.model(Instant::now(), 1);
    assert_eq!(text(&services(&big, 1500..1502))[1].split('|').next(), Some("web-1502"));
    assert_eq!(nodes(&big, 10..30).rows.len(), 20);
    let table = matrix(&big, 2000..2010, 2990..3010);
    assert_eq!((table.rows.len(), table.columns.len()), (10, 17));
}

#[test]
fn the_headline_shouts_what_is_wrong() {
    let now = Instant::now();
    let mut model = FIVE.model(now, 1);
    let said = |model: &Model| {
        let loud =
            headline(model).into_iter().filter(|words| matches!(words.tone, Tone::Bad | Tone::Notable));
        loud.map(|words| words.text).collect::<Vec<_>>()
    };
    assert_eq!(said(&model), Vec::<String>::new());
    let all: Vec<_> = headline(&model).into_iter().map(|words| words.text).collect();
    let wanted = "cluster edge, node n4, quorum, lowest lease 24.0ms, generation 1, up 1m 33s, safety quorum, \
        scheduling deadline, xdp eth0 native, afc 0.1.0";
    assert_eq!(all.join(", "), wanted);
    model.status.quorum = false;
    model.status.scheduling = Scheduling::Normal;
    model.status.xdp.insert("eth0".to_owned(), crate::status::XdpAttachment::Generic);
    assert_eq!(said(&model), ["NO QUORUM", "scheduling NORMAL", "xdp eth0 generic"]);
}

#[test]
fn alarms_are_what_must_not_be_missed() {
    let now = Instant::now();
    let mut model = FIVE.model(now, 1);
    assert_eq!(alarms(&model, now), []);
    model.status.quarantine_remaining_ms = Some(12.5);
    model.lists.as_mut().unwrap().differing = vec!["n3".to_owned()];
    model.handle_failure("nobody listens".to_owned());
    let said: Vec<_> =
        alarms(&model, now + Duration::from_secs(3)).into_iter().map(|alarm| alarm.text).collect();
    assert_eq!(
        said,
        [
            "not reachable since 3s, trying again: nobody listens",
            "n3 made other lists of the same inputs",
            "neither grants nor claims for 12.5ms, being fresh",
        ]
    );
}

#[test]
fn odd_figures_are_shown_and_break_nothing() {
    let mut model = FIVE.model(Instant::now(), 1);
    model.status.uptime_s = f64::NAN;
    model.status.nodes[1].silence_ms = Some(86_400_000.0);
    model.status.nodes[1].utilization.as_mut().unwrap().memory_available_bytes = u64::MAX;
    model.status.nodes[1].heartbeats = Some(crate::status::HeartbeatCount { sent: 1, answered: 2 });
    model.status.nodes[1].reasons = vec![UnavailableReason::Memory, UnavailableReason::Drained];
    let row = text(&nodes(&model, 1..2)).remove(0);
    assert!(row.contains("|N(memory,drained)|") && row.contains("|86400s|0|"), "{row}");
    assert!(row.contains("|16777216.0TiB|"), "{row}");
    assert!(!headline(&model).is_empty());
    for uptime in [f64::INFINITY, -1.0, 1e300] {
        model.status.uptime_s = uptime;
        assert!(!headline(&model).is_empty());
    }
}
