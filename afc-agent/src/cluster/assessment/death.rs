//! Who is dead, by what nodes say of those that they probe.
//!
//! A node without a record is dead. So is one that more of its watchers suspect than hear; the word of a dead watcher
//! does not count. Who falls first thus matters: in each round only those with the greatest majority against them do,
//! then all is counted again without their word, until no majority is left. Nobody rises again within one assessment,
//! so there are at most as many rounds as nodes.

use std::collections::{BTreeMap, BTreeSet};

use afc_ebpf::identity::NodeId;

use crate::cluster::record::{NodeRecord, Watch};

/// What the watchers that count say of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    pub(super) is_dead: bool,
    pub(super) suspected_by: BTreeSet<NodeId>,
    pub(super) answers_to: BTreeSet<NodeId>,
}

impl Verdict {
    /// How many more suspect it than hear it; none if no more do, or if it is dead anyway.
    fn majority_against(&self) -> Option<usize> {
        let majority = self.suspected_by.len().checked_sub(self.answers_to.len())?;
        Some(majority).filter(|&majority| majority > 0 && !self.is_dead)
    }
}

/// A verdict on each of these nodes.
pub(super) fn verdicts(
    nodes: impl Iterator<Item = NodeId>,
    records: &BTreeMap<NodeId, &NodeRecord>,
) -> BTreeMap<NodeId, Verdict> {
    let verdict = |id| (id, Verdict { is_dead: !records.contains_key(&id), ..Verdict::default() });
    let mut verdicts: BTreeMap<NodeId, Verdict> = nodes.map(verdict).collect();
    for (&watcher, record) in records {
        for (&watched, &watch) in &watches(watcher, record) {
            match (verdicts.get_mut(&watched), watch) {
                (Some(verdict), Watch::Alive) => verdict.answers_to.insert(watcher),
                (Some(verdict), Watch::Suspected) => verdict.suspected_by.insert(watcher),
                (None, _) => false,
            };
        }
    }
    while let Some(greatest) = verdicts.values().filter_map(Verdict::majority_against).max() {
        let falls = |verdict: &Verdict| verdict.majority_against() == Some(greatest);
        let fallen: Vec<NodeId> =
            verdicts.iter().filter(|(_, verdict)| falls(verdict)).map(|(id, _)| *id).collect();
        for dead in &fallen {
            verdicts.entry(*dead).or_default().is_dead = true;
        }
        for dead in fallen {
            let silenced = records.get(&dead).map(|record| watches(dead, record)).unwrap_or_default();
            for watched in silenced.keys() {
                if let Some(verdict) = verdicts.get_mut(watched).filter(|verdict| !verdict.is_dead) {
                    verdict.suspected_by.remove(&dead);
                    verdict.answers_to.remove(&dead);
                }
            }
        }
    }
    verdicts
}

/// What a node says of others, each once; said twice, the worse counts.
fn watches(watcher: NodeId, record: &NodeRecord) -> BTreeMap<NodeId, Watch> {
    let mut watches = BTreeMap::new();
    for &(watched, watch) in record.state.watches.iter().filter(|(watched, _)| *watched != watcher) {
        let said = watches.entry(watched).or_insert(watch);
        if watch == Watch::Suspected {
            *said = watch;
        }
    }
    watches
}
