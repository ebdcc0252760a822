//! The order of one list by itself: available before not available, then ample before tight, then preference.
//!
//! Knows nothing of other lists: who is whose primary is the assignment's.

use afc_ebpf::identity::NodeId;

use super::{
    Backup, Headroom, NodeInput, ServiceInput, Why,
    canonical::{Canonical, MAX_BACKUPS},
};
use crate::availability::{Reasons, UnavailableReason};

/// One backup, as it stands for one list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) node: NodeId,
    pub(super) reasons: Reasons,
    pub(super) headroom: Headroom,
    /// Its place in the configured order.
    pub(super) preference: usize,
}

/// A service's backups in the order in which they would take it over, if it were the only one.
pub(super) fn of_service(inputs: &Canonical, service: &ServiceInput) -> Vec<Standing> {
    sorted(configured(inputs, service))
}

/// A passive member's backups in their order.
pub(super) fn of_passive(inputs: &Canonical, node: NodeId) -> Vec<Standing> {
    sorted(configured_of_passive(inputs, node))
}

/// A service's backups in the configured order.
pub(super) fn configured(inputs: &Canonical, service: &ServiceInput) -> Vec<Standing> {
    let mut standings = numbered(service.backups.iter().map(|&backup| inputs.node(backup)));
    // An owner is no backup of what it owns, however much more it may take.
    for standing in standings.iter_mut().filter(|standing| standing.node == service.owner) {
        standing.reasons = standing.reasons.with(UnavailableReason::Serving);
    }
    standings
}

/// The other passive members by number, as the default backups of a service are.
pub(super) fn configured_of_passive(inputs: &Canonical, node: NodeId) -> Vec<Standing> {
    let others = inputs.passive.iter().filter(|&&other| other != node).take(MAX_BACKUPS);
    numbered(others.map(|&other| inputs.node(other)))
}

impl Standing {
    /// The first of a list takes over only if this holds.
    pub(super) fn is_available(&self) -> bool {
        self.reasons.is_available()
    }

    /// Its place in a list, and why it is there.
    pub(super) fn because(&self, why: Why) -> Backup {
        let Self { node, reasons, headroom, preference } = *self;
        Backup { node, reasons, headroom, preference, why }
    }

    /// Its place in a list that nothing moves.
    pub(super) fn as_configured(&self) -> Backup {
        self.because(Why::Preference)
    }
}

fn numbered(nodes: impl Iterator<Item = NodeInput>) -> Vec<Standing> {
    let standing = |(preference, node): (usize, NodeInput)| Standing {
        node: node.id,
        reasons: node.reasons,
        headroom: node.headroom,
        preference,
    };
    nodes.enumerate().map(standing).collect()
}

fn sorted(mut standings: Vec<Standing>) -> Vec<Standing> {
    standings.sort_by_key(|standing| (!standing.is_available(), standing.headroom, standing.preference));
    standings
}
