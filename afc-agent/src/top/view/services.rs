//! The services: who serves each, on which lease, and who would take it over.

use std::ops::Range;

use super::{Cell, Column, Shape, Table, Tone, Words, milliseconds, within};
use crate::{
    columns::{NOTHING, availability},
    status::{BackupStatus, ServiceState, ServiceStatus},
    top::model::Model,
};

/// Some of the services.
pub(in crate::top) fn services(model: &Model, rows: Range<usize>) -> Table {
    let columns = vec![
        Column::new("SERVICE", Shape::Left, 10),
        Column::new("OWNER", Shape::Left, 9),
        Column::new("STATE", Shape::Left, 6),
        Column::new("LEASE", Shape::Right, 8),
        Column::new("", Shape::Gauge(8), 4),
        Column::new("HOME", Shape::Left, 5),
        Column::new("EPOCH", Shape::Right, 3),
        Column::new("BACKUPS", Shape::Shrinks(12), 7),
        Column::new("ADDRESSES", Shape::Left, 1),
    ];
    let rows = within(&model.status.services, rows);
    Table { columns, rows: rows.iter().map(|service| row(model, service)).collect() }
}

fn row(model: &Model, service: &ServiceStatus) -> Vec<Cell> {
    let owner = match &service.owner {
        Some(owner) if *owner == service.home => Words::plain(owner),
        Some(owner) => Words::new(Tone::Notable, owner),
        None => Words::new(Tone::Bad, "nobody"),
    };
    let state = Words::new(
        match service.state {
            ServiceState::Serving | ServiceState::Elsewhere => Tone::Plain,
            ServiceState::Claiming => Tone::Notable,
            ServiceState::Fenced | ServiceState::Unowned => Tone::Bad,
        },
        service.state.name(),
    );
    let (lease, gauge) = service.lease_remaining_ms.map_or_else(
        || (Words::nothing(), Words::new(Tone::Faint, "").into()),
        |lease| (Words::plain(milliseconds(lease)), Cell::Gauge(model.lease_share(&service.name, lease))),
    );
    let backups: Vec<_> = service.backups.iter().map(backup).collect();
    vec![
        Words::plain(&service.name).into(),
        owner.into(),
        state.into(),
        lease.into(),
        gauge,
        Words::plain(&service.home).into(),
        Words::plain(service.epoch.to_string()).into(),
        match service.backups.iter().any(|backup| backup.available) {
            true => Words::plain(backups.join(" ")),
            // The next failure of its owner leaves it to a last resort.
            false if backups.is_empty() => Words::new(Tone::Notable, NOTHING),
            false => Words::new(Tone::Notable, backups.join(" ")),
        }
        .into(),
        Words::new(Tone::Faint, service.addresses.join(" ")).into(),
    ]
}

fn backup(backup: &BackupStatus) -> String {
    format!("{}:{}", backup.node, availability(&backup.reasons))
}
