//! Who may serve this packet: decided from the owner word and `lease_until` alone
//! (design.md section 5, "nothing else decides").

use crate::identity::{NodeId, OwnerWord};

/// What to do with traffic for a virtual IP on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This node owns the service and a majority lets it: serve.
    Serve,
    /// Another node owns it: send on, once.
    Redirect(NodeId),
    /// This node owned it and its lease ran out: fence.
    Fenced,
    /// No node owns it.
    Unowned,
}

/// Decides for `me` at `now_ns` (BOOTTIME), which is asked for only where a lease decides: a clock costs more than all else here.
#[inline(always)]
pub fn decide(word: OwnerWord, lease_until_ns: u64, me: NodeId, now_ns: impl FnOnce() -> u64) -> Verdict {
    let owner = word.owner();
    if !owner.is_some() {
        return Verdict::Unowned;
    }
    if owner.0 != me.0 {
        return Verdict::Redirect(owner);
    }
    if now_ns() < lease_until_ns { Verdict::Serve } else { Verdict::Fenced }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Epoch;

    #[test]
    fn a_node_serves_only_what_it_owns_and_only_before_its_lease_ends() {
        let me = NodeId(4);
        let mine = Epoch::claim(3, me).owned_by(me);
        let theirs = Epoch::claim(3, me).owned_by(NodeId(5));
        let released = Epoch::claim(3, me).owned_by(NodeId::NONE);
        assert_eq!(decide(mine, 100, me, || 99), Verdict::Serve);
        assert_eq!(decide(mine, 100, me, || 100), Verdict::Fenced);
        assert_eq!(decide(mine, 0, me, || 0), Verdict::Fenced);
        assert_eq!(decide(theirs, u64::MAX, me, || 0), Verdict::Redirect(NodeId(5)));
        assert_eq!(decide(released, u64::MAX, me, || 0), Verdict::Unowned);
        assert_eq!(decide(OwnerWord::NONE, u64::MAX, me, || 0), Verdict::Unowned);
    }
}
