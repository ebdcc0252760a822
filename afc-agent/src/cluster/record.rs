//! What a node tells the others of itself: the state record, which only its own node writes and all others keep.
//!
//! Only data, and the limits that [`NodeRecord::validate`] holds it to. Times in a record are ages by the origin's own clock: nodes' clocks are never compared.

use std::collections::BTreeSet;

use afc_ebpf::{
    identity::{NodeId, OwnerWord, ServiceId},
    layout::MAX_SERVICES,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use afc_engine::view::Watch;

use afc_engine::{
    availability::{Reasons, UnavailableReason},
    priority::Headroom,
};

/// Holdings in one record, at most: what a node can hold.
pub const MAX_HOLDINGS: usize = afc_ebpf::layout::MAX_HELD as usize;
/// Nodes that one node watches, at most; of more, those with the lowest numbers are told.
pub const MAX_WATCHES: usize = 1024;
/// Incarnations start from the wall clock in ns, which is far below.
const MAX_INCARNATION: u64 = i64::MAX as u64;
/// A new record each ns would take three days to get here.
const MAX_SEQUENCE: u64 = 1 << 48;
/// A share is at most one; what is measured over a short time may seem a little more.
const MAX_SHARE: f64 = 1.1;
/// No machine has a higher load average.
const MAX_LOAD: f64 = 1e6;
/// No machine does more operations a second.
const MAX_IOPS: u64 = 1 << 40;
/// No machine has more memory, bytes.
const MAX_MEMORY_BYTES: u64 = 1 << 60;
/// A century, ms.
const MAX_REASON_AGE_MS: u64 = 100 * 366 * 24 * 3_600_000;

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

/// What no node can truly say of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Of no node, or of one beyond the largest number.
    #[error("the node number {0} is out of range")]
    Node(u16),
    /// A sequence of 0, or a version beyond every number that a node gets to.
    #[error("the version is out of range")]
    Version,
    /// `serving` or `dead`, which nobody says of itself, or an unknown one.
    #[error("its reasons are not its own to say")]
    Reasons,
    /// Not one age for each reason, or one of more than a century.
    #[error("its reasons have impossible ages")]
    ReasonAges,
    /// More services than a cluster has.
    #[error("its capacity is out of range")]
    Capacity,
    /// Not a number, negative, infinite, or more than any machine has.
    #[error("the {0} is out of range")]
    Quantity(&'static str),
    /// More than a node can hold, or one service twice.
    #[error("it holds too many services, or one twice")]
    Holdings,
    /// More than a record may name, or one node twice.
    #[error("it watches too many nodes, or one twice")]
    Watches,
}

impl Version {
    /// Whether a node can have got to this number.
    pub fn is_plausible(self) -> bool {
        self.incarnation <= MAX_INCARNATION && (1..=MAX_SEQUENCE).contains(&self.sequence)
    }
}

impl NodeRecord {
    /// Whether a node can say this of itself.
    ///
    /// # Errors
    /// The first thing that it cannot.
    pub fn validate(&self) -> Result<(), RecordError> {
        check_node(self.node)?;
        if !self.version.is_plausible() {
            return Err(RecordError::Version);
        }
        self.state.validate()
    }
}

impl NodeState {
    /// Whether a node can say this of itself.
    ///
    /// # Errors
    /// The first thing that it cannot.
    pub fn validate(&self) -> Result<(), RecordError> {
        let derived = [UnavailableReason::Serving, UnavailableReason::Dead];
        if derived.into_iter().any(|reason| self.reasons.contains(reason)) {
            return Err(RecordError::Reasons);
        }
        let ages = &self.reason_ages_ms;
        if ages.len() != self.reasons.iter().count() || ages.iter().any(|&age| age > MAX_REASON_AGE_MS) {
            return Err(RecordError::ReasonAges);
        }
        if self.capacity > MAX_SERVICES {
            return Err(RecordError::Capacity);
        }
        if let Some(utilization) = &self.utilization {
            utilization.validate()?;
        }
        self.limits.validate()?;
        let services: BTreeSet<_> = self.holdings.iter().map(|(service, _)| service).collect();
        if self.holdings.len() > MAX_HOLDINGS || services.len() < self.holdings.len() {
            return Err(RecordError::Holdings);
        }
        let watched: BTreeSet<_> = self.watches.iter().map(|(node, _)| node).collect();
        if self.watches.len() > MAX_WATCHES || watched.len() < self.watches.len() {
            return Err(RecordError::Watches);
        }
        watched.into_iter().try_for_each(|node| check_node(*node))
    }
}

impl Utilization {
    fn validate(&self) -> Result<(), RecordError> {
        check_amount(self.cpu, MAX_SHARE, "CPU time")?;
        check_count(self.memory_available_bytes, MAX_MEMORY_BYTES, "available memory")?;
        check_count(self.memory_total_bytes, MAX_MEMORY_BYTES, "memory")?;
        check_count(self.iops, MAX_IOPS, "I/O operations")?;
        check_amount(self.load, MAX_LOAD, "load")?;
        let Some(pressure) = self.pressure else { return Ok(()) };
        check_amount(pressure.cpu, MAX_SHARE, "CPU pressure")?;
        check_amount(pressure.memory, MAX_SHARE, "memory pressure")?;
        check_amount(pressure.io, MAX_SHARE, "I/O pressure")
    }
}

impl Limits {
    fn validate(&self) -> Result<(), RecordError> {
        check_count(self.memory_available_bytes.unwrap_or(0), MAX_MEMORY_BYTES, "limit of available memory")?;
        check_amount(self.cpu.unwrap_or(0.0), MAX_SHARE, "limit of CPU time")?;
        check_amount(self.load.unwrap_or(0.0), f64::MAX, "limit of the load")
    }
}

fn check_node(node: NodeId) -> Result<(), RecordError> {
    if node.is_some() && node <= NodeId::MAX { Ok(()) } else { Err(RecordError::Node(node.0)) }
}

/// NaN is in no range.
fn check_amount(value: f64, most: f64, what: &'static str) -> Result<(), RecordError> {
    if (0.0..=most).contains(&value) { Ok(()) } else { Err(RecordError::Quantity(what)) }
}

fn check_count(value: u64, most: u64, what: &'static str) -> Result<(), RecordError> {
    if value <= most { Ok(()) } else { Err(RecordError::Quantity(what)) }
}

#[cfg(test)]
mod tests;
