//! What this node says of itself, and the configuration as the assessment reads it. Pure.

use std::collections::BTreeMap;

use afc_ebpf::identity::{NodeId, OwnerWord, ServiceId};
use afc_engine::{
    Role,
    availability::UnavailableReason,
    view::{HolderState, Watch},
};

use crate::{
    cluster::{
        assessment::{Roster, RosterService},
        record::{MAX_WATCHES, NodeState},
    },
    config::{Config, ListMode, ServiceConfig},
    heartbeat::view::View,
    resources::Measured,
};

use super::super::parts;

/// For how long a suspected node must answer.
const CALM_NS: u64 = 500_000_000;
/// A figure changed much by this share of what it was.
const FIGURE_SHARE: f64 = 0.2;

/// What the fast path knows that others want to hear.
pub(super) struct Facts {
    holdings: Vec<(ServiceId, OwnerWord)>,
    watches: Vec<(NodeId, Watch)>,
}

impl Facts {
    pub(super) fn of(view: &View, me: NodeId, suspicions: &mut Suspicions, now_ns: u64) -> Self {
        let owned = view
            .services
            .iter()
            .filter(|service| matches!(service.state, HolderState::Owner | HolderState::Raising));
        let watches = view.nodes.iter().filter_map(|node| Some((node.id, node.watch?)));
        let watches = watches.map(|(node, watch)| (node, suspicions.damped(node, watch, now_ns)));
        Self {
            holdings: owned.map(|service| (service.id, service.epoch.owned_by(me))).collect(),
            watches: watches.take(MAX_WATCHES).collect(),
        }
    }
}

/// Nodes that were suspected: whether one answers is not told before it has answered for a while, so that lost heartbeats
/// don't make all lists come and go.
#[derive(Debug, Default)]
pub(super) struct Suspicions(BTreeMap<NodeId, u64>);

impl Suspicions {
    fn damped(&mut self, node: NodeId, watch: Watch, now_ns: u64) -> Watch {
        match watch {
            Watch::Suspected => {
                self.0.insert(node, now_ns);
                Watch::Suspected
            }
            Watch::Alive => match self.0.get(&node) {
                Some(last_ns) if now_ns < last_ns + CALM_NS => Watch::Suspected,
                Some(_) | None => Watch::Alive,
            },
        }
    }
}

/// What a node's state is made from.
pub(super) struct Own<'a> {
    pub(super) config: &'a Config,
    pub(super) measured: &'a Measured,
    pub(super) drained_since_ns: Option<u64>,
    pub(super) facts: Facts,
}

impl Own<'_> {
    /// The state to tell.
    pub(super) fn state(self, now_ns: u64) -> NodeState {
        let measured = self.measured;
        let reasons = match self.drained_since_ns {
            Some(_) => measured.reasons.with(UnavailableReason::Drained),
            None => measured.reasons,
        };
        let age_ms = |reason| {
            let is_drained = reason == UnavailableReason::Drained;
            let since_ns =
                if is_drained { self.drained_since_ns } else { measured.since.get(&reason).copied() };
            now_ns.saturating_sub(since_ns.unwrap_or(now_ns)) / 1_000_000
        };
        NodeState {
            reasons,
            reason_ages_ms: reasons.iter().map(age_ms).collect(),
            headroom: measured.headroom,
            capacity: self.config.agent.capacity,
            utilization: measured.utilization,
            limits: measured.limits,
            holdings: self.facts.holdings,
            watches: self.facts.watches,
        }
    }
}

/// Whether the others would do something else with another state: more than figures and ages changed.
pub(super) fn differs(told: &NodeState, state: &NodeState) -> bool {
    told.reasons != state.reasons
        || told.headroom != state.headroom
        || told.capacity != state.capacity
        || told.limits != state.limits
        || told.holdings != state.holdings
        || told.watches != state.watches
        || told.utilization.is_none() != state.utilization.is_none()
}

/// Whether a figure changed enough for somebody to want to see it.
pub(super) fn figures_moved(told: &NodeState, state: &NodeState) -> bool {
    let (Some(told), Some(state)) = (&told.utilization, &state.utilization) else {
        return true;
    };
    let moved = |told: f64, now: f64, least: f64| (told - now).abs() > least.max(told.abs() * FIGURE_SHARE);
    let total = state.memory_total_bytes as f64;
    moved(told.cpu, state.cpu, 0.1)
        || moved(told.memory_available_bytes as f64, state.memory_available_bytes as f64, total * 0.02)
        || moved(told.iops as f64, state.iops as f64, 100.0)
        || moved(told.load, state.load, 0.5)
}

/// Who is there, and what is served.
pub(super) fn roster(config: &Config) -> Roster {
    let service = |service: &ServiceConfig| {
        let backups = service.candidates.iter().copied().filter(|node| *node != service.home).collect();
        (service.id, RosterService { home: service.home, backups })
    };
    Roster {
        nodes: config.nodes.iter().map(|node| (node.id, parts::engine_role(node.role))).collect(),
        services: config.services.iter().map(service).collect(),
    }
}

/// The configuration that lists follow from, in eight bytes: the same on every node that is configured alike.
pub(super) fn roster_digest(roster: &Roster, mode: ListMode) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(mode == ListMode::Static)]);
    for (node, role) in &roster.nodes {
        hasher.update(&node.0.to_be_bytes()).update(&[u8::from(*role == Role::Member)]);
    }
    for (id, service) in &roster.services {
        hasher.update(&id.0.to_be_bytes()).update(&service.home.0.to_be_bytes());
        hasher.update(&(service.backups.len() as u32).to_be_bytes());
        for backup in &service.backups {
            hasher.update(&backup.0.to_be_bytes());
        }
    }
    let mut digest = [0; 8];
    hasher.finalize_xof().fill(&mut digest);
    u64::from_be_bytes(digest)
}
