//! A simulated run, written down: what the cluster looks like, and which faults come when.
//!
//! As text, a line of JSON for the cluster and one for each fault; lines that begin with `#` say something to people.

use serde::{Deserialize, Serialize};

use super::{fault::Fault, shape::Shape};

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Of every random choice that the run itself makes: delays, losses, waits, the machines' clocks.
    pub(super) seed: u64,
    pub(super) shape: Shape,
    /// Scheduling delay of a run, at most.
    pub(super) late_ns: u64,
    /// Whether nodes are made to claim and to give up for no reason: safety must not rest on their manners.
    pub(super) is_rude: bool,
    /// When the last fault is over.
    pub(super) ends_ns: u64,
    /// What follows, once all is healed.
    pub(super) finale: Finale,
    /// In the order of time.
    #[serde(skip)]
    pub(super) faults: Vec<Fault>,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Finale {
    /// With the last fault: only what holds at every step is looked at.
    None,
    /// Everything heals, and what must hold once settled is looked at.
    Settle,
    /// Then two nodes that serve fail at once.
    DoubleFailure,
}

impl Plan {
    /// As text.
    pub(super) fn text(&self, remark: &str) -> String {
        let json = |line: serde_json::Result<String>| line.expect("plain data") + "\n";
        let remarks = remark.lines().map(|line| format!("# {line}\n"));
        let head = json(serde_json::to_string(self));
        let faults = self.faults.iter().map(|fault| json(serde_json::to_string(fault)));
        remarks.chain([head]).chain(faults).collect()
    }

    /// From text.
    pub(super) fn parse(text: &str) -> serde_json::Result<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let mut plan: Self = serde_json::from_str(lines.next().unwrap_or_default())?;
        plan.faults = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok(plan)
    }
}
