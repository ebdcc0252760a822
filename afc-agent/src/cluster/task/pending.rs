//! Changes that wait for the agent: the last of each kind for each node, in the order in which they were first due.

use std::collections::{BTreeMap, VecDeque};

use afc_ebpf::identity::NodeId;

use crate::cluster::change::Change;

/// The queue. As long as there are nodes and kinds, at most.
#[derive(Debug, Default)]
pub(super) struct Pending {
    order: VecDeque<Key>,
    last: BTreeMap<Key, Change>,
}

type Key = (NodeId, Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Record,
    Lists,
    Conflict,
    Incarnation,
}

impl Pending {
    pub(super) fn put(&mut self, change: Change) {
        let key = key(&change);
        if self.last.insert(key, change).is_none() {
            self.order.push_back(key);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Change> {
        self.last.remove(&self.order.pop_front()?)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// Changes with one key replace each other.
fn key(change: &Change) -> Key {
    match change {
        Change::Record { record, .. } => (record.node, Kind::Record),
        Change::AgedOut(node) => (*node, Kind::Record),
        Change::ListsDiffer(node) | Change::ListsAgree(node) => (*node, Kind::Lists),
        Change::Conflict { node, .. } => (*node, Kind::Conflict),
        Change::IncarnationLost { .. } => (NodeId::NONE, Kind::Incarnation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_of_a_kind_counts_at_the_place_of_the_first() {
        let mut pending = Pending::default();
        for change in [
            Change::ListsDiffer(NodeId(1)),
            Change::AgedOut(NodeId(1)),
            Change::ListsDiffer(NodeId(2)),
            Change::ListsAgree(NodeId(1)),
        ] {
            pending.put(change);
        }
        let popped: Vec<_> = std::iter::from_fn(|| pending.pop()).collect();
        let expected =
            [Change::ListsAgree(NodeId(1)), Change::AgedOut(NodeId(1)), Change::ListsDiffer(NodeId(2))];
        assert_eq!(popped, expected);
        assert!(pending.is_empty());
    }
}
