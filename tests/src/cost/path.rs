//! The paths: which packet takes each, where it must end, and what it may cost.

use std::mem::offset_of;

use afc_ebpf::{
    layout::Heard,
    reason::Reason,
    replay::Window,
    wire::{Kind, TTL},
};
use afc_engine::message::Slots;

use super::{
    carousel::MapWord,
    cluster::{CLIENT, CLIENT_ADDRESS, Cluster, ME, PEER, State, address, message, virtual_ip},
    packet::{self, IPV4, Ip, TCP, UDP},
};

/// Which program a packet goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Xdp,
    Egress,
}

/// A path of a packet.
pub(super) struct Path {
    pub(super) name: &'static str,
    pub(super) reason: Reason,
    pub(super) target_ns: Option<f64>,
    pub(super) hook: Hook,
    /// Builds the packet, new for each sample: some packets may not be old.
    pub(super) packet: fn(&mut Cluster) -> Vec<u8>,
    /// What of `Heard` of the peer the path changes and must find again.
    pub(super) heard: fn(&Cluster) -> Vec<MapWord>,
}

const fn path(name: &'static str, reason: Reason, packet: fn(&mut Cluster) -> Vec<u8>) -> Path {
    Path { name, reason, target_ns: None, hook: Hook::Xdp, packet, heard: |_| Vec::new() }
}

const fn within(target_ns: f64, path: Path) -> Path {
    Path { target_ns: Some(target_ns), ..path }
}

const fn leaving(path: Path) -> Path {
    Path { hook: Hook::Egress, ..path }
}

/// A packet that moves the peer's replay window: it finds the window as the message before left it.
const fn in_window(path: Path) -> Path {
    Path { heard: window, ..path }
}

/// Every path that a packet takes often, and those that an attacker may make it take.
pub(super) const PATHS: &[Path] = &[
    within(15.0, path("foreign TCP over IPv4", Reason::NotOurs, |cluster| foreign(cluster, TCP))),
    within(15.0, path("foreign UDP over IPv4", Reason::NotOurs, |cluster| foreign(cluster, UDP))),
    within(
        15.0,
        path("foreign TCP over IPv6", Reason::NotOurs, |cluster| packet::ipv6(cluster.client_link())),
    ),
    within(60.0, path("own virtual IP, lease live", Reason::VipServed, |cluster| to(cluster, State::Live))),
    path("own virtual IP, lease lapsed", Reason::VipFenced, |cluster| to(cluster, State::Lapsed)),
    within(
        80.0,
        path("redirect, same interface", Reason::VipRedirected, |cluster| to(cluster, State::Elsewhere)),
    ),
    within(
        80.0,
        path("redirect, other interface", Reason::VipRedirectedOut, |cluster| to(cluster, State::Behind)),
    ),
    in_window(within(
        200.0,
        path("heartbeat answered, one grant", Reason::ProbeAnswered, |cluster| cluster.probe(PEER)),
    )),
    in_window(path("heartbeat answered, no grant", Reason::ProbeAnswered, |cluster| {
        let message = message(Kind::Probe, PEER, Slots::new());
        cluster.carried(&message, TTL)
    })),
    Path {
        heard: |_| {
            vec![MapWord { key: u32::from(PEER.0), offset: offset_of!(Heard, reply_echo_ns), value: 0 }]
        },
        ..path("reply recorded", Reason::ReplyRecorded, |cluster| {
            let message = message(Kind::Reply, PEER, Slots::new());
            cluster.carried(&message, TTL)
        })
    },
    path("spoof rejected, wrong tag", Reason::HeartbeatTag, |cluster| {
        let mut probe = cluster.probe(PEER);
        let last = probe.len() - 1;
        probe[last] ^= 1;
        probe
    }),
    path("spoof rejected, TTL", Reason::HeartbeatTtl, |cluster| {
        let message = message(Kind::Probe, PEER, Slots::new());
        cluster.carried(&message, TTL - 1)
    }),
    path("ARP answered", Reason::ArpAnswered, |_| {
        packet::who_has(CLIENT, CLIENT_ADDRESS, virtual_ip(State::Live))
    }),
    leaving(path("leaving, foreign", Reason::NotOurs, |cluster| leaves(cluster, address(ME)))),
    leaving(path("leaving from an own virtual IP", Reason::EgressServed, |cluster| {
        leaves(cluster, virtual_ip(State::Live))
    })),
];

/// A client's packet for the node's own address, which is nobody's virtual IP.
fn foreign(cluster: &Cluster, protocol: u8) -> Vec<u8> {
    let ip = Ip { to: address(ME), from: CLIENT_ADDRESS, ttl: 64, protocol };
    packet::frame(cluster.client_link(), IPV4, &packet::ipv4(ip, &packet::ports(40_000, 443)))
}

/// A client's packet for a virtual IP.
fn to(cluster: &Cluster, state: State) -> Vec<u8> {
    let ip = Ip { to: virtual_ip(state), from: CLIENT_ADDRESS, ttl: 64, protocol: TCP };
    packet::frame(cluster.client_link(), IPV4, &packet::ipv4(ip, &packet::ports(40_000, 443)))
}

/// A packet from an address of this node on its way to a client.
fn leaves(cluster: &Cluster, from: std::net::Ipv4Addr) -> Vec<u8> {
    let ip = Ip { to: CLIENT_ADDRESS, from, ttl: 64, protocol: TCP };
    let link = packet::Link { to: CLIENT, from: cluster.mac };
    packet::frame(link, IPV4, &packet::ipv4(ip, &packet::ports(443, 40_000)))
}

/// The window of the peer as the message before the newest one left it.
fn window(cluster: &Cluster) -> Vec<MapWord> {
    let word =
        |offset, value| MapWord { key: u32::from(PEER.0), offset: offset_of!(Heard, window) + offset, value };
    vec![word(offset_of!(Window, top), cluster.sequence() - 2), word(offset_of!(Window, seen), 1)]
}
