//! Random clusters, and one random change to one.

use afc_ebpf::identity::{NodeId, ServiceId};
use fastrand::Rng;

use super::super::*;
use crate::availability::UnavailableReason;

/// A cluster of 2 to so many members.
pub(super) fn inputs(rng: &mut Rng, most_nodes: u16) -> Inputs {
    let count = rng.u16(2..=most_nodes);
    // Numbers with gaps, so that none is taken for an index.
    let ids: Vec<NodeId> = (1..=count).map(|number| NodeId(number * 3)).collect();
    let trouble = rng.u8(0..4);
    let nodes = ids.iter().map(|&id| node(rng, id, trouble)).collect();
    // Few backups for many services make them contend, many make components.
    let pool = &ids[..rng.usize(1..=ids.len())];
    let services = (0..rng.u16(0..=count)).map(|_| service(rng, &ids, pool)).collect();
    Inputs { nodes, services }
}

/// A member: the more trouble, from 0 to 4, the likelier it is not available.
fn node(rng: &mut Rng, id: NodeId, trouble: u8) -> NodeInput {
    let mut reasons = Reasons::NONE;
    if rng.u8(0..8) < trouble {
        reasons = reasons.with(UnavailableReason::ALL[rng.usize(..UnavailableReason::ALL.len())]);
    }
    let headroom = if rng.u8(0..8) < trouble { Headroom::Tight } else { Headroom::Ample };
    NodeInput { id, reasons, headroom, room: rng.u32(0..3) }
}

fn service(rng: &mut Rng, ids: &[NodeId], pool: &[NodeId]) -> ServiceInput {
    let home = ids[rng.usize(..ids.len())];
    let mut backups = Vec::new();
    for _ in 0..rng.usize(0..7) {
        let backup = pool[rng.usize(..pool.len())];
        if backup != home && !backups.contains(&backup) {
            backups.push(backup);
        }
    }
    let owner = match rng.u8(0..8) {
        0 => NodeId::NONE,
        1 | 2 => ids[rng.usize(..ids.len())],
        _ => home,
    };
    ServiceInput { id: ServiceId(rng.u32(..)), home, home_stands_ready: rng.bool(), backups, owner }
}

/// What changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Changed {
    Node(NodeId),
    Service(ServiceId),
}

/// The cluster with one input changed.
pub(super) fn change(rng: &mut Rng, inputs: &Inputs) -> (Inputs, Changed) {
    let mut inputs = inputs.clone();
    let ids: Vec<NodeId> = inputs.nodes.iter().map(|node| node.id).collect();
    if inputs.services.is_empty() || rng.bool() {
        let at = rng.usize(..ids.len());
        inputs.nodes[at] = node(rng, ids[at], 4);
        return (inputs, Changed::Node(ids[at]));
    }
    let at = rng.usize(..inputs.services.len());
    let (id, home) = (inputs.services[at].id, inputs.services[at].home);
    let mut changed = ServiceInput { id, home, ..service(rng, &ids, &ids) };
    changed.backups.retain(|&backup| backup != home);
    inputs.services[at] = changed;
    (inputs, Changed::Service(id))
}
