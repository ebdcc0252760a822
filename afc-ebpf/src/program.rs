//! The kernel programs: a packet comes in, exactly one [`Reason`] comes out, is counted, and is turned into
//! the action that its table names. Nothing else returns an action.
//!
//! ```text
//! afc_xdp ──┬─ IPv4 ─┬─ to our address and port ─ heartbeat ─┬─ probe      answers, grants
//!           │        │                                       ├─ reply      records
//!           │        │                                       ├─ announce   adopts
//!           │        │                                       └─ handover   takes
//!           │        └─ to a virtual IP ─ vip                              serves, fences, redirects
//!           ├─ ARP for a virtual IP ─ arp
//!           └─ a heartbeat under a VLAN tag ─ refused
//! afc_egress ─ from a virtual IP ─ egress                                  serves, fences
//! ```

use core::panic::PanicInfo;

use afc_ebpf::reason::{Action, Reason};
use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

use packet::{Ethernet, Ipv4, Packet, Vlan};

mod announce;
mod arp;
mod egress;
mod events;
mod handover;
mod heartbeat;
mod helper;
mod holdings;
mod maps;
mod packet;
mod probe;
mod reply;
mod rewrite;
mod vip;

/// XDP, on every interface.
#[xdp]
pub(crate) fn afc_xdp(context: XdpContext) -> u32 {
    let reason = receive(&Packet::of(&context));
    maps::count(reason);
    match reason.action() {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => xdp_action::XDP_DROP,
        Action::Transmit => xdp_action::XDP_TX,
        Action::Redirect => xdp_action::XDP_REDIRECT,
    }
}

/// The fence of what leaves: tc egress, behind every socket.
#[classifier]
pub(crate) fn afc_egress(context: TcContext) -> i32 {
    let reason = egress::leave(&context);
    maps::count(reason);
    match reason.action() {
        // "No opinion", so that programs behind this one still see the packet.
        Action::Pass => TC_ACT_UNSPEC,
        Action::Drop | Action::Transmit | Action::Redirect => TC_ACT_SHOT,
    }
}

#[inline(always)]
fn receive(packet: &Packet<'_>) -> Reason {
    let Some(ethernet) = packet.ethernet() else {
        return Reason::NotOurs;
    };
    match ethernet.kind.get() {
        Ethernet::IPV4 => ipv4(packet),
        Ethernet::ARP => arp::receive(packet),
        Ethernet::VLAN | Ethernet::SERVICE_VLAN => tagged(packet),
        _ => Reason::NotOurs,
    }
}

#[inline(always)]
fn ipv4(packet: &Packet<'_>) -> Reason {
    let Some(ip) = packet.ipv4(Ethernet::BYTES) else {
        return Reason::NotOurs;
    };
    let Some(settings) = maps::settings() else {
        return Reason::NotOurs;
    };
    match heartbeat::recognise(packet, ip, Ethernet::BYTES, settings) {
        Some(carriage) => heartbeat::receive(packet, carriage, settings),
        None => vip::receive(packet, ip.destination, settings),
    }
}

/// A frame under one or two VLAN tags: refused if it is a heartbeat, else none of our business.
#[inline(always)]
fn tagged(packet: &Packet<'_>) -> Reason {
    let Some(outer) = packet.vlan(Ethernet::BYTES) else {
        return Reason::NotOurs;
    };
    let mut kind = outer.kind.get();
    let mut offset = Ethernet::BYTES + Vlan::BYTES;
    if kind == Ethernet::VLAN {
        let Some(inner) = packet.vlan(offset) else {
            return Reason::NotOurs;
        };
        kind = inner.kind.get();
        offset += Vlan::BYTES;
    }
    if kind != Ethernet::IPV4 {
        return Reason::NotOurs;
    }
    let Some(ip): Option<&Ipv4> = packet.ipv4(offset) else {
        return Reason::NotOurs;
    };
    let Some(settings) = maps::settings() else {
        return Reason::NotOurs;
    };
    match heartbeat::recognise(packet, ip, offset, settings) {
        Some(_) => Reason::HeartbeatVlan,
        None => Reason::NotOurs,
    }
}

/// Never reached: the verifier refuses a program that could panic.
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Helpers like `bpf_spin_lock` and `bpf_ringbuf_reserve` ask for a GPL-compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
