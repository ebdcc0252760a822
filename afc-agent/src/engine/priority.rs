//! The priority engine: every service's backups, best first, for the whole cluster at once (design.md section 3).
//!
//! Pure and deterministic: equal inputs give equal lists on every node, whatever order they came in.

use afc_ebpf::identity::{NodeId, ServiceId};
use serde::{Deserialize, Serialize};

use super::availability::Reasons;

/// How far a node is from its thresholds. The node itself decides it, with hysteresis, so that every other computes with
/// the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Every member.
    pub nodes: Vec<NodeInput>,
    /// Every service.
    pub services: Vec<ServiceInput>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceInput {
    /// The service.
    pub id: ServiceId,
    /// Its home.
    pub home: NodeId,
    /// Who may take it over, in order of preference.
    pub backups: Vec<NodeId>,
    /// Who holds it, [`NodeId::NONE`] if nobody is known to.
    pub owner: NodeId,
}
