//! What an engine is made of: configuration in plain numbers, and what survived from before.
//!
//! Nothing here decides; what the protocol cannot use is taken out.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    layout::{MAX_SERVICES, Record},
    lease::MAX_VOTERS,
};
use serde::{Deserialize, Serialize};

use super::record;

/// What a node does in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Role {
    /// Votes and serves.
    Member,
    /// Votes, never serves.
    Witness,
    /// Redirects, never serves, never votes.
    Gateway,
}

/// What the cluster promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Safety {
    /// At most one node serves, always.
    Quorum,
    /// Gives that up openly, as VRRP does.
    BestEffort,
}

/// One node's engine, as configured. The same on every node but for `node`, `role`, `session`, `capacity`,
/// `seed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// This node.
    pub node: NodeId,
    /// Its role.
    pub role: Role,
    /// What the cluster promises.
    pub safety: Safety,
    /// This boot's session; the one before when the kernel's maps are adopted.
    pub session: u64,
    /// The lease `L`, ns.
    pub lease_ns: u64,
    /// Time between two probes of a holder, ns.
    pub interval_ns: u64,
    /// Every node, this one too.
    pub nodes: Vec<(NodeId, Role)>,
    /// Every service.
    pub services: Vec<ServiceSetup>,
    /// Services that this node holds beyond its own, at most.
    pub capacity: u32,
    /// How long backups wait for the home of a service that nobody was ever heard to hold, ns.
    pub start_grace_ns: u64,
    /// Seed of the random waits.
    pub seed: u64,
}

/// One service, as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSetup {
    /// Its number on the wire.
    pub id: ServiceId,
    /// Its home node.
    pub home: NodeId,
    /// Who may hold it, in order of preference: its home, then its backups.
    pub candidates: Vec<NodeId>,
    /// Who votes: at most [`MAX_VOTERS`].
    pub voters: Vec<NodeId>,
    /// Whether its home takes it back.
    pub preempt: bool,
}

impl Setup {
    /// Takes out what cannot take part: unknown voters, candidates that do not vote or may not serve (the own
    /// vote is part of every majority), services and voters beyond the limits. What the configuration checks
    /// never lets through.
    pub(super) fn normalised(mut self) -> Self {
        self.interval_ns = self.interval_ns.max(1);
        self.services.truncate(MAX_SERVICES as usize);
        let role_of = |nodes: &[(NodeId, Role)], node: NodeId| {
            nodes.iter().find(|(known, _)| *known == node).map(|(_, role)| *role)
        };
        for service in &mut self.services {
            service
                .voters
                .retain(|voter| matches!(role_of(&self.nodes, *voter), Some(Role::Member | Role::Witness)));
            service.voters.sort_unstable();
            service.voters.dedup();
            service.voters.truncate(MAX_VOTERS);
            service.candidates.retain(|node| {
                role_of(&self.nodes, *node) == Some(Role::Member) && service.voters.contains(node)
            });
        }
        self
    }
}

/// What survived from before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// From disk, for the services that were ever written there.
    pub floors: Vec<Floor>,
    /// From the kernel's maps, when the agent came back within `agent_timeout` and nothing in them is in
    /// doubt.
    pub adopted: Option<Vec<Adopted>>,
}

/// What the disk says about one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// The service.
    pub service: ServiceId,
    /// At or above every epoch granted or held.
    pub epoch: Epoch,
    /// Counter up to which epochs may be granted and held without another write.
    pub reserved: u32,
}

impl Floor {
    /// After a crash only the reserved block is known.
    pub fn from_reserved(service: ServiceId, reserved: u32) -> Self {
        Self { service, epoch: record::floor_from_disk(reserved), reserved }
    }
}

/// What the kernel's maps say about one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    /// The service.
    pub service: ServiceId,
    /// The voter's record.
    pub record: Record,
    /// The epoch still held, [`OwnerWord::NONE`] if none is.
    pub holding: OwnerWord,
    /// Until when the owner before lets this node hold, ns; 0 if it was not handed over.
    #[serde(default)]
    pub window_until_ns: u64,
    /// The owner word that traffic follows.
    pub owner: OwnerWord,
}
