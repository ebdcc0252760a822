//! What leaves: a node that may not serve a virtual IP says nothing from it, whatever its userspace does.

use afc_ebpf::{
    identity::{NodeId, OwnerWord},
    layout::role,
    verdict::{self, Verdict},
    wire::MARK_HELD_BACK,
};
use aya_ebpf::programs::TcContext;

use super::{
    Reason, handover, helper, maps,
    packet::{Arp, Ethernet, Ipv4},
};

/// A packet on its way out. Read through the helper: a socket buffer's bytes need not lie in one piece.
#[inline(always)]
pub(crate) fn leave(context: &TcContext) -> Reason {
    let Some(settings) = maps::settings() else {
        return Reason::NotOurs;
    };
    if settings.role != role::MEMBER {
        return Reason::NotOurs;
    }
    if mark(context) == MARK_HELD_BACK {
        return handover::leave(context, settings);
    }
    let Some((kind, source)) = source(context) else {
        return Reason::NotOurs;
    };
    let Some(index) = maps::address(source) else {
        return Reason::NotOurs;
    };
    let Some(serving) = maps::serving(index) else {
        return Reason::EgressFenced;
    };
    let word = OwnerWord(serving.word());
    match verdict::decide(word, serving.lease_until_ns(), NodeId(settings.node), helper::boottime_ns) {
        Verdict::Serve => Reason::EgressServed,
        Verdict::Redirect(_) if kind == Ethernet::IPV4 && answers(serving.answers_until_ns()) => {
            Reason::EgressAnswered
        }
        Verdict::Fenced | Verdict::Unowned | Verdict::Redirect(_) => Reason::EgressFenced,
    }
}

#[inline(always)]
fn mark(context: &TcContext) -> u32 {
    // SAFETY: the program's own context, whose fields the verifier lets it read.
    unsafe { (*context.skb.skb).mark }
}

/// Whether what was taken before a handover is still answered: until the lease ends that ended with it, when nobody but the
/// next owner can serve.
#[inline(always)]
fn answers(until_ns: u64) -> bool {
    until_ns != 0 && helper::boottime_ns() < until_ns
}

/// A packet's kind, and the IPv4 address that it claims to come from: its source, or the sender of its ARP.
#[inline(always)]
fn source(context: &TcContext) -> Option<(u16, u32)> {
    const KIND: usize = core::mem::offset_of!(Ethernet, kind);
    let kind: u16 = context.load(KIND).ok()?;
    let kind = u16::from_be(kind);
    let offset = match kind {
        Ethernet::IPV4 => core::mem::offset_of!(Ipv4, source),
        Ethernet::ARP => core::mem::offset_of!(Arp, sender),
        _ => return None,
    };
    Some((kind, context.load(Ethernet::BYTES + offset).ok()?))
}
