//! What is written is OpenMetrics, and says what the sample says.

use std::collections::BTreeSet;

use super::*;
use crate::{events::EventKind, status};

fn sample() -> Sample {
    let mut round_trips = Histogram::default();
    round_trips.buckets[afc_ebpf::histogram::bucket(9_000)] = 3;
    round_trips.sum_ns = 27_000;
    let mut gaps = Histogram::default();
    gaps.add_wide(5_000_000);
    gaps.add_wide(60_000_000_000);
    let mut tally = Tally::default();
    tally.kinds.insert(EventKind::Served, 2);
    let mut status = status::tests::example();
    status.services[0].lease_remaining_ms = Some(21.5);
    Sample {
        status,
        layout: "0123",
        started_s: 1_700_000_000.5,
        interval_s: 0.005,
        timeout_s: 0.025,
        packets: Reason::ALL.iter().map(|reason| (*reason, *reason as u64)).collect(),
        peers: vec![
            PeerSample { name: "n1".to_owned(), round_trips, gaps },
            PeerSample {
                name: "n2".to_owned(),
                round_trips: Histogram::default(),
                gaps: Histogram::default(),
            },
        ],
        lowest_margins_ns: vec![Some(18_000_000)],
        timings: Timings::default(),
        fast: FastTally::default(),
        ignored: Ignored::default(),
        tally,
        list_changes: 4,
        lists_differing: 1,
        discovery: Discovery::default(),
        controller: vec![("controller_sent", 7)],
        repository: Stats { file_bytes: 4096, ..Stats::default() },
    }
}

#[test]
fn each_value_stands_under_its_name_and_labels() {
    let text = encode(sample());
    for line in [
        r#"afc_build_info{version="0.1.0",layout="0123"} 1.0"#,
        r#"afc_node_info{node="n4",cluster="edge",role="member",safety="quorum",scheduling="deadline"} 1.0"#,
        r#"afc_xdp_info{interface="eth0",mode="native"} 1.0"#,
        "afc_start_time_seconds 1700000000.5",
        "afc_heartbeat_timeout_seconds 0.025",
        "afc_quorum 1.0",
        "afc_quarantined 0.0",
        r#"afc_node_available{node="n1"} 0.0"#,
        r#"afc_node_unavailable{node="n1",reason="serving"} 1.0"#,
        r#"afc_node_unavailable{node="n1",reason="dead"} 0.0"#,
        r#"afc_node_cpu_ratio{node="n1"} 0.12"#,
        r#"afc_node_memory_available_bytes{node="n1"} 8123456789.0"#,
        r#"afc_packets_total{reason="probe_answered"} 1"#,
        r#"afc_heartbeats_sent_total{peer="n1"} 5000"#,
        r#"afc_heartbeats_unanswered{peer="n1"} 2.0"#,
        r#"afc_heartbeat_rtt_seconds_count{peer="n1"} 3"#,
        r#"afc_heartbeat_rtt_seconds_sum{peer="n1"} 0.000027"#,
        r#"afc_heartbeat_gap_seconds_bucket{le="+Inf",peer="n1"} 2"#,
        r#"afc_service_owned{service="web-1"} 0.0"#,
        r#"afc_service_state{service="web-1",state="elsewhere"} 1.0"#,
        r#"afc_service_epoch{service="web-1"} 7.0"#,
        r#"afc_lease_remaining_seconds{service="web-1"} 0.0215"#,
        r#"afc_lease_lowest_margin_seconds{service="web-1"} 0.018"#,
        r#"afc_failover_phase_seconds_count{phase="detect"} 0"#,
        r#"afc_events_total{kind="served"} 2"#,
        r#"afc_events_total{kind="doubt"} 0"#,
        "afc_list_changes_total 4",
        "afc_lists_differing 1.0",
        r#"afc_controller_messages_total{what="sent"} 7"#,
        "afc_repository_bytes 4096.0",
        r#"afc_engine_ignored_total{reason="stale"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(!text.contains(r#"rtt_seconds_count{peer="n2"}"#), "a peer that never answered has no times");
}

#[test]
fn buckets_are_octaves_that_add_up() {
    let text = encode(sample());
    let bucket = |line: &str| -> Option<(f64, u64)> {
        let rest = line.strip_prefix(r#"afc_heartbeat_gap_seconds_bucket{le=""#)?;
        let (bound, rest) = rest.split_once('"')?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
        Some((bound, rest.rsplit_once(' ')?.1.parse().unwrap()))
    };
    let buckets: Vec<_> = text.lines().filter_map(bucket).collect();
    assert_eq!(buckets.len(), 16);
    assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{buckets:?}");
    let within = |seconds| buckets.iter().find(|(bound, _)| *bound >= seconds).unwrap().1;
    assert_eq!((within(0.004), within(0.005), within(1.0), within(f64::INFINITY)), (0, 1, 1, 2));
}

#[test]
fn the_text_is_well_formed_and_every_family_is_described_once() {
    let text = encode(sample());
    let (mut described, mut last) = (BTreeSet::new(), "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            last = rest.split(' ').next().unwrap();
            assert!(described.insert(last), "{last} twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(last) && last.starts_with("afc_"), "{line} under {last}");
            assert!(line.rsplit_once(' ').unwrap().1.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(text.ends_with("# EOF\n") && described.len() > 40, "{}", described.len());
}

#[test]
fn names_that_need_it_are_escaped() {
    let mut odd = sample();
    odd.peers[0].name = "a\"b\\c\nd".to_owned();
    assert!(encode(odd).contains(r#"rtt_seconds_count{peer="a\"b\\c\nd"} 3"#));
}
