//! The kernel programs, packet by packet through `BPF_PROG_TEST_RUN`: a packet in, the action, the packet out, the counter
//! and what changed in the maps.
//!
//! A row is a packet, the reason it must end in, and a look at what it left. The rows of one table share a loaded data path
//! that is reset before each.

use std::collections::BTreeSet;

use afc_ebpf::reason::Reason;

use rig::{Outcome, Rig};

#[path = "datapath/announce.rs"]
mod announce;
#[path = "datapath/arp.rs"]
mod arp;
#[path = "datapath/cluster.rs"]
mod cluster;
#[path = "datapath/egress.rs"]
mod egress;
#[path = "datapath/frame.rs"]
mod frame;
#[path = "datapath/handover.rs"]
mod handover;
#[path = "datapath/lease.rs"]
mod lease;
#[path = "datapath/maps.rs"]
mod maps;
#[path = "support/namespace.rs"]
mod namespace;
#[path = "datapath/page.rs"]
mod page;
#[path = "datapath/probe.rs"]
mod probe;
#[path = "datapath/refused.rs"]
mod refused;
#[path = "datapath/reply.rs"]
mod reply;
#[path = "datapath/rig.rs"]
mod rig;
#[path = "datapath/testrun.rs"]
mod testrun;
#[path = "datapath/vip.rs"]
mod vip;

/// One packet and what must become of it.
struct Row {
    /// What is shown.
    name: &'static str,
    /// Prepares the maps and gives the packet.
    packet: fn(&mut Rig) -> Vec<u8>,
    /// Where it must end.
    reason: Reason,
    /// Looks at what it left: the maps, the packet that went in, and the outcome.
    check: fn(&mut Rig, &[u8], &Outcome),
}

/// A table and the program that its packets go through.
type Table = (&'static [Row], fn(&mut Rig, &[u8]) -> Outcome);

const TABLES: &[Table] = &[
    (refused::ROWS, Rig::receive),
    (probe::ROWS, Rig::receive),
    (page::ROWS, Rig::receive),
    (lease::ROWS, Rig::receive),
    (reply::ROWS, Rig::receive),
    (announce::ROWS, Rig::receive),
    (handover::ROWS, Rig::receive),
    (handover::LEAVING, handover::leave),
    (arp::ROWS, Rig::receive),
    (vip::ROWS, Rig::receive),
    (egress::ROWS, Rig::leave),
];

/// For rows that drop or pass a packet: it is as it was, and nothing was told.
fn unchanged(_rig: &mut Rig, packet: &[u8], outcome: &Outcome) {
    assert_eq!(outcome.packet, packet, "the packet is untouched");
    assert_eq!(outcome.events, [], "nothing happened");
}

/// A row whose packet is passed or dropped as it is.
const fn row(name: &'static str, reason: Reason, packet: fn(&mut Rig) -> Vec<u8>) -> Row {
    Row { name, packet, reason, check: unchanged }
}

#[test]
fn every_row_ends_as_it_must_and_every_reason_is_reached() {
    let mut rig = Rig::new("rows");
    let mut reached = BTreeSet::new();
    let mut failed = Vec::new();
    for row in TABLES.iter().flat_map(|(rows, program)| rows.iter().map(move |row| (row, program))) {
        let (row, program) = row;
        rig.reset();
        let packet = (row.packet)(&mut rig);
        let outcome = program(&mut rig, &packet);
        println!("{:?}: {}", outcome.reason, row.name);
        if outcome.reason != row.reason {
            failed.push(format!("{}: {:?}, not {:?}", row.name, outcome.reason, row.reason));
            continue;
        }
        reached.insert(outcome.reason);
        (row.check)(&mut rig, &packet, &outcome);
    }
    assert_eq!(failed, Vec::<String>::new());
    let missed: Vec<_> = Reason::ALL.iter().filter(|reason| !reached.contains(reason)).collect();
    assert_eq!(missed, Vec::<&Reason>::new(), "reasons without a row");
}

/// Shorter than an Ethernet header, the kernel's test run itself refuses a packet.
#[test]
fn a_packet_cut_short_anywhere_is_passed_or_dropped_and_changes_nothing() {
    use frame::{ETHERNET_BYTES, IPV4_BYTES, MESSAGE};
    let mut rig = Rig::new("short");
    // (packet, from which length on a header says whom it is for, and what it is then)
    let table = [
        (rig.probe().frame(), MESSAGE, Reason::HeartbeatSize),
        (rig.who_has(0).frame(), usize::MAX, Reason::NotOurs),
        (rig.to_virtual_ip(0), ETHERNET_BYTES + IPV4_BYTES, Reason::VipUnowned),
    ];
    for (packet, addressed_at, addressed) in table {
        for length in ETHERNET_BYTES..packet.len() {
            let cut = &packet[..length];
            let outcome = rig.receive(cut);
            unchanged(&mut rig, cut, &outcome);
            let expected = if length < addressed_at { Reason::NotOurs } else { addressed };
            assert_eq!(outcome.reason, expected, "{length} of {} bytes", packet.len());
        }
    }
    assert_eq!(rig.heard(rig::PEER).heard_ns, 0);
}
