//! The newest record of every node, with its age; and for a while the versions of those that aged out.
//!
//! Holds at most one record for each node that the controller asks it to keep; decides nothing about who may give it.

use std::{collections::BTreeMap, sync::Arc};

use afc_ebpf::identity::NodeId;

use super::{
    pieces::{Whole, age_ns},
    record::{NodeRecord, Version},
    wire::{Entry, MAX_ENTRIES},
};

/// A record that was not refreshed for so long is removed: three refreshes were lost, and half a one more.
pub const MAX_AGE_NS: u64 = 35_000_000_000;
/// How long a removed version is not taken again from a node where it seems a little younger.
const GONE_NS: u64 = 5_000_000_000;

/// The records.
#[derive(Default)]
pub(super) struct Records {
    kept: BTreeMap<NodeId, Kept>,
    gone: BTreeMap<NodeId, Gone>,
    /// No record is older than one that was made then.
    oldest_ns: Option<i64>,
    hash: Option<u64>,
}

/// A record and what is needed to pass it on.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) record: Arc<NodeRecord>,
    pub(super) encoded: Arc<[u8]>,
    pub(super) received_ns: u64,
    pub(super) made_ns: i64,
}

struct Gone {
    version: Version,
    until_ns: u64,
}

impl Kept {
    pub(super) fn whole(&self) -> Whole {
        let NodeRecord { node, version, .. } = *self.record;
        Whole { node, version, made_ns: self.made_ns, encoded: Arc::clone(&self.encoded) }
    }
}

impl Records {
    /// Keeps a record that is newer than the one before.
    pub(super) fn put(&mut self, kept: Kept) {
        self.gone.remove(&kept.record.node);
        self.oldest_ns = Some(self.oldest_ns.map_or(kept.made_ns, |oldest| oldest.min(kept.made_ns)));
        self.kept.insert(kept.record.node, kept);
        self.hash = None;
    }

    /// The version of a node that is the newest here, even if it went a moment ago.
    pub(super) fn newest(&self, node: NodeId, now_ns: u64) -> Version {
        let kept = self.kept.get(&node).map(|kept| kept.record.version);
        let gone = self.gone.get(&node).filter(|gone| gone.until_ns > now_ns).map(|gone| gone.version);
        kept.max(gone).unwrap_or_default()
    }

    pub(super) fn get(&self, node: NodeId) -> Option<&Kept> {
        self.kept.get(&node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.kept.values()
    }

    /// Removes what has aged out, but for `me`: this node knows its own state.
    pub(super) fn expire(&mut self, me: NodeId, now_ns: u64) -> Vec<NodeId> {
        if self.next_expiry_ns().is_none_or(|expiry_ns| expiry_ns > now_ns) {
            return Vec::new();
        }
        let is_old =
            |(node, kept): &(&NodeId, &Kept)| **node != me && age_ns(kept.made_ns, now_ns) >= MAX_AGE_NS;
        let old: Vec<_> = self.kept.iter().filter(is_old).map(|(node, _)| *node).collect();
        for node in &old {
            if let Some(kept) = self.kept.remove(node) {
                let gone = Gone { version: kept.record.version, until_ns: now_ns + GONE_NS };
                self.gone.insert(*node, gone);
                self.hash = None;
            }
        }
        let others = self.kept.iter().filter(|(node, _)| **node != me);
        self.oldest_ns = others.map(|(_, kept)| kept.made_ns).min();
        old
    }

    /// Nothing ages out before this.
    pub(super) fn next_expiry_ns(&self) -> Option<u64> {
        let expiry_ns = self.oldest_ns?.saturating_add_unsigned(MAX_AGE_NS);
        Some(u64::try_from(expiry_ns).unwrap_or(0))
    }

    /// A hash over the nodes and versions of all records.
    pub(super) fn hash(&mut self) -> u64 {
        if let Some(hash) = self.hash {
            return hash;
        }
        let mut hasher = blake3::Hasher::new();
        for (node, version) in self.entries() {
            hasher.update(&node.0.to_be_bytes());
            hasher.update(&version.incarnation.to_be_bytes());
            hasher.update(&version.sequence.to_be_bytes());
        }
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        *self.hash.insert(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The list of all versions in pages that fit into datagrams. The ranges of the pages have no gaps, so that each says
    /// by itself what is lacking here.
    pub(super) fn pages(&self) -> Vec<(NodeId, NodeId, Vec<Entry>)> {
        let entries: Vec<_> = self.entries().collect();
        let mut pages: Vec<_> = entries.chunks(MAX_ENTRIES).map(<[_]>::to_vec).collect();
        if pages.is_empty() {
            pages.push(Vec::new());
        }
        let firsts: Vec<_> = pages.iter().map(|page| page.first().map_or(0, |(node, _)| node.0)).collect();
        let range = |index: usize| {
            let first = if index == 0 { 0 } else { firsts[index] };
            let last = firsts.get(index + 1).map_or(u16::MAX, |next| next - 1);
            (NodeId(first), NodeId(last))
        };
        let with_range = |(index, entries)| {
            let (first, last) = range(index);
            (first, last, entries)
        };
        pages.into_iter().enumerate().map(with_range).collect()
    }

    /// What is newer here than in a page, or missing there.
    pub(super) fn newer_than(&self, first: NodeId, last: NodeId, page: &[Entry]) -> Vec<Entry> {
        let theirs: BTreeMap<_, _> = page.iter().copied().collect();
        let in_range = self.entries().filter(|(node, _)| (first..=last).contains(node));
        in_range.filter(|(node, version)| theirs.get(node).is_none_or(|their| their < version)).collect()
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.kept.values().map(|kept| (kept.record.node, kept.record.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::record::NodeState;

    const ME: NodeId = NodeId(1);

    fn kept(node: u16, sequence: u64, made_ns: i64) -> Kept {
        let version = Version { incarnation: 1, sequence };
        let record = NodeRecord { node: NodeId(node), version, state: NodeState::default() };
        Kept { record: Arc::new(record), encoded: Arc::new([]), received_ns: 0, made_ns }
    }

    fn records(nodes: impl Iterator<Item = u16>) -> Records {
        let mut records = Records::default();
        nodes.for_each(|node| records.put(kept(node, 1, 0)));
        records
    }

    #[test]
    fn pages_cover_every_number_once_and_every_record_once() {
        for count in [0, 1, MAX_ENTRIES, MAX_ENTRIES + 1, 1000] {
            let records = records((0..count as u16).map(|n| 7 + 3 * n));
            let pages = records.pages();
            let mut next = 0;
            for (first, last, entries) in &pages {
                assert_eq!(first.0, next);
                assert!(entries.len() <= MAX_ENTRIES);
                assert!(entries.iter().all(|(node, _)| (first..=last).contains(&node)));
                assert!(records.newer_than(*first, *last, entries).is_empty());
                next = last.0.wrapping_add(1);
            }
            assert_eq!(next, 0);
            assert_eq!(pages.iter().map(|(.., entries)| entries.len()).sum::<usize>(), count);
        }
    }

    #[test]
    fn what_is_newer_or_missing_in_a_page_is_found_within_its_range_only() {
        let mut records = records([2, 3, 4, 9].into_iter());
        records.put(kept(3, 2, 0));
        let old = Version { incarnation: 1, sequence: 1 };
        let newer = records.newer_than(NodeId(0), NodeId(8), &[(NodeId(2), old), (NodeId(3), old)]);
        assert_eq!(newer.iter().map(|(node, _)| node.0).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_record_ages_out_but_not_ones_own_and_is_not_taken_again_for_a_while() {
        let mut records = records([1, 2].into_iter());
        records.put(kept(3, 1, -10_000_000_000));
        assert_eq!(records.next_expiry_ns(), Some(25_000_000_000));
        assert_eq!(records.expire(ME, 24_999_999_999), []);
        assert_eq!(records.expire(ME, 25_000_000_000), [NodeId(3)]);
        let before = records.hash();
        assert_eq!(records.expire(ME, MAX_AGE_NS), [NodeId(2)]);
        assert_ne!(records.hash(), before);
        assert_eq!(records.newest(NodeId(2), MAX_AGE_NS + GONE_NS - 1).sequence, 1);
        assert_eq!(records.newest(NodeId(2), MAX_AGE_NS + GONE_NS), Version::default());
        assert_eq!(records.next_expiry_ns(), None);
    }

    #[test]
    fn the_hash_tells_versions_apart() {
        let mut a = records([1, 2].into_iter());
        let mut b = records([2, 1].into_iter());
        assert_eq!(a.hash(), b.hash());
        b.put(kept(2, 2, 0));
        assert_ne!(a.hash(), b.hash());
    }
}
