//! Comparing the digests of lists: one configuration must be everywhere, and equal inputs must have given equal lists.

use afc_ebpf::identity::NodeId;

use super::Controller;
use crate::cluster::change::{Change, ListsDigest};

/// For how long lists must differ before anybody is told: a node may be between two computations.
pub const LISTS_GRACE_NS: u64 = 5_000_000_000;

impl Controller {
    /// What this node's lists were computed from, and what came out; goes with the next digests.
    pub fn set_lists_digest(&mut self, lists: ListsDigest) {
        self.lists = Some(lists);
    }

    /// Compares a peer's lists with this node's. While only the states that they follow from differ nothing can be said,
    /// and what was said stands.
    pub(super) fn take_lists(&mut self, from: NodeId, lists: Option<ListsDigest>, now_ns: u64) {
        let (Some(ours), Some(theirs)) = (self.lists, lists) else { return };
        if ours.roster == theirs.roster {
            if ours.inputs != theirs.inputs {
                return;
            }
            if ours.outputs == theirs.outputs {
                return self.forget_lists(from);
            }
        }
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let since_ns = *peer.lists.differs_since_ns.get_or_insert(now_ns);
        if !peer.lists.is_alarm && now_ns.saturating_sub(since_ns) > LISTS_GRACE_NS {
            peer.lists.is_alarm = true;
            self.tell(Change::ListsDiffer(from));
        }
    }

    /// A peer's lists do not differ, or the peer is gone.
    pub(super) fn forget_lists(&mut self, node: NodeId) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        if std::mem::take(&mut peer.lists).is_alarm {
            self.tell(Change::ListsAgree(node));
        }
    }

    /// Some of the peers whose lists differ, to be asked again soon.
    pub(super) fn suspects(&mut self, most: usize) -> Vec<NodeId> {
        let differ = self.peers.iter().filter(|(_, peer)| peer.lists.differs_since_ns.is_some());
        let nodes: Vec<_> = differ.map(|(node, _)| *node).collect();
        self.random.choose_multiple(nodes, most)
    }
}
