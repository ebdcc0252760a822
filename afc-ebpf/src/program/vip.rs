//! Traffic for a virtual IP: served here, fenced, or sent on to its owner, once. Only addresses matter, so fragments and
//! IP options are as good as anything.

use afc_ebpf::{
    identity::{NodeId, OwnerWord},
    layout::Settings,
    mac::Mac,
    verdict::{self, Verdict},
};

use super::{
    Reason, helper, maps,
    packet::{Ethernet, Packet},
    rewrite,
};

/// An IPv4 packet that is no heartbeat.
#[inline(always)]
pub(crate) fn receive(packet: &Packet<'_>, destination: u32, settings: &Settings) -> Reason {
    let Some(index) = maps::address(destination) else {
        return Reason::NotOurs;
    };
    let Some(serving) = maps::serving(index) else {
        return Reason::NotOurs;
    };
    let Some(ethernet) = packet.ethernet() else {
        return Reason::NotOurs;
    };
    let frame_to = ethernet.destination.get();
    // A switch may flood a frame of somebody else: the stack ignores it, and redirecting it would double it.
    let own = maps::interface(packet.ifindex);
    if !frame_to.is_group() && own.is_some_and(|own| own != frame_to) {
        return Reason::NotOurs;
    }
    let word = OwnerWord(serving.word());
    match verdict::decide(word, serving.lease_until_ns(), NodeId(settings.node), helper::boottime_ns) {
        Verdict::Serve => Reason::VipServed,
        Verdict::Fenced => Reason::VipFenced,
        Verdict::Unowned => Reason::VipUnowned,
        Verdict::Redirect(owner) => match maps::member(ethernet.source.get()) {
            None => send_on(packet, ethernet, frame_to, owner),
            // It sends on what it no longer serves itself, and its HANDOVER is about to come.
            Some(from) if from == owner && maps::asked_word(index) == word.0 => Reason::VipHandedOver,
            Some(_) => Reason::VipLoop,
        },
    }
}

/// Sends the packet to the owner: not what went to everybody, and never a second time what a member sent on to us.
#[inline(always)]
fn send_on(packet: &Packet<'_>, ethernet: &mut Ethernet, frame_to: Mac, owner: NodeId) -> Reason {
    if frame_to.is_group() {
        return Reason::VipLoop;
    }
    let Some(heard) = maps::heard(owner.0) else {
        return Reason::VipNoNeighbour;
    };
    let (next_hop, way_out) = (Mac(heard.mac), heard.ifindex);
    if !next_hop.is_known() {
        return Reason::VipNoNeighbour;
    }
    if way_out == packet.ifindex {
        rewrite::link_addresses(ethernet, next_hop, frame_to);
        return Reason::VipRedirected;
    }
    let Some(source) = maps::interface(way_out) else {
        return Reason::VipNoNeighbour;
    };
    rewrite::link_addresses(ethernet, next_hop, source);
    if maps::redirect(way_out) { Reason::VipRedirectedOut } else { Reason::VipNoNeighbour }
}
