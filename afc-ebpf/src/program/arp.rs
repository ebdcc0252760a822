//! ARP for virtual IPs. Only the owner with a live lease answers, and a gateway for owners behind another interface.

use afc_ebpf::{
    identity::{NodeId, OwnerWord},
    layout::{Settings, role},
    mac::Mac,
    verdict::{self, Verdict},
};

use super::{
    Reason, helper, maps,
    packet::{Arp, Packet},
    rewrite,
};

/// Any ARP message.
#[inline(always)]
pub(crate) fn receive(packet: &Packet<'_>) -> Reason {
    let Some(arp) = packet.arp() else {
        return Reason::NotOurs;
    };
    if !arp.is_ipv4_over_ethernet() {
        return Reason::NotOurs;
    }
    let (sender, target) = (arp.sender, arp.target);
    let Some(index) = maps::address(target) else {
        return Reason::NotOurs;
    };
    // An answer, or an announcement of the address itself (RFC 5227).
    if arp.operation.get() != Arp::REQUEST || sender == target {
        return Reason::ArpHeard;
    }
    let Some(settings) = maps::settings() else {
        return Reason::ArpNotOwner;
    };
    match answerer(index, packet.ifindex, settings) {
        Ok(mac) => answer(packet, arp, mac),
        Err(reason) => reason,
    }
}

/// The link address to answer with, or why not to answer.
#[inline(always)]
fn answerer(index: u32, ifindex: u32, settings: &Settings) -> Result<Mac, Reason> {
    if settings.role == role::WITNESS {
        return Err(Reason::ArpHeard);
    }
    let serving = maps::serving(index).ok_or(Reason::ArpNotOwner)?;
    let own = maps::interface(ifindex).ok_or(Reason::ArpNotOwner)?;
    let word = OwnerWord(serving.word());
    match verdict::decide(word, serving.lease_until_ns(), NodeId(settings.node), helper::boottime_ns) {
        Verdict::Serve => Ok(own),
        Verdict::Redirect(owner) if settings.role == role::GATEWAY => behind(owner, ifindex).map(|()| own),
        Verdict::Redirect(_) | Verdict::Fenced | Verdict::Unowned => Err(Reason::ArpNotOwner),
    }
}

/// Whether a gateway speaks for an owner: not where the owner itself hears the request.
#[inline(always)]
fn behind(owner: NodeId, ifindex: u32) -> Result<(), Reason> {
    let heard = maps::heard(owner.0).ok_or(Reason::ArpNotOwner)?;
    if heard.ifindex == 0 {
        return Err(Reason::ArpNotOwner);
    }
    if heard.ifindex == ifindex { Err(Reason::ArpHeard) } else { Ok(()) }
}

#[inline(always)]
fn answer(packet: &Packet<'_>, arp: &mut Arp, mac: Mac) -> Reason {
    let Some(ethernet) = packet.ethernet() else {
        return Reason::NotOurs;
    };
    rewrite::arp_reply(ethernet, arp, mac);
    Reason::ArpAnswered
}
