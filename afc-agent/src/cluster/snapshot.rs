//! What readers see: all records with their ages, and how fast this node's own changes reached the others.

use std::sync::Arc;

use afc_ebpf::identity::NodeId;

use super::{
    pieces::age_ns,
    record::{NodeRecord, Version},
};

/// Upper bounds of the buckets of [`Discovery::buckets`], ms; the last bucket has none.
pub const BUCKET_BOUNDS_MS: [u64; 11] = [1, 2, 5, 10, 20, 50, 100, 250, 500, 1000, 5000];

/// Everything that a controller knows, at one instant.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// This node.
    pub node: NodeId,
    /// The newest record of each node, this one included, by number.
    pub records: Vec<KnownRecord>,
    /// Peers that a session is held with; the others were not heard since this node started.
    pub in_session: Vec<NodeId>,
    /// Peers whose lists stand against this node's.
    pub lists_differ: Vec<NodeId>,
    /// How fast changes of this node reached the others.
    pub discovery: Discovery,
}

/// A record and its age.
#[derive(Clone, Debug)]
pub struct KnownRecord {
    /// The record.
    pub record: Arc<NodeRecord>,
    /// This node's `CLOCK_BOOTTIME` when it came.
    pub received_ns: u64,
    /// When its node made it, by this node's clock; may lie before this machine's start.
    pub made_ns: i64,
}

impl KnownRecord {
    /// Its age now.
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        age_ns(self.made_ns, now_ns)
    }
}

/// How long it took from a change of this node's state until a peer's acknowledgement came back, by this node's clock.
/// Refreshed records are not measured, nor what a peer that was away was told when it came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Acknowledgements within each of [`BUCKET_BOUNDS_MS`] (not cumulative), and those beyond.
    pub buckets: [u64; BUCKET_BOUNDS_MS.len() + 1],
    /// The sum of all, ns.
    pub sum_ns: u64,
    /// The slowest, ns.
    pub worst_ns: u64,
    /// The newest change.
    pub last_change: Option<LastChange>,
}

/// A change of this node's state on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastChange {
    /// Its version.
    pub version: Version,
    /// This node's `CLOCK_BOOTTIME` when it was made.
    pub made_ns: u64,
    /// Peers that were told at once.
    pub told: usize,
    /// Those of them that have acknowledged it.
    pub acknowledged: usize,
    /// Until the last of these did, ns.
    pub slowest_ns: u64,
}

impl Discovery {
    pub(super) fn begin(&mut self, version: Version, made_ns: u64, told: usize) {
        self.last_change = Some(LastChange { version, made_ns, told, acknowledged: 0, slowest_ns: 0 });
    }

    pub(super) fn acknowledged(&mut self, took_ns: u64) {
        let within = |bound_ms: &u64| took_ns <= bound_ms * 1_000_000;
        let bucket = BUCKET_BOUNDS_MS.iter().position(within).unwrap_or(BUCKET_BOUNDS_MS.len());
        self.buckets[bucket] += 1;
        self.sum_ns = self.sum_ns.saturating_add(took_ns);
        self.worst_ns = self.worst_ns.max(took_ns);
        if let Some(change) = &mut self.last_change {
            change.acknowledged += 1;
            change.slowest_ns = change.slowest_ns.max(took_ns);
        }
    }
}
