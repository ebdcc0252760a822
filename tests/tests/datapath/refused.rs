//! Heartbeats that are not one, not ours, or not authentic: counted by reason, dropped if they went to our port, and
//! without any effect.

use afc_ebpf::{reason::Reason, wire::TTL};

use super::{
    Row,
    frame::{Beat, ETHERNET_BYTES, IPV4_BYTES, Ipv4, MESSAGE, ethernet, tagged},
    rig::{ME, NEXT_KEY, NEXT_KEY_ID, OTHER, Outcome, PEER, Rig, SESSION, address},
};

/// Neither the packet nor anything known of the peer changes.
fn nothing(rig: &mut Rig, packet: &[u8], outcome: &Outcome) {
    super::unchanged(rig, packet, outcome);
    let heard = rig.heard(PEER);
    assert_eq!((heard.heard_ns, heard.window.top, heard.mac), (0, 0, 0), "no state before the tag is right");
}

const fn row(name: &'static str, reason: Reason, packet: fn(&mut Rig) -> Vec<u8>) -> Row {
    Row { name, packet, reason, check: nothing }
}

/// The UDP part of a frame.
fn udp(frame: &[u8]) -> &[u8] {
    &frame[ETHERNET_BYTES + IPV4_BYTES..]
}

/// A probe in an IPv4 packet that is changed in some way.
fn carried(rig: &mut Rig, change: impl FnOnce(&mut Ipv4)) -> Vec<u8> {
    let probe = rig.probe();
    let frame = probe.frame();
    let mut ip = Ipv4 { from: address(PEER), to: address(ME), ttl: TTL, ..Ipv4::default() };
    change(&mut ip);
    ethernet(probe.link_to, probe.link_from, 0x0800, &ip.packet(udp(&frame)))
}

/// A probe with one byte changed on the wire.
fn flipped(rig: &mut Rig, at: usize) -> Vec<u8> {
    let mut frame = rig.probe().frame();
    frame[at] ^= 0x40;
    frame
}

/// A probe whose payload is `bytes` longer, everywhere that says so.
fn longer(rig: &mut Rig, bytes: usize) -> Vec<u8> {
    let probe = rig.probe();
    let frame = probe.frame();
    let mut payload = udp(&frame).to_vec();
    payload.extend(vec![0; bytes]);
    let udp_bytes = payload.len() as u16;
    payload[4..6].copy_from_slice(&udp_bytes.to_be_bytes());
    let ip = Ipv4 { from: address(PEER), to: address(ME), ttl: TTL, ..Ipv4::default() };
    ethernet(probe.link_to, probe.link_from, 0x0800, &ip.packet(&payload))
}

pub(crate) const ROWS: &[Row] = &[
    row("to another port", Reason::NotOurs, |rig| Beat { port_to: 7948, ..rig.probe() }.frame()),
    row("to another address", Reason::NotOurs, |rig| Beat { ip_to: address(OTHER), ..rig.probe() }.frame()),
    row("TCP to the port", Reason::NotOurs, |rig| carried(rig, |ip| ip.protocol = 6)),
    row("IPv6", Reason::NotOurs, |rig| {
        let mut frame = rig.probe().frame();
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        frame
    }),
    row("IPv4 by its type, not by its version", Reason::NotOurs, |rig| {
        let mut frame = rig.probe().frame();
        frame[ETHERNET_BYTES] = 0x65;
        frame
    }),
    row("an IPv4 header shorter than one", Reason::NotOurs, |rig| {
        let mut frame = rig.probe().frame();
        frame[ETHERNET_BYTES] = 0x44;
        frame
    }),
    row("a later fragment has no port", Reason::NotOurs, |rig| carried(rig, |ip| ip.fragment = 0x2010)),
    row("the last fragment has no port", Reason::NotOurs, |rig| carried(rig, |ip| ip.fragment = 0x0010)),
    row("a first fragment", Reason::HeartbeatFragment, |rig| carried(rig, |ip| ip.fragment = 0x2000)),
    row("IPv4 options", Reason::HeartbeatOptions, |rig| carried(rig, |ip| ip.options = vec![1; 4])),
    row("all the options there can be", Reason::HeartbeatOptions, |rig| {
        carried(rig, |ip| ip.options = vec![1; 40])
    }),
    row("one VLAN tag", Reason::HeartbeatVlan, |rig| tagged(&rig.probe().frame(), &[0x8100])),
    row("a service tag", Reason::HeartbeatVlan, |rig| tagged(&rig.probe().frame(), &[0x88a8])),
    row("two VLAN tags", Reason::HeartbeatVlan, |rig| tagged(&rig.probe().frame(), &[0x88a8, 0x8100])),
    row("three VLAN tags", Reason::NotOurs, |rig| tagged(&rig.probe().frame(), &[0x88a8, 0x8100, 0x8100])),
    row("a virtual IP under a VLAN tag", Reason::NotOurs, |rig| tagged(&rig.to_virtual_ip(0), &[0x8100])),
    row("ARP under a VLAN tag", Reason::NotOurs, |rig| tagged(&rig.who_has(0).frame(), &[0x8100])),
    row("before the agent is set up", Reason::NotConfigured, |rig| {
        rig.settings(|settings| settings.session = 0);
        rig.probe().frame()
    }),
    row("one byte short", Reason::HeartbeatSize, |rig| {
        let mut frame = rig.probe().frame();
        frame.pop();
        frame
    }),
    row("one byte long", Reason::HeartbeatSize, |rig| longer(rig, 1)),
    row("a full MTU", Reason::HeartbeatSize, |rig| longer(rig, 1336)),
    row("a UDP length that lies", Reason::HeartbeatSize, |rig| flipped(rig, MESSAGE - 3)),
    row("an IPv4 length that lies", Reason::HeartbeatSize, |rig| flipped(rig, ETHERNET_BYTES + 3)),
    row("through a router", Reason::HeartbeatTtl, |rig| Beat { ttl: TTL - 1, ..rig.probe() }.frame()),
    row("another magic", Reason::HeartbeatMagic, |rig| Beat { magic: *b"AFC2", ..rig.probe() }.frame()),
    row("kind 0", Reason::HeartbeatKind, |rig| Beat { kind: 0, ..rig.probe() }.frame()),
    row("kind 9", Reason::HeartbeatKind, |rig| Beat { kind: 9, ..rig.probe() }.frame()),
    row("another cluster", Reason::HeartbeatCluster, |rig| Beat { cluster: 1, ..rig.probe() }.frame()),
    row("an older generation", Reason::HeartbeatGeneration, |rig| {
        Beat { generation: 2, ..rig.probe() }.frame()
    }),
    row("a newer generation", Reason::HeartbeatGeneration, |rig| {
        Beat { generation: 4, ..rig.probe() }.frame()
    }),
    row("for another node", Reason::HeartbeatNotForUs, |rig| Beat { to: OTHER.0, ..rig.probe() }.frame()),
    row("from no node", Reason::HeartbeatSender, |rig| Beat { from: 7, ..rig.probe() }.frame()),
    row("from node 0", Reason::HeartbeatSender, |rig| Beat { from: 0, ..rig.probe() }.frame()),
    row("from a number beyond all", Reason::HeartbeatSender, |rig| {
        Beat { from: 4096, ..rig.probe() }.frame()
    }),
    row("from ourselves", Reason::HeartbeatSender, |rig| {
        Beat { from: ME.0, ip_from: address(ME), ..rig.probe() }.frame()
    }),
    row("from another node's address", Reason::HeartbeatSender, |rig| {
        Beat { ip_from: address(OTHER), ..rig.probe() }.frame()
    }),
    row("a key id that is not live", Reason::HeartbeatKey, |rig| Beat { key_id: 9, ..rig.probe() }.frame()),
    row("the second key, before it is live", Reason::HeartbeatKey, |rig| {
        rig.settings(|settings| settings.key_count = 1);
        Beat { key: NEXT_KEY, key_id: NEXT_KEY_ID, ..rig.probe() }.frame()
    }),
    row("any key, when none is live", Reason::HeartbeatKey, |rig| {
        rig.settings(|settings| settings.key_count = 0);
        rig.probe().frame()
    }),
    row("another key under a live id", Reason::HeartbeatTag, |rig| {
        Beat { key: NEXT_KEY, ..rig.probe() }.frame()
    }),
    row("a flipped bit in the first byte that nothing else checks", Reason::HeartbeatTag, |rig| {
        flipped(rig, MESSAGE + 6)
    }),
    row("a flipped bit in the last slot", Reason::HeartbeatTag, |rig| flipped(rig, MESSAGE + 127)),
    row("a flipped bit in the tag", Reason::HeartbeatTag, |rig| flipped(rig, MESSAGE + 128)),
    row("any kind, wrongly tagged", Reason::HeartbeatTag, |rig| {
        let mut frame = Beat { kind: 4, session: SESSION, ..rig.probe() }.frame();
        frame[MESSAGE + 135] ^= 1;
        frame
    }),
];
