//! What the agent shows over HTTP beside what the control socket shows: metrics and health.

use std::{
    sync::PoisonError,
    time::{Duration, SystemTime},
};

use super::{notices, status::AgentStatus};
use crate::{
    clock,
    control::server::ControlSource,
    datapath,
    events::Happening,
    http::HttpSource,
    metrics::{self, PeerSample, Sample},
};

impl HttpSource for AgentStatus {
    fn metrics(&self) -> String {
        metrics::encode(self.sample())
    }

    fn is_healthy(&self) -> Result<(), String> {
        let shown_ns = self.view.lock().unwrap_or_else(PoisonError::into_inner).at_ns;
        let silence = Duration::from_nanos(clock::boottime_ns().saturating_sub(shown_ns));
        if silence < self.config.agent.agent_timeout {
            return Ok(());
        }
        Err(format!("the fast path has not moved for {} ms", silence.as_millis()))
    }

    fn is_ready(&self) -> Result<(), String> {
        let (has_quorum, quarantine_until_ns) = {
            let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
            (view.has_quorum, view.quarantine_until_ns)
        };
        let remaining_ns = quarantine_until_ns.saturating_sub(clock::boottime_ns());
        if remaining_ns > 0 {
            return Err(format!("in quarantine for {:.0} ms after a start", remaining_ns as f64 / 1e6));
        }
        if has_quorum { Ok(()) } else { Err("no quorum: this node does not hear a majority".to_owned()) }
    }

    fn report(&self, happening: Happening) {
        notices::report(&self.events, happening);
    }
}

impl AgentStatus {
    fn sample(&self) -> Sample {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let config = &self.config;
        let others = config.nodes.iter().filter(|node| node.id != config.agent.node);
        let since_1970 = self.started_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Sample {
            status: self.status(),
            layout: datapath::LAYOUT_HASH,
            started_s: since_1970.as_secs_f64(),
            interval_s: config.heartbeat.interval.as_secs_f64(),
            timeout_s: config.heartbeat.timeout.as_secs_f64(),
            packets: self.counters.read().unwrap_or_default(),
            peers: others
                .map(|node| PeerSample {
                    name: node.name.clone(),
                    round_trips: self.maps.round_trips(node.id),
                    gaps: self.maps.gaps(node.id),
                })
                .collect(),
            lowest_margins_ns: (0..)
                .zip(&config.services)
                .map(|(index, _)| self.maps.lowest_margin_ns(index))
                .collect(),
            timings: view.timings,
            fast: view.tally,
            ignored: view.ignored,
            tally: self.events.tally(),
            list_changes: *self.board.versions().borrow(),
            lists_differing: self.board.posted().differing.len(),
            discovery: self.cluster.snapshot().discovery.clone(),
            controller: self.cluster.counters().iter().collect(),
            repository: self.repository.stats(),
        }
    }
}
