//! Traffic for virtual IPs: served, fenced, or sent on to the owner, once.

use afc_ebpf::{identity::OwnerWord, mac::Mac, reason::Reason};

use super::{
    Row,
    frame::{Ipv4, ethernet},
    rig::{CLIENT, CLIENT_ADDRESS, ME, OTHER, Outcome, PEER, Rig, mac, virtual_ip, word},
    row,
};

/// The other node owns service 0 and was heard on an interface.
fn owned_by_peer(rig: &mut Rig, ifindex: u32) -> Vec<u8> {
    rig.serve(0, word(5, PEER), 0);
    rig.locate(PEER, ifindex);
    rig.to_virtual_ip(0)
}

fn owned_by_me(rig: &mut Rig) {
    rig.serve(0, word(5, ME), u64::MAX);
}

/// The packet with new link addresses, and nothing else new.
fn readdressed(packet: &[u8], outcome: &Outcome, from: Mac) {
    assert_eq!(outcome.packet, ethernet(mac(PEER), from, 0x0800, &packet[14..]));
}

pub(crate) fn with_link(packet: &[u8], to: Mac, from: Mac) -> Vec<u8> {
    ethernet(to, from, 0x0800, &packet[14..])
}

pub(crate) const ROWS: &[Row] = &[
    row("ours, with a live lease", Reason::VipServed, |rig| {
        owned_by_me(rig);
        rig.to_virtual_ip(0)
    }),
    row("a fragment of ours", Reason::VipServed, |rig| {
        owned_by_me(rig);
        let ip = Ipv4 { from: CLIENT_ADDRESS, to: virtual_ip(0), fragment: 0x2010, ..Ipv4::default() };
        ethernet(rig.inner.mac, CLIENT, 0x0800, &ip.packet(b"the middle"))
    }),
    row("ours with IPv4 options", Reason::VipServed, |rig| {
        owned_by_me(rig);
        let ip = Ipv4 { from: CLIENT_ADDRESS, to: virtual_ip(0), options: vec![1; 8], ..Ipv4::default() };
        ethernet(rig.inner.mac, CLIENT, 0x0800, &ip.packet(b"optional"))
    }),
    row("ours, broadcast", Reason::VipServed, |rig| {
        owned_by_me(rig);
        with_link(&rig.to_virtual_ip(0), Mac::from_bytes([0xff; 6]), CLIENT)
    }),
    row("ours until the lease ran out", Reason::VipFenced, |rig| {
        rig.serve(0, word(5, ME), afc_agent::clock::boottime_ns());
        rig.to_virtual_ip(0)
    }),
    row("nobody's", Reason::VipUnowned, |rig| {
        rig.serve(0, OwnerWord(word(5, ME).0 & !0xfff), u64::MAX);
        rig.to_virtual_ip(0)
    }),
    row("nobody's, ever", Reason::VipUnowned, |rig| rig.to_virtual_ip(1)),
    row("not a virtual IP", Reason::NotOurs, |rig| {
        let ip = Ipv4 { from: virtual_ip(0), to: CLIENT_ADDRESS, ..Ipv4::default() };
        ethernet(rig.inner.mac, CLIENT, 0x0800, &ip.packet(b"\0\0\0\0\0\x08\0\0"))
    }),
    row("flooded to us, but for another machine", Reason::NotOurs, |rig| {
        let packet = owned_by_peer(rig, rig.inner.ifindex);
        with_link(&packet, mac(OTHER), CLIENT)
    }),
    Row {
        name: "another node's, on the same link",
        packet: |rig| owned_by_peer(rig, rig.inner.ifindex),
        reason: Reason::VipRedirected,
        check: |rig, packet, outcome| readdressed(packet, outcome, rig.inner.mac),
    },
    Row {
        name: "another node's, behind another interface",
        packet: |rig| owned_by_peer(rig, rig.outer.ifindex),
        reason: Reason::VipRedirectedOut,
        check: |rig, packet, outcome| readdressed(packet, outcome, rig.outer.mac),
    },
    row("another node's, sent on by a member", Reason::VipLoop, |rig| {
        let packet = owned_by_peer(rig, rig.inner.ifindex);
        rig.members.insert(mac(OTHER).0, u32::from(OTHER.0), 0).expect("a member");
        with_link(&packet, rig.inner.mac, mac(OTHER))
    }),
    row("another node's, broadcast: the owner has it already", Reason::VipLoop, |rig| {
        let packet = owned_by_peer(rig, rig.inner.ifindex);
        with_link(&packet, Mac::from_bytes([0xff; 6]), CLIENT)
    }),
    row("another node's, of which no link address is known", Reason::VipNoNeighbour, |rig| {
        rig.serve(0, word(5, PEER), 0);
        rig.to_virtual_ip(0)
    }),
    row("another node's, behind an interface that is not ours", Reason::VipNoNeighbour, |rig| {
        owned_by_peer(rig, 999)
    }),
    Row {
        name: "the agent's seed is enough to redirect",
        packet: |rig| {
            rig.serve(0, word(5, PEER), 0);
            let ifindex = rig.inner.ifindex;
            rig.datapath.seed_neighbour(PEER, mac(PEER), ifindex).expect("seeded");
            rig.datapath.seed_neighbour(PEER, mac(OTHER), ifindex).expect("only where nothing is known");
            rig.to_virtual_ip(0)
        },
        reason: Reason::VipRedirected,
        check: |rig, packet, outcome| {
            readdressed(packet, outcome, rig.inner.mac);
            let members: Vec<u64> = rig.members.keys().collect::<Result<_, _>>().expect("keys");
            assert_eq!(members, [mac(PEER).0], "and its packets are known as a member's");
        },
    },
];
