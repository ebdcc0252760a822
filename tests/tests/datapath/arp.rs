//! ARP for virtual IPs: answered by the owner with a live lease, and by a gateway for owners behind another interface.

use afc_ebpf::{identity::OwnerWord, layout::role, mac::Mac, reason::Reason};

use super::{
    Row,
    frame::Arp,
    rig::{CLIENT, CLIENT_ADDRESS, ME, OTHER, Outcome, PEER, Rig, virtual_ip, word},
    row,
};

/// The answer: our own link address has the virtual IP.
fn answered(rig: &mut Rig, packet: &[u8], outcome: &Outcome) {
    let asker: [u8; 4] = packet[28..32].try_into().expect("four bytes");
    let answer = Arp {
        link_to: CLIENT,
        link_from: rig.inner.mac,
        operation: 2,
        sender_mac: rig.inner.mac,
        sender: virtual_ip(0),
        target_mac: CLIENT,
        target: asker,
    };
    assert_eq!(outcome.packet, answer.frame());
    assert_eq!(outcome.events, []);
}

/// Makes this node a gateway, and node 2 the owner, heard on an interface.
fn gateway(rig: &mut Rig, ifindex: u32) -> Vec<u8> {
    rig.settings(|settings| settings.role = role::GATEWAY);
    rig.serve(0, word(5, PEER), 0);
    rig.locate(PEER, ifindex);
    rig.who_has(0).frame()
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "the owner with a live lease answers",
        packet: |rig| {
            rig.serve(0, word(5, ME), u64::MAX);
            rig.who_has(0).frame()
        },
        reason: Reason::ArpAnswered,
        check: answered,
    },
    Row {
        name: "the owner defends its address against a probe of it",
        packet: |rig| {
            rig.serve(0, word(5, ME), u64::MAX);
            Arp { sender: [0; 4], ..rig.who_has(0) }.frame()
        },
        reason: Reason::ArpAnswered,
        check: answered,
    },
    row("the owner whose lease ran out is silent", Reason::ArpNotOwner, |rig| {
        rig.serve(0, word(5, ME), 1);
        rig.who_has(0).frame()
    }),
    row("another node's virtual IP", Reason::ArpNotOwner, |rig| {
        rig.serve(0, word(5, PEER), u64::MAX);
        rig.who_has(0).frame()
    }),
    row("nobody's virtual IP", Reason::ArpNotOwner, |rig| {
        rig.serve(0, OwnerWord(word(5, ME).0 & !0xfff), u64::MAX);
        rig.who_has(0).frame()
    }),
    row("a gratuitous request", Reason::ArpHeard, |rig| {
        rig.serve(0, word(5, ME), u64::MAX);
        Arp { sender: virtual_ip(0), ..rig.who_has(0) }.frame()
    }),
    row("an answer for a virtual IP", Reason::ArpHeard, |rig| Arp { operation: 2, ..rig.who_has(0) }.frame()),
    row("any other address", Reason::NotOurs, |rig| Arp { target: CLIENT_ADDRESS, ..rig.who_has(0) }.frame()),
    row("not over Ethernet", Reason::NotOurs, |rig| {
        let mut frame = rig.who_has(0).frame();
        frame[15] = 6;
        frame
    }),
    row("a witness has no virtual IPs", Reason::ArpHeard, |rig| {
        rig.settings(|settings| settings.role = role::WITNESS);
        rig.who_has(0).frame()
    }),
    Row {
        name: "a gateway speaks for an owner behind another interface",
        packet: |rig| gateway(rig, rig.outer.ifindex),
        reason: Reason::ArpAnswered,
        check: answered,
    },
    row("a gateway is silent where the owner hears the request itself", Reason::ArpHeard, |rig| {
        gateway(rig, rig.inner.ifindex)
    }),
    row("a gateway does not speak for an owner it never heard", Reason::ArpNotOwner, |rig| gateway(rig, 0)),
    row("a gateway does not speak for nobody", Reason::ArpNotOwner, |rig| {
        rig.settings(|settings| settings.role = role::GATEWAY);
        rig.serve(0, OwnerWord(word(5, OTHER).0 & !0xfff), 0);
        rig.who_has(0).frame()
    }),
    Row {
        name: "the answer leaves with the address of the interface that was asked",
        packet: |rig| {
            rig.serve(0, word(5, ME), u64::MAX);
            assert_ne!(rig.inner.mac, rig.outer.mac);
            assert_ne!(rig.inner.mac, Mac::UNKNOWN);
            rig.who_has(0).frame()
        },
        reason: Reason::ArpAnswered,
        check: answered,
    },
];
