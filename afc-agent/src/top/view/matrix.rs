//! The matrix of services and nodes: what each node is to each service, as `afc lists` has it.

use std::{borrow::Cow, ops::Range};

use super::{Cell, Column, Shape, Table, Tone, Words, available, within};
use crate::{
    columns::availability,
    lists::{BackupList, ListMatrix, ListedNode},
    top::model::Model,
};

/// Rows above the services: the nodes' states.
const STATES: usize = 1;

/// How many rows and columns of nodes there are; without lists, none.
pub(in crate::top) fn matrix_extent(model: &Model) -> [usize; 2] {
    let extent = |lists: &ListMatrix| [STATES + served(lists).count(), lists.nodes.len()];
    model.lists.as_ref().map_or([0, 0], extent)
}

/// Some services, some nodes. A member without a service has no row: it backs nobody up but those that have.
pub(in crate::top) fn matrix(model: &Model, rows: Range<usize>, nodes: Range<usize>) -> Table {
    let Some(lists) = &model.lists else {
        return Table { columns: Vec::new(), rows: Vec::new() };
    };
    let nodes = within(&lists.nodes, nodes);
    let mut columns = vec![Column::new("", Shape::Left, u16::MAX)];
    columns.extend(nodes.iter().enumerate().map(|(place, node)| Column {
        title: Cow::Owned(node.name.clone()),
        shape: Shape::Left,
        // The last ones are hidden first.
        weight: u16::try_from(place).map_or(0, |place| u16::MAX - place),
    }));
    let states = (rows.start < STATES && !rows.is_empty()).then(|| state_row(nodes));
    let skipped = rows.start.saturating_sub(STATES);
    let wanted = rows.len() - usize::from(states.is_some());
    let services = served(lists).skip(skipped).take(wanted).map(|list| service_row(list, nodes));
    Table { columns, rows: states.into_iter().chain(services).collect() }
}

fn served(lists: &ListMatrix) -> impl Iterator<Item = &BackupList> {
    lists.lists.iter().filter(|list| list.service.is_some())
}

fn state_row(nodes: &[ListedNode]) -> Vec<Cell> {
    let state = |node: &ListedNode| available(&node.reasons).into();
    std::iter::once(Words::new(Tone::Faint, "state").into()).chain(nodes.iter().map(state)).collect()
}

fn service_row(list: &BackupList, nodes: &[ListedNode]) -> Vec<Cell> {
    let name = Words::plain(list.service.as_deref().unwrap_or_default());
    std::iter::once(name.into()).chain(nodes.iter().map(|node| place(list, &node.name).into())).collect()
}

/// What a node is to a service.
fn place(list: &BackupList, node: &str) -> Words {
    let is_home = list.node == node;
    if list.owner.as_deref() == Some(node) {
        return Words::new(if is_home { Tone::Plain } else { Tone::Notable }, "serves");
    }
    match list.backups.iter().position(|backup| backup.node == node) {
        Some(rank) => {
            let backup = &list.backups[rank];
            let tone = if backup.available { Tone::Plain } else { Tone::Faint };
            Words::new(tone, format!("{} {}", rank + 1, availability(&backup.reasons)))
        }
        None if is_home => Words::plain("home"),
        None => Words::nothing(),
    }
}
