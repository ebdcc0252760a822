//! What leaves: a node that may not serve a virtual IP says nothing from it, whatever its userspace does.

use afc_ebpf::{
    identity::{NodeId, OwnerWord},
    layout::role,
    verdict::{self, Verdict},
};
use aya_ebpf::programs::TcContext;

use super::{
    Reason, helper, maps,
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
    let Some(source) = source(context) else {
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
        Verdict::Fenced | Verdict::Unowned | Verdict::Redirect(_) => Reason::EgressFenced,
    }
}

/// The IPv4 address that a packet claims to come from: its source, or the sender of its ARP.
#[inline(always)]
fn source(context: &TcContext) -> Option<u32> {
    const KIND: usize = core::mem::offset_of!(Ethernet, kind);
    let kind: u16 = context.load(KIND).ok()?;
    let offset = match u16::from_be(kind) {
        Ethernet::IPV4 => core::mem::offset_of!(Ipv4, source),
        Ethernet::ARP => core::mem::offset_of!(Arp, sender),
        _ => return None,
    };
    context.load(Ethernet::BYTES + offset).ok()
}
