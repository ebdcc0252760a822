//! One form for equal inputs: sorted, without doubles, and with every name resolved.
//!
//! Decides nothing about lists. Nothing that comes in makes it fail: a backup that is no member is one that is dead.

use std::collections::BTreeSet;

use afc_ebpf::{identity::NodeId, lease::MAX_VOTERS};

use super::{Headroom, Inputs, NodeInput, ServiceInput};
use crate::availability::{Reasons, UnavailableReason};

/// Backups in one list, at most: a service's home and they all vote. Further ones are left out.
pub(super) const MAX_BACKUPS: usize = MAX_VOTERS - 1;

/// Inputs in their canonical form.
pub(super) struct Canonical {
    /// By number, each once.
    pub(super) nodes: Vec<NodeInput>,
    /// By number, each once; of its backups each once and never the home.
    pub(super) services: Vec<ServiceInput>,
    /// Members that are no service's home, by number.
    pub(super) passive: Vec<NodeId>,
}

impl Canonical {
    /// The canonical form of these inputs.
    pub(super) fn new(inputs: &Inputs) -> Self {
        let mut nodes = inputs.nodes.clone();
        nodes.retain(|node| node.id.is_some());
        nodes.sort_unstable();
        nodes.dedup_by(|double, kept| {
            let is_double = double.id == kept.id;
            if is_double {
                *kept = worst(kept, double);
            }
            is_double
        });
        let mut services = inputs.services.clone();
        services.sort_unstable();
        services.dedup_by_key(|service| service.id);
        for service in &mut services {
            let mut seen = BTreeSet::from([service.home, NodeId::NONE]);
            service.backups.retain(|backup| seen.insert(*backup));
            service.backups.truncate(MAX_BACKUPS);
        }
        let homes: BTreeSet<NodeId> = services.iter().map(|service| service.home).collect();
        let passive = nodes.iter().map(|node| node.id).filter(|id| !homes.contains(id)).collect();
        Self { nodes, services, passive }
    }

    /// What is known of a node.
    pub(super) fn node(&self, id: NodeId) -> NodeInput {
        match self.nodes.binary_search_by_key(&id, |node| node.id) {
            Ok(at) => self.nodes[at].clone(),
            Err(_) => NodeInput {
                id,
                reasons: Reasons::NONE.with(UnavailableReason::Dead),
                headroom: Headroom::Tight,
                room: 0,
            },
        }
    }
}

fn worst(one: &NodeInput, other: &NodeInput) -> NodeInput {
    NodeInput {
        id: one.id,
        reasons: one.reasons.union(other.reasons),
        headroom: one.headroom.max(other.headroom),
        room: one.room.min(other.room),
    }
}
