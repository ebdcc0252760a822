//! The nodes: who answers, how fast, who would take something over, and how busy each is.

use std::ops::Range;

use super::{Cell, Column, Shape, Table, Tone, Words, available, milliseconds, within};
use crate::{
    config::Role,
    status::{NodeStatus, Utilization},
    top::model::Model,
};

/// Some of the nodes.
pub(in crate::top) fn nodes(model: &Model, rows: Range<usize>) -> Table {
    let columns = vec![
        Column::new("NODE", Shape::Left, 14),
        Column::new("ROLE", Shape::Left, 4),
        Column::new("ALIVE", Shape::Left, 13),
        Column::new("BACKUP", Shape::Shrinks(10), 12),
        Column::new("RTT P50", Shape::Right, 11),
        Column::new("P99", Shape::Right, 10),
        Column::new("P50 OVER TIME", Shape::Trend(10), 9),
        Column::new("SILENCE", Shape::Right, 8),
        Column::new("LOST", Shape::Right, 7),
        Column::new("CPU", Shape::Right, 6),
        Column::new("MEMORY", Shape::Right, 5),
        Column::new("LOAD", Shape::Right, 3),
        Column::new("IOPS", Shape::Right, 2),
        Column::new("ADDRESS", Shape::Left, 1),
    ];
    let rows = within(&model.status.nodes, rows);
    Table { columns, rows: rows.iter().map(|node| row(model, node)).collect() }
}

fn row(model: &Model, node: &NodeStatus) -> Vec<Cell> {
    let this = if node.name == model.status.node { "*" } else { "" };
    let rtt = |pick: fn(&crate::status::RoundTrip) -> f64| {
        // A node that does not answer has the quantiles of when it did.
        let tone = if node.alive { Tone::Plain } else { Tone::Faint };
        node.rtt_us.map_or_else(Words::nothing, |rtt| Words::new(tone, microseconds(pick(&rtt))))
    };
    let lost = node.heartbeats.map(|count| count.sent.saturating_sub(count.answered));
    let mut cells: Vec<Cell> = vec![
        Words::plain(format!("{}{this}", node.name)).into(),
        Words::new(Tone::Faint, role(node.role)).into(),
        if node.alive { Words::plain("yes") } else { Words::new(Tone::Bad, "NO") }.into(),
        backup(node).into(),
        rtt(|rtt| rtt.p50).into(),
        rtt(|rtt| rtt.p99).into(),
        Cell::Trend(model.trend(&node.name)),
        node.silence_ms.map_or_else(Words::nothing, |silence| Words::plain(milliseconds(silence))).into(),
        lost.map_or_else(Words::nothing, |lost| Words::plain(lost.to_string())).into(),
    ];
    cells.extend(utilisation(node.utilization.as_ref()).map(Cell::from));
    cells.push(Words::new(Tone::Faint, &node.address).into());
    cells
}

/// CPU, memory, load, IOPS.
fn utilisation(utilization: Option<&Utilization>) -> [Words; 4] {
    let Some(Utilization { cpu, memory_available_bytes, iops, load }) = utilization else {
        return [(); 4].map(|()| Words::nothing());
    };
    [format!("{:.0}%", cpu * 100.0), bytes(*memory_available_bytes), format!("{load:.1}"), iops.to_string()]
        .map(Words::plain)
}

fn backup(node: &NodeStatus) -> Words {
    match node.role {
        Role::Member => available(&node.reasons),
        Role::Witness | Role::Gateway => Words::nothing(),
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Witness => "witness",
        Role::Gateway => "gateway",
    }
}

fn microseconds(value: f64) -> String {
    if value < 10_000.0 { format!("{value:.1}us") } else { format!("{:.0}ms", value / 1e3) }
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.*}{}", usize::from(unit > 0), UNITS[unit])
}
