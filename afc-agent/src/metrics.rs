//! What Prometheus scrapes: one moment of the agent, written as OpenMetrics text.
//!
//! A [`Sample`] is only data; whoever knows the values fills it in, and nothing is counted twice for it: counters are those
//! of the kernel, the engine and the agent's parts. Names follow Prometheus' conventions and never change their meaning;
//! each is listed in `docs/monitoring.md`. Labels are names of the configuration or of a closed set.

mod families;
mod writer;

use std::fmt;

use afc_ebpf::{histogram::Histogram, reason::Reason};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};

use crate::{
    cluster::Discovery,
    events::Tally,
    heartbeat::{timing::Timings, view::Tally as FastTally},
    repository::Stats,
    status::Status,
};
use afc_engine::view::Counters as Ignored;

/// The content type of what [`encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One moment of an agent.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What `afc status` says.
    pub status: Status,
    /// The hash of the maps' layout.
    pub layout: &'static str,
    /// Since 1970, s.
    pub started_s: f64,
    /// The heartbeat interval, s.
    pub interval_s: f64,
    /// The heartbeat timeout, which is the lease, s.
    pub timeout_s: f64,
    /// Packets by what the kernel did with them.
    pub packets: Vec<(Reason, u64)>,
    /// Heartbeats with each other node.
    pub peers: Vec<PeerSample>,
    /// By service, in the order of the status: how much was left at least of its lease, ns.
    pub lowest_margins_ns: Vec<Option<u64>>,
    /// How long things took on the fast path.
    pub timings: Timings,
    /// What went wrong on the fast path.
    pub fast: FastTally,
    /// What the engine ignored.
    pub ignored: Ignored,
    /// What happened.
    pub tally: Tally,
    /// Versions of the lists so far.
    pub list_changes: u64,
    /// Nodes that make other lists of the same states.
    pub lists_differing: usize,
    /// How long a change took to the others.
    pub discovery: Discovery,
    /// The controller's messages.
    pub controller: Vec<(&'static str, u64)>,
    /// The local repository.
    pub repository: Stats,
}

/// Heartbeats with one node.
#[derive(Clone, Debug)]
pub struct PeerSample {
    /// Its name.
    pub name: String,
    /// Round trips.
    pub round_trips: Histogram,
    /// Times between its answers; wide.
    pub gaps: Histogram,
}

/// Writes a moment as OpenMetrics text.
pub fn encode(sample: Sample) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(sample));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a String takes everything");
    text
}

impl Collector for Sample {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        families::write(self, &mut writer::Writer::new(encoder))
    }
}

#[cfg(test)]
mod tests;
