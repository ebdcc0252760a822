//! The priority engine: every service's backups, best first, for the whole cluster at once (design.md section 3).
//!
//! Pure and deterministic: equal inputs give equal lists on every node, whatever order they came in. It keeps nothing
//! between two calls; what must not flap is held still before it becomes an input (docs/lists.md).
//!
//! | file | subject |
//! |---|---|
//! | `canonical` | one form for equal inputs, however they came |
//! | `order` | one list by itself: availability, headroom, preference |
//! | `assignment`, `cost` | who is whose primary: the minimum-cost assignment |
//! | `explanation` | why each backup stands where it stands |
//! | `digest` | inputs and lists in eight bytes |

mod assignment;
mod canonical;
mod cost;
mod digest;
mod explanation;
mod order;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use afc_ebpf::identity::{NodeId, ServiceId};
use serde::{Deserialize, Serialize};

use super::availability::Reasons;
use assignment::Demand;
use canonical::Canonical;
use order::Standing;

/// How far a node is from its thresholds. The node itself decides it, with hysteresis, so that every other computes with
/// the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Headroom {
    /// Far from every threshold, or without any.
    #[default]
    Ample,
    /// Near one: it comes behind backups with more.
    Tight,
}

/// Everything that lists are computed from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Every member. Of several with one number, the worst of each field counts.
    pub nodes: Vec<NodeInput>,
    /// Every service. Of several with one number, the one that sorts first counts.
    pub services: Vec<ServiceInput>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeInput {
    /// The node.
    pub id: NodeId,
    /// Why it is not available, all reasons together.
    pub reasons: Reasons,
    /// How far from its thresholds.
    pub headroom: Headroom,
    /// Services that it may still take beyond what it holds.
    pub room: u32,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceInput {
    /// The service.
    pub id: ServiceId,
    /// Its home.
    pub home: NodeId,
    /// Whether its home would take it back before any backup.
    pub home_stands_ready: bool,
    /// Who may take it over, in order of preference; the home is none of them.
    pub backups: Vec<NodeId>,
    /// Who holds it, [`NodeId::NONE`] if nobody is known to.
    pub owner: NodeId,
}

/// The lists of a whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lists {
    /// Of the inputs, in their canonical form: nodes with equal ones must have equal lists.
    pub inputs_digest: Digest,
    /// Of the lists.
    pub digest: Digest,
    /// One list a service, by number.
    pub services: Vec<ServiceList>,
    /// One list a passive member, which is no service's home, by number.
    pub nodes: Vec<NodeList>,
}

/// Eight bytes that stand for what they were computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub u64);

/// The backups of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceList {
    /// The service.
    pub service: ServiceId,
    /// Its home.
    pub home: NodeId,
    /// Who holds it, [`NodeId::NONE`] if nobody is known to.
    pub owner: NodeId,
    /// Best first.
    pub backups: Vec<Backup>,
}

/// The backups of one passive member, which has nothing to be taken over: the other passive members, as many of them as
/// a service can have, those with the lowest numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeList {
    /// The member.
    pub node: NodeId,
    /// Best first.
    pub backups: Vec<Backup>,
}

/// One place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The node.
    pub node: NodeId,
    /// Why it is not available (N); empty when it is (A).
    pub reasons: Reasons,
    /// How far it is from its thresholds.
    pub headroom: Headroom,
    /// Its place in the configured order, from 0.
    pub preference: usize,
    /// Why it does not stand there.
    pub why: Why,
}

/// Why a backup stands where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No backup with a higher preference stands behind it and none with a lower one ahead: as configured.
    Preference,
    /// It stands ahead of one with a higher preference, which is not available.
    AheadOfUnavailable,
    /// It stands ahead of one with a higher preference, which is near its thresholds.
    AheadOfTight,
    /// It became the primary: the one that would have been is left to this service.
    AheadOfSpread(ServiceId),
    /// It is not available and stands behind one with a lower preference.
    BehindUnavailable,
    /// It is near its thresholds and stands behind one with a lower preference.
    BehindTight,
    /// It would have come before the primary, but is left to this service as its primary.
    BehindSpread(ServiceId),
}

/// The lists for these inputs.
pub fn lists(inputs: &Inputs) -> Lists {
    let inputs = Canonical::new(inputs);
    let orders: Vec<Vec<Standing>> =
        inputs.services.iter().map(|service| order::of_service(&inputs, service)).collect();
    let demands: Vec<Demand> = inputs
        .services
        .iter()
        .zip(&orders)
        .filter(|(service, _)| makes_demand(service))
        .map(|(service, order)| Demand::new(service, order))
        .collect();
    let primaries = assignment::assign(&inputs, &demands);
    let services = inputs.services.iter().zip(orders).map(|(service, order)| ServiceList {
        service: service.id,
        home: service.home,
        owner: service.owner,
        backups: explanation::with_primary(order, service.id, &primaries),
    });
    let nodes = inputs
        .passive
        .iter()
        .map(|&node| NodeList { node, backups: explanation::alone(order::of_passive(&inputs, node)) });
    sealed(&inputs, services.collect(), nodes.collect())
}

/// The lists in their configured order, whatever the nodes' states: what a failover without this engine would go by.
/// Reasons are shown, and moved nothing.
pub fn static_lists(inputs: &Inputs) -> Lists {
    let inputs = Canonical::new(inputs);
    let services = inputs.services.iter().map(|service| ServiceList {
        service: service.id,
        home: service.home,
        owner: service.owner,
        backups: order::configured(&inputs, service).iter().map(Standing::as_configured).collect(),
    });
    let nodes = inputs.passive.iter().map(|&node| NodeList {
        node,
        backups: order::configured_of_passive(&inputs, node).iter().map(Standing::as_configured).collect(),
    });
    sealed(&inputs, services.collect(), nodes.collect())
}

impl Lists {
    /// A service's list.
    pub fn service(&self, id: ServiceId) -> Option<&ServiceList> {
        self.services.binary_search_by_key(&id, |list| list.service).ok().map(|at| &self.services[at])
    }

    /// A passive member's list.
    pub fn node(&self, id: NodeId) -> Option<&NodeList> {
        self.nodes.binary_search_by_key(&id, |list| list.node).ok().map(|at| &self.nodes[at])
    }
}

impl ServiceList {
    /// The first available backup, which takes the service over.
    pub fn primary(&self) -> Option<&Backup> {
        self.backups.first().filter(|backup| backup.reasons.is_available())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// "The home itself would take it back first": a service away from a home that stands ready needs no primary.
fn makes_demand(service: &ServiceInput) -> bool {
    let is_away = service.owner.is_some() && service.owner != service.home;
    !(is_away && service.home_stands_ready)
}

fn sealed(inputs: &Canonical, services: Vec<ServiceList>, nodes: Vec<NodeList>) -> Lists {
    Lists {
        inputs_digest: digest::of_inputs(inputs),
        digest: digest::of_lists(&services, &nodes),
        services,
        nodes,
    }
}
