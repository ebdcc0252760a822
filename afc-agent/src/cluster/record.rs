//! What a node tells the others of itself: the state record, which only its own node writes and all others keep.
//!
//! Only data and its limits. Times in a record are ages by the origin's own clock: nodes' clocks are never compared.

use afc_ebpf::identity::{NodeId, OwnerWord, ServiceId};
use serde::{Deserialize, Serialize};

pub use crate::engine::view::Watch;

use crate::engine::{availability::Reasons, priority::Headroom};

/// Holdings in one record, at most: what a node can hold.
pub const MAX_HOLDINGS: usize = afc_ebpf::layout::MAX_HELD as usize;
/// Nodes that one node watches, at most; of more, those with the lowest numbers are told.
pub const MAX_WATCHES: usize = 1024;

/// Which of two records of one node is newer: the greater version wins (as a link-state advertisement's sequence
/// number does, RFC 2328 section 13.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The agent's incarnation: greater after each start.
    pub incarnation: u64,
    /// From 1 within an incarnation.
    pub sequence: u64,
}

/// One node's state, as it says itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Whose state it is.
    pub node: NodeId,
    /// Which of its records this is.
    pub version: Version,
    /// The state.
    pub state: NodeState,
}

/// What a node knows of itself and of the nodes that it probes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    /// Why it takes nothing over: its own measurements and its operator's word. Never `serving` or `dead`, which
    /// follow from `holdings` and from others' `watches`.
    pub reasons: Reasons,
    /// For how long each of these reasons has held when the record was made, ms; in the order of
    /// [`Reasons::iter`].
    pub reason_ages_ms: Vec<u64>,
    /// How far it is from its thresholds.
    pub headroom: Headroom,
    /// Services that it may hold beyond its own.
    pub capacity: u32,
    /// How busy it is; none while it was not measured yet.
    pub utilization: Option<Utilization>,
    /// Beyond what it counts as short.
    pub limits: Limits,
    /// What it holds: service and owner word.
    pub holdings: Vec<(ServiceId, OwnerWord)>,
    /// The nodes that it probes, and whether each answers.
    pub watches: Vec<(NodeId, Watch)>,
}

/// How busy a node is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Utilization {
    /// Share of all CPU time used, 0 to 1.
    pub cpu: f64,
    /// Available memory, bytes.
    pub memory_available_bytes: u64,
    /// All memory, bytes.
    pub memory_total_bytes: u64,
    /// Block I/O operations a second.
    pub iops: u64,
    /// Load average over one minute.
    pub load: f64,
    /// Share of the last 10 s in which some task waited (PSI, Linux 4.20), 0 to 1; none where the kernel has no PSI.
    pub pressure: Option<Pressure>,
}

/// Pressure stall information: `some`, `avg10`, as shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// Waiting for CPU time.
    pub cpu: f64,
    /// Waiting for memory.
    pub memory: f64,
    /// Waiting for I/O.
    pub io: f64,
}

/// A node's thresholds, in the units of [`Utilization`]; none where it has no such threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Less available memory than this, bytes.
    pub memory_available_bytes: Option<u64>,
    /// More CPU time than this, 0 to 1.
    pub cpu: Option<f64>,
    /// More operations a second than this.
    pub iops: Option<u64>,
    /// A higher load than this.
    pub load: Option<f64>,
}
