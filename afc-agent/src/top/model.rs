//! What is known: samples come in, and everything that is shown is made from this. Reads no clock, asks nobody, draws nothing.
//!
//! Bounded by what the agent says: it keeps one entry for each node, service and counter of the last sample, [`HISTORY`]
//! round trips of each node, and as many events as the agent does.

mod rates;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::sampler::Sample;
use crate::{
    events::{self, EventRecord},
    lists::ListMatrix,
    status::Status,
};

pub(super) use rates::{Rate, Rates};

/// Round trips of each node that are kept: as many as a wide screen has room for.
pub(super) const HISTORY: usize = 120;
/// With this much more than two intervals without an answer, the agent is not reachable. An agent on a busy machine may
/// take a moment.
const PATIENCE: Duration = Duration::from_secs(1);

/// The samples so far.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// What the agent said last.
    pub(super) status: Status,
    /// The lists as it said last.
    pub(super) lists: Option<ListMatrix>,
    /// What happened, oldest first.
    pub(super) events: VecDeque<EventRecord>,
    /// The kernel's counters.
    pub(super) rates: Rates,
    trends: BTreeMap<String, VecDeque<Option<f64>>>,
    longest_ms: BTreeMap<String, f64>,
    interval: Duration,
    answered: Instant,
    failure: Option<String>,
}

/// Whether the agent is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contact {
    /// It answers.
    Live,
    /// It does not.
    Lost {
        /// For how long.
        lasting: Duration,
        /// Why.
        why: String,
    },
}

impl Model {
    /// Starts with the first sample; the next ones come each `interval`.
    pub(super) fn new(sample: Sample, interval: Duration) -> Self {
        let mut model = Self {
            status: sample.status.clone(),
            lists: None,
            events: VecDeque::new(),
            rates: Rates::default(),
            trends: BTreeMap::new(),
            longest_ms: BTreeMap::new(),
            interval,
            answered: sample.at,
            failure: None,
        };
        model.handle_sample(sample);
        model
    }

    /// Takes what the agent said.
    pub(super) fn handle_sample(&mut self, sample: Sample) {
        let Sample { at, status, events, lists } = sample;
        if status.session != self.status.session {
            // Another agent: it counts from zero, and says again what happened before.
            self.rates = Rates::default();
            self.events.clear();
        }
        self.rates.note(at, &status.counters);
        self.events.extend(events.events);
        let surplus = self.events.len().saturating_sub(events::CAPACITY);
        self.events.drain(..surplus);
        self.note_round_trips(&status);
        self.note_leases(&status);
        self.lists = lists.or(self.lists.take());
        self.status = status;
        self.answered = at;
        self.failure = None;
    }

    /// Takes that it said nothing, and why.
    pub(super) fn handle_failure(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// Whether the agent is there at `now`.
    pub(super) fn contact(&self, now: Instant) -> Contact {
        let lasting = now.saturating_duration_since(self.answered);
        match &self.failure {
            Some(why) => Contact::Lost { lasting, why: why.clone() },
            None if lasting > self.interval * 2 + PATIENCE => {
                Contact::Lost { lasting, why: "it takes connections and says nothing".to_owned() }
            }
            None => Contact::Live,
        }
    }

    /// The medians of a node's round trips, µs, oldest first; a sample without one is `None`.
    pub(super) fn trend(&self, node: &str) -> Vec<Option<f64>> {
        self.trends.get(node).into_iter().flatten().copied().collect()
    }

    /// What is left of a service's lease, as a share of the longest that was seen.
    pub(super) fn lease_share(&self, service: &str, remaining_ms: f64) -> f64 {
        let longest = self.longest_ms.get(service).copied().unwrap_or(remaining_ms);
        if longest > 0.0 { (remaining_ms / longest).clamp(0.0, 1.0) } else { 0.0 }
    }

    fn note_round_trips(&mut self, status: &Status) {
        let mut before = std::mem::take(&mut self.trends);
        for node in &status.nodes {
            let mut trend = before.remove(&node.name).unwrap_or_default();
            if trend.len() == HISTORY {
                trend.pop_front();
            }
            // A node that does not answer has the quantiles of when it did.
            trend.push_back(node.rtt_us.filter(|_| node.alive).map(|rtt| rtt.p50));
            self.trends.insert(node.name.clone(), trend);
        }
    }

    fn note_leases(&mut self, status: &Status) {
        let before = std::mem::take(&mut self.longest_ms);
        for service in &status.services {
            let longest = before.get(&service.name).copied();
            let longest = longest.into_iter().chain(service.lease_remaining_ms).reduce(f64::max);
            if let Some(longest) = longest {
                self.longest_ms.insert(service.name.clone(), longest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
