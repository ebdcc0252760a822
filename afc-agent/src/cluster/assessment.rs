//! What all records together say of every node and service: who owns, who is dead, who serves, who has room.
//!
//! Pure: all nodes with equal records and configuration derive equal results. Nothing that only one node knows enters,
//! no clock, no address, not even which node computes it.

mod death;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use afc_ebpf::identity::{NodeId, OwnerWord, ServiceId};
use afc_engine::{
    Role,
    availability::{Reasons, UnavailableReason},
    priority::{Headroom, Inputs, NodeInput, ServiceInput},
};

use super::record::{NodeRecord, Version};

/// Records by their nodes.
pub type Records = BTreeMap<NodeId, Arc<NodeRecord>>;

/// The configuration as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Every node and what it does.
    pub nodes: BTreeMap<NodeId, Role>,
    /// Every service.
    pub services: BTreeMap<ServiceId, RosterService>,
}

/// One service of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterService {
    /// The node that it belongs to.
    pub home: NodeId,
    /// Who may take it over, in order of preference; without the home.
    pub backups: Vec<NodeId>,
}

/// What follows from records and roster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Every node of the roster.
    pub nodes: BTreeMap<NodeId, NodeAssessment>,
    /// Every service's owner, by the greatest word that its owner says it holds; [`OwnerWord::NONE`] without one.
    pub owners: BTreeMap<ServiceId, OwnerWord>,
    /// What lists are computed from.
    pub inputs: Inputs,
}

/// What is known of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAssessment {
    /// The record that this rests on; none if there is none.
    pub version: Option<Version>,
    /// Why it is not available, all reasons together.
    pub reasons: Reasons,
    /// For how long each reason that the node gave itself had held when its record was made, ms. `serving` and `dead`
    /// are derived and have no age here.
    pub ages_ms: BTreeMap<UnavailableReason, u64>,
    /// How far from its thresholds.
    pub headroom: Headroom,
    /// The services that it owns, by number.
    pub owned: BTreeSet<ServiceId>,
    /// Services that it may still take beyond what it owns.
    pub room: u32,
    /// The nodes that say it does not answer, and count.
    pub suspected_by: BTreeSet<NodeId>,
    /// The nodes that say it answers, and count.
    pub answers_to: BTreeSet<NodeId>,
}

/// What these records say.
pub fn assess(roster: &Roster, records: &Records) -> Assessment {
    let records = trusted(roster, records);
    let owners = owners(roster, &records);
    let verdicts = death::verdicts(roster.nodes.keys().copied(), &records);
    let backups: BTreeSet<NodeId> =
        roster.services.values().flat_map(|service| service.backups.iter().copied()).collect();
    let mut nodes = BTreeMap::new();
    for (id, verdict) in verdicts {
        let mut node = NodeAssessment {
            suspected_by: verdict.suspected_by,
            answers_to: verdict.answers_to,
            ..NodeAssessment::default()
        };
        node.owned =
            owners.iter().filter(|(_, word)| word.owner() == id).map(|(service, _)| *service).collect();
        let away = node.owned.iter().filter(|service| roster.services[service].home != id).count();
        if let Some(record) = records.get(&id) {
            read_record(&mut node, record);
            node.room = record.state.capacity.saturating_sub(away as u32);
        }
        if verdict.is_dead {
            node.reasons = node.reasons.with(UnavailableReason::Dead);
        }
        // "It owns as many services beyond its own as its capacity; or it serves and is nobody's backup."
        let is_full =
            roster.nodes.get(&id) == Some(&Role::Member) && node.version.is_some() && node.room == 0;
        if is_full || (!node.owned.is_empty() && !backups.contains(&id)) {
            node.reasons = node.reasons.with(UnavailableReason::Serving);
        }
        nodes.insert(id, node);
    }
    let inputs = inputs(roster, &nodes, &owners);
    Assessment { nodes, owners, inputs }
}

impl NodeAssessment {
    /// Whether the cluster takes it for dead.
    pub const fn is_dead(&self) -> bool {
        self.reasons.contains(UnavailableReason::Dead)
    }
}

/// The records of nodes that the roster knows, each under its own number.
fn trusted<'r>(roster: &Roster, records: &'r Records) -> BTreeMap<NodeId, &'r NodeRecord> {
    records
        .iter()
        .filter(|(id, record)| record.node == **id && roster.nodes.contains_key(id))
        .map(|(id, record)| (*id, &**record))
        .collect()
}

/// The greatest word that a candidate says it holds itself. A dead node's word stands until a greater one comes: that
/// is who owned last.
fn owners(roster: &Roster, records: &BTreeMap<NodeId, &NodeRecord>) -> BTreeMap<ServiceId, OwnerWord> {
    let mut owners: BTreeMap<ServiceId, OwnerWord> =
        roster.services.keys().map(|service| (*service, OwnerWord::NONE)).collect();
    for (&id, record) in records {
        for &(service, word) in &record.state.holdings {
            let Some(configured) = roster.services.get(&service) else { continue };
            let is_candidate = configured.home == id || configured.backups.contains(&id);
            if let Some(greatest) = owners.get_mut(&service).filter(|_| is_candidate && word.owner() == id) {
                *greatest = word.max(*greatest);
            }
        }
    }
    owners
}

/// What a node says of itself. It never calls itself serving or dead; a record that does is not believed in that.
fn read_record(node: &mut NodeAssessment, record: &NodeRecord) {
    let derived = [UnavailableReason::Serving, UnavailableReason::Dead];
    node.version = Some(record.version);
    node.headroom = record.state.headroom;
    for (at, reason) in
        record.state.reasons.iter().enumerate().filter(|(_, reason)| !derived.contains(reason))
    {
        node.reasons = node.reasons.with(reason);
        if let Some(&age_ms) = record.state.reason_ages_ms.get(at) {
            node.ages_ms.insert(reason, age_ms);
        }
    }
}

fn inputs(
    roster: &Roster,
    nodes: &BTreeMap<NodeId, NodeAssessment>,
    owners: &BTreeMap<ServiceId, OwnerWord>,
) -> Inputs {
    let members = nodes.iter().filter(|(id, _)| roster.nodes.get(id) == Some(&Role::Member));
    let member = |(&id, node): (&NodeId, &NodeAssessment)| NodeInput {
        id,
        reasons: node.reasons,
        headroom: node.headroom,
        room: node.room,
    };
    let service = |(&id, service): (&ServiceId, &RosterService)| ServiceInput {
        id,
        home: service.home,
        home_stands_ready: nodes.get(&service.home).is_some_and(takes_back),
        backups: service.backups.clone(),
        owner: owners.get(&id).map_or(NodeId::NONE, |word| word.owner()),
    };
    Inputs { nodes: members.map(member).collect(), services: roster.services.iter().map(service).collect() }
}

/// Whether a node would take its own service back before any backup did. A short one would: thresholds only say whether
/// it is a backup for others.
fn takes_back(home: &NodeAssessment) -> bool {
    let never = [UnavailableReason::Dead, UnavailableReason::Drained, UnavailableReason::Unhealthy];
    !never.into_iter().any(|reason| home.reasons.contains(reason))
}
