//! Utilisation: how busy this node is, and whether that makes it short of something (design.md section 3).
//!
//! [`Sampler`] reads the kernel's figures, [`Judge`] compares them with the thresholds and never reads anything,
//! [`ResourcesTask`] does both at every interval and publishes what came out. What follows from being short is decided
//! elsewhere.

mod cgroup;
mod judge;
mod latch;
mod procfs;
mod rate;
mod reader;
mod sample;
mod sampler;
mod task;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use cgroup::is_cgroup;
pub use judge::{Judge, Judgement, Known};
pub use sample::{Flaw, Memory, Reading, Resource, Sample, SampleError};
pub use sampler::{Sampler, Sources};
pub use task::ResourcesTask;

use afc_engine::{
    availability::{Reasons, UnavailableReason},
    priority::Headroom,
};

use crate::cluster::record::{Limits, Utilization};

/// What a node knows of its own utilisation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The latest figures; none before the second sample. One that can't be measured any more keeps its last value, and
    /// is 0 if it never could: `problems` names both.
    pub utilization: Option<Utilization>,
    /// What this node is short of.
    pub reasons: Reasons,
    /// Since when, `CLOCK_BOOTTIME` in ns, for each of these reasons.
    pub since: BTreeMap<UnavailableReason, u64>,
    /// How far it is from being short.
    pub headroom: Headroom,
    /// The thresholds in the units of the figures.
    pub limits: Limits,
    /// What can't be measured, and why.
    pub problems: Vec<Problem>,
}

/// Why something can't be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub resource: Resource,
    /// Why, as a sentence.
    pub message: String,
}
