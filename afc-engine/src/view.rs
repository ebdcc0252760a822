//! What status, metrics and the kernel's flags read of the engine. Nothing here changes anything.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    layout::Record,
    wire::flag,
};
use serde::{Deserialize, Serialize};

use super::{
    Engine, Phase,
    node::Node,
    service::{Service, Stage},
    setup::{Role, Safety},
};

/// A node that probes this one each tenth interval, and is itself probed by nobody, counts as alive for so
/// many.
const HEARD_INTERVALS: u64 = 30;

/// One service as this node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// The service.
    pub id: ServiceId,
    /// Its home node.
    pub home: NodeId,
    /// Who serves, as far as this node heard, and under which epoch.
    pub owner: OwnerWord,
    /// What this node does with it.
    pub state: HolderState,
    /// The epoch this node holds, [`Epoch::ZERO`] if it holds none.
    pub epoch: Epoch,
    /// Until when the kernel lets this node serve, ns, as of the last look; 0 if it holds nothing.
    pub lease_until_ns: u64,
    /// The voter's record.
    pub record: Record,
}

/// What a node that probes another knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Watch {
    /// It answers.
    Alive,
    /// Enough probes were sent and none answered.
    Suspected,
}

/// What this node does with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderState {
    /// Nothing.
    Idle,
    /// It asks whether a majority would grant.
    Asking,
    /// It claimed and waits for its majority.
    Tentative,
    /// It owns the service; the kernel serves while the lease lives.
    Owner,
    /// It owns the service and moves to a higher epoch.
    Raising,
}

/// One node as this node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// The node.
    pub id: NodeId,
    /// Its role.
    pub role: Role,
    /// It answers probes, or, where nobody probes it, was heard lately. This node itself always is.
    pub is_alive: bool,
    /// Enough probes were sent and none answered.
    pub is_suspected: bool,
    /// What this node can tell the others about it: it probes it, and got an answer or none.
    pub watch: Option<Watch>,
    /// It takes services over.
    pub is_available: bool,
    /// It gives its services away, or is in quarantine.
    pub is_draining: bool,
    /// Its session, 0 while unknown.
    pub session: u64,
}

/// Input that was ignored, and why; and what ran late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// From or about a node that is not configured.
    pub unknown_node: u64,
    /// About a service that is not configured.
    pub unknown_service: u64,
    /// Slots, pages or fields that no engine sends.
    pub malformed: u64,
    /// An answer for another session of this node.
    pub wrong_session: u64,
    /// Too old to act on.
    pub stale: u64,
    /// A kind that this version does not act on.
    pub unexpected: u64,
    /// Messages not sent because too many waited.
    pub dropped_messages: u64,
    /// Ticks more than one interval late.
    pub late_ticks: u64,
}

impl Engine {
    /// The [`flag`] bits of this node's messages, for the kernel's REPLYs too.
    pub fn flags(&self) -> u16 {
        // Who can claim nothing for a while says so, and the next candidate does not wait for it.
        if self.phase == Phase::Stopped || self.is_drained || self.is_in_quarantine(self.now_ns) {
            return flag::DRAINING;
        }
        // "A backup that serves is N, until its capacity allows more."
        let is_free = self.is_available && self.held_away < self.capacity;
        if is_free { flag::AVAILABLE } else { 0 }
    }

    /// Every service, by id.
    pub fn services(&self) -> impl Iterator<Item = ServiceView> {
        self.services.iter().map(|(id, service)| ServiceView {
            id,
            home: service.home,
            owner: service.owner,
            state: service.state(),
            epoch: service.holding.map_or(Epoch::ZERO, |holding| holding.epoch),
            lease_until_ns: service.holding.map_or(0, |holding| holding.until_ns),
            record: service.record,
        })
    }

    /// Every node, by number.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView> {
        self.nodes.iter().map(|(id, node)| {
            let is_me = id == self.me;
            NodeView {
                id,
                role: node.role,
                is_alive: is_me || self.is_heard(node),
                is_suspected: !is_me && node.is_suspected(),
                watch: node.watch().filter(|_| !is_me),
                is_available: if is_me { self.flags() & flag::AVAILABLE != 0 } else { node.is_available() },
                is_draining: if is_me { self.flags() & flag::DRAINING != 0 } else { node.is_draining() },
                session: if is_me { self.session } else { node.session },
            }
        })
    }

    /// Whether this node and the voters that answer it are a majority, for every service.
    pub fn has_quorum(&self) -> bool {
        if self.safety == Safety::BestEffort {
            return true;
        }
        let answers = |voter: &&NodeId| {
            **voter == self.me || self.nodes.get(**voter).is_some_and(|node| self.is_heard(node))
        };
        self.services
            .iter()
            .all(|(_, service)| service.voters.iter().filter(answers).count() > service.voters.len() / 2)
    }

    fn is_heard(&self, node: &Node) -> bool {
        node.liveness.is_alive(self.timing.interval_ns.saturating_mul(HEARD_INTERVALS), self.now_ns)
    }

    /// The earliest end of the leases that this node serves under, ns; none if it serves nothing.
    pub fn lowest_lease_until_ns(&self) -> Option<u64> {
        let holdings = self.services.iter().filter_map(|(_, service)| service.holding);
        holdings.filter(|holding| holding.stage == Stage::Owner).map(|holding| holding.until_ns).min()
    }

    /// Whether this node still neither grants nor claims.
    pub fn quarantine_until_ns(&self) -> u64 {
        self.quarantine_until_ns
    }

    /// What was ignored.
    pub fn counters(&self) -> Counters {
        Counters { dropped_messages: self.outbox.dropped(), ..self.counters }
    }
}

impl Service {
    fn state(&self) -> HolderState {
        match (self.holding, self.trial) {
            (None, None) => HolderState::Idle,
            (None, Some(_)) => HolderState::Asking,
            (Some(holding), _) => match (holding.stage, holding.raise) {
                (Stage::Tentative, _) => HolderState::Tentative,
                (Stage::Owner, None) => HolderState::Owner,
                (Stage::Owner, Some(_)) => HolderState::Raising,
            },
        }
    }
}
