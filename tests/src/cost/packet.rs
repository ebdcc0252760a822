//! Packets to measure with, from their headers up; heartbeats by the agent's own encoder. No checksum of a transport is
//! filled in: no path looks at one.

use std::net::Ipv4Addr;

use afc_agent::heartbeat::codec::Datagram;
use afc_ebpf::{mac::Mac, wire};

const ETHERNET_BYTES: usize = 14;
/// Where the heartbeat message starts in a frame.
const MESSAGE: usize = ETHERNET_BYTES + 20 + 8;

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
const ARP: u16 = 0x0806;

/// Bounds of the fields of Ethernet, ARP's included.
pub(super) const ARP_FIELDS: &[usize] = &[0, 4, 6, 10, 12, 14, 16, 18, 20, 22, 26, 28, 32, 36, 38, 42];

/// Bounds of the fields of Ethernet, IPv4, UDP and a heartbeat, addresses in the two pieces that one load takes each.
pub(super) fn heartbeat_fields() -> Vec<usize> {
    let headers = [0, 4, 6, 10, 12, 14, 16, 18, 20, 22, 24, 26, 30, 34, 36, 38, 40];
    headers.into_iter().chain((MESSAGE..=MESSAGE + wire::PAYLOAD_BYTES).step_by(8)).collect()
}

/// Who a frame is from and for on the link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) to: Mac,
    pub(super) from: Mac,
}

/// Who an IPv4 packet is from and for, and how far it may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ip {
    pub(super) to: Ipv4Addr,
    pub(super) from: Ipv4Addr,
    pub(super) ttl: u8,
    pub(super) protocol: u8,
}

/// A frame.
pub(super) fn frame(link: Link, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&link.to.to_bytes()[..], &link.from.to_bytes(), &kind.to_be_bytes(), payload].concat()
}

/// An IPv4 packet.
pub(super) fn ipv4(ip: Ip, payload: &[u8]) -> Vec<u8> {
    let bytes = ((20 + payload.len()) as u16).to_be_bytes();
    let head = [0x45, wire::TOS, bytes[0], bytes[1], 0x12, 0x34, 0x40, 0, ip.ttl, ip.protocol, 0, 0];
    let mut packet = [&head[..], &ip.from.octets(), &ip.to.octets(), payload].concat();
    let checksum = !ones_complement_sum(&packet[..20]);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// The sum of RFC 1071 over an even number of bytes.
fn ones_complement_sum(bytes: &[u8]) -> u16 {
    let total: u32 = bytes.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (total & 0xffff) + (total >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

/// The first bytes of TCP or UDP between two ports, and something behind them.
pub(super) fn ports(from: u16, to: u16) -> Vec<u8> {
    let mut segment = vec![0; 64];
    segment[..2].copy_from_slice(&from.to_be_bytes());
    segment[2..4].copy_from_slice(&to.to_be_bytes());
    segment
}

/// TCP over IPv6, between documentation addresses.
pub(super) fn ipv6(link: Link) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 64, TCP, 64];
    for host in [1, 2] {
        packet.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    packet.extend(ports(40_000, 443));
    frame(link, IPV6, &packet)
}

/// A heartbeat.
pub(super) fn heartbeat(link: Link, ip: Ip, message: &Datagram) -> Vec<u8> {
    let bytes = (8 + message.len()) as u16;
    let ports = [wire::DEFAULT_PORT, wire::DEFAULT_PORT, bytes, 0].map(u16::to_be_bytes).concat();
    frame(link, IPV4, &ipv4(ip, &[&ports, &message[..]].concat()))
}

/// "Who has this address?"
pub(super) fn who_has(from: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let question = [0, 1, 8, 0, 6, 4, 0, 1];
    let sender = [&from.to_bytes()[..], &sender.octets()].concat();
    let body = [&question[..], &sender, &[0; 6], &target.octets()].concat();
    frame(Link { to: Mac::from_bytes([0xff; 6]), from }, ARP, &body)
}
