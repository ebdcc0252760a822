//! What leaves: from a virtual IP only while this node may serve it.

use afc_agent::clock::boottime_ns;
use afc_ebpf::{identity::OwnerWord, layout::role, mac::Mac, reason::Reason};

use super::{
    Row,
    frame::{Arp, Ipv4, ethernet},
    rig::{CLIENT, CLIENT_ADDRESS, ME, PEER, Rig, address, virtual_ip, word},
    row,
};

/// A gratuitous ARP for service 0.
fn gratuitous(rig: &Rig) -> Vec<u8> {
    let own = rig.inner.mac;
    Arp {
        link_to: Mac::from_bytes([0xff; 6]),
        link_from: own,
        operation: 1,
        sender_mac: own,
        sender: virtual_ip(0),
        target_mac: Mac::UNKNOWN,
        target: virtual_ip(0),
    }
    .frame()
}

pub(crate) const ROWS: &[Row] = &[
    row("from a virtual IP of ours", Reason::EgressServed, |rig| {
        rig.serve(0, word(5, ME), u64::MAX);
        rig.leaving_virtual_ip(0)
    }),
    row("after our lease ran out", Reason::EgressFenced, |rig| {
        rig.serve(0, word(5, ME), 1);
        rig.leaving_virtual_ip(0)
    }),
    row("from a virtual IP of another node", Reason::EgressFenced, |rig| {
        rig.serve(0, word(5, PEER), u64::MAX);
        rig.leaving_virtual_ip(0)
    }),
    row("from a virtual IP of nobody", Reason::EgressFenced, |rig| {
        rig.serve(0, OwnerWord(word(5, ME).0 & !0xfff), u64::MAX);
        rig.leaving_virtual_ip(0)
    }),
    row("from a virtual IP that was just handed over", Reason::EgressAnswered, |rig| {
        rig.answer(0, word(5, PEER), boottime_ns() + 1_000_000_000);
        rig.leaving_virtual_ip(0)
    }),
    row("from a virtual IP that was handed over a lease ago", Reason::EgressFenced, |rig| {
        rig.answer(0, word(5, PEER), boottime_ns());
        rig.leaving_virtual_ip(0)
    }),
    row("from a virtual IP that was handed over, and that nobody owns now", Reason::EgressFenced, |rig| {
        rig.answer(0, OwnerWord(word(5, PEER).0 & !0xfff), boottime_ns() + 1_000_000_000);
        rig.leaving_virtual_ip(0)
    }),
    row("a gratuitous ARP of a node that has just handed over", Reason::EgressFenced, |rig| {
        rig.answer(0, word(5, PEER), boottime_ns() + 1_000_000_000);
        gratuitous(rig)
    }),
    row("a gratuitous ARP of the owner", Reason::EgressServed, |rig| {
        rig.serve(0, word(5, ME), u64::MAX);
        gratuitous(rig)
    }),
    row("a gratuitous ARP of a node that is not", Reason::EgressFenced, |rig| {
        rig.serve(0, word(5, PEER), u64::MAX);
        gratuitous(rig)
    }),
    row("from the node's own address", Reason::NotOurs, |rig| {
        let ip = Ipv4 { from: address(ME), to: CLIENT_ADDRESS, ..Ipv4::default() };
        ethernet(CLIENT, rig.inner.mac, 0x0800, &ip.packet(b"\0\0\0\0\0\x08\0\0"))
    }),
    row("neither IPv4 nor ARP", Reason::NotOurs, |rig| ethernet(CLIENT, rig.inner.mac, 0x88cc, &[0; 46])),
    row("a gateway sends on what is not its own", Reason::NotOurs, |rig| {
        rig.settings(|settings| settings.role = role::GATEWAY);
        rig.leaving_virtual_ip(0)
    }),
    row("a witness has nothing to fence", Reason::NotOurs, |rig| {
        rig.settings(|settings| settings.role = role::WITNESS);
        rig.leaving_virtual_ip(0)
    }),
];
