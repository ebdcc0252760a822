//! HANDOVER: exactly what the agent asked for is taken at once; and what the owner sends on around it is neither lost nor
//! answered by two; and a HANDOVER leaves only behind the drop of what it hands over.

use afc_agent::clock::boottime_ns;
use afc_ebpf::{
    identity::OwnerWord,
    lease::window_until_ns,
    mac::Mac,
    reason::Reason,
    wire::{Kind, MAGIC, MAGIC_HELD_BACK, MARK_HELD_BACK, offset},
};

use super::{
    Row,
    frame::{Beat, MESSAGE},
    probe::field,
    rig::{INCARNATION, LEASE_NS, ME, OTHER, Outcome, PEER, Rig, address, mac, service, word},
    row,
    vip::with_link,
};

/// What the peer holds of service 0, and hands over.
const THEIRS: OwnerWord = word(5, PEER);
/// What was left of its lease.
const REMAINING_NS: u64 = LEASE_NS / 2;

/// What this node holds then.
fn next() -> OwnerWord {
    THEIRS.epoch().next_hop().expect("a hop is left").owned_by(ME)
}

/// The peer owns service 0, and this node has asked for it. The HANDOVER that answers.
fn asked(rig: &mut Rig) -> Beat {
    rig.serve(0, THEIRS, 0);
    rig.fast.ask(0, THEIRS, &[PEER, OTHER], boottime_ns()).expect("asked");
    handing(rig)
}

fn handing(rig: &mut Rig) -> Beat {
    let slots = vec![(service(0).0, THEIRS.0)];
    Beat { slots, remaining: REMAINING_NS, ..rig.probe() }.of_kind(Kind::Handover)
}

/// The agent hears it, and nothing is taken.
const fn refused(name: &'static str, packet: fn(&mut Rig) -> Vec<u8>) -> Row {
    Row {
        name,
        packet,
        reason: Reason::MessageToAgent,
        check: |rig, packet, outcome| {
            super::unchanged(rig, packet, outcome);
            assert_eq!(rig.fast.serving(0), (THEIRS, 0));
            assert!(!rig.fast.holding(0).expect("read").is_held());
        },
    }
}

fn taken(rig: &mut Rig, packet: &[u8], outcome: &Outcome) {
    super::unchanged(rig, packet, outcome);
    let until_ns = window_until_ns(field(packet, offset::ECHO), REMAINING_NS);
    assert_eq!(rig.fast.serving(0), (next(), until_ns));
    let holding = rig.fast.holding(0).expect("read");
    assert_eq!((OwnerWord(holding.word), holding.window_until_ns), (next(), until_ns));
    assert_eq!((holding.needed, holding.incarnation), (1, INCARNATION));
    assert_eq!(rig.receive(&rig.to_virtual_ip(0)).reason, Reason::VipServed);
    assert_eq!(rig.leave(&rig.leaving_virtual_ip(0)).reason, Reason::EgressServed);
}

/// What a member sent on for service 0's virtual IP.
fn sent_on(rig: &mut Rig, by: Mac) -> Vec<u8> {
    for node in [PEER, OTHER] {
        rig.members.insert(mac(node).0, u32::from(node.0), 0).expect("a member");
    }
    with_link(&rig.to_virtual_ip(0), rig.inner.mac, by)
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "what was asked for is taken, and served from the next packet on",
        packet: |rig| asked(rig).frame(),
        reason: Reason::HandoverTaken,
        check: taken,
    },
    Row {
        name: "the agent that hears it leaves it as it is",
        packet: |rig| asked(rig).frame(),
        reason: Reason::HandoverTaken,
        check: |rig, packet, outcome| {
            taken(rig, packet, outcome);
            let before = rig.fast.holding(0).expect("read");
            rig.hold_handed_over(0, next());
            let after = rig.fast.holding(0).expect("read");
            assert_eq!((after.word, after.since_ns), (before.word, before.since_ns));
            assert_eq!(after.window_until_ns, before.window_until_ns);
            assert_eq!(rig.fast.held().count(), 1, "and lists it from then on");
        },
    },
    Row {
        name: "the agent that takes the question back drops what was taken",
        packet: |rig| asked(rig).frame(),
        reason: Reason::HandoverTaken,
        check: |rig, _, _| {
            rig.fast.drop_holding(0).expect("dropped");
            assert_eq!(rig.receive(&rig.to_virtual_ip(0)).reason, Reason::VipFenced);
        },
    },
    refused("nobody asked", |rig| {
        rig.serve(0, THEIRS, 0);
        handing(rig).frame()
    }),
    refused("taken back before it came", |rig| {
        let handover = asked(rig);
        rig.fast.drop_holding(0).expect("dropped");
        handover.frame()
    }),
    refused("of another epoch", |rig| {
        Beat { slots: vec![(service(0).0, word(6, PEER).0)], ..asked(rig) }.frame()
    }),
    refused("of another service", |rig| Beat { slots: vec![(service(1).0, THEIRS.0)], ..asked(rig) }.frame()),
    refused("of a service that nobody knows", |rig| {
        Beat { slots: vec![(0xdead, THEIRS.0)], ..asked(rig) }.frame()
    }),
    refused("of two services at once", |rig| {
        let slots = vec![(service(0).0, THEIRS.0), (service(1).0, THEIRS.0)];
        Beat { slots, ..asked(rig) }.frame()
    }),
    refused("for another session", |rig| {
        let handover = asked(rig);
        Beat { session: handover.session + 1, ..handover }.frame()
    }),
    refused("an answer to an earlier question", |rig| {
        let handover = asked(rig);
        Beat { echo: handover.echo - 1_000_000_000, ..handover }.frame()
    }),
    refused("with nothing left of the lease", |rig| Beat { remaining: 0, ..asked(rig) }.frame()),
    refused("after the agent's time ran out", |rig| {
        let handover = asked(rig);
        rig.fast.set_agent_until(boottime_ns());
        handover.frame()
    }),
    refused("asked by an agent before this one", |rig| {
        let handover = asked(rig);
        rig.fast.set_incarnation(INCARNATION + 1);
        handover.frame()
    }),
    Row {
        name: "a lease is never longer than one",
        packet: |rig| Beat { remaining: u64::MAX, ..asked(rig) }.frame(),
        reason: Reason::HandoverTaken,
        check: |rig, packet, _| {
            let until_ns = window_until_ns(field(packet, offset::ECHO), LEASE_NS);
            assert_eq!(rig.fast.serving(0), (next(), until_ns));
        },
    },
    Row {
        name: "a higher epoch that is known already stands",
        packet: |rig| {
            let handover = asked(rig);
            rig.fast.raise_word(0, word(6, OTHER));
            handover.frame()
        },
        reason: Reason::HandoverTaken,
        check: |rig, _, _| assert_eq!(rig.fast.serving(0).0, word(6, OTHER)),
    },
    row("sent on by the owner before its HANDOVER came", Reason::VipHandedOver, |rig| {
        let _on_its_way = asked(rig);
        sent_on(rig, mac(PEER))
    }),
    row("sent on by somebody else", Reason::VipLoop, |rig| {
        let _on_its_way = asked(rig);
        sent_on(rig, mac(OTHER))
    }),
    row("sent on by the owner, and nobody asked", Reason::VipLoop, |rig| {
        rig.serve(0, THEIRS, 0);
        sent_on(rig, mac(PEER))
    }),
    row("sent on by the owner, who was asked for an earlier epoch", Reason::VipLoop, |rig| {
        let _on_its_way = asked(rig);
        rig.fast.raise_word(0, word(6, PEER));
        sent_on(rig, mac(PEER))
    }),
];

/// This node owns service 0, and hands it over to the peer: the HANDOVER as the agent sends it.
fn handing_over(rig: &mut Rig) -> Beat {
    rig.hold(0, MINE, 0);
    rig.serve(0, MINE, boottime_ns() + LEASE_NS);
    rig.locate(PEER, rig.inner.ifindex);
    Beat {
        link_to: mac(PEER),
        link_from: rig.inner.mac,
        ip_from: address(ME),
        ip_to: address(PEER),
        from: ME.0,
        to: PEER.0,
        slots: vec![(service(0).0, MINE.0)],
        remaining: REMAINING_NS,
        ..rig.probe()
    }
    .of_kind(Kind::Handover)
}

/// The frame of what is held back: all but the last byte of its magic, which its tag already covers.
fn held_back(beat: &Beat) -> Vec<u8> {
    let mut frame = beat.frame();
    frame[MESSAGE..MESSAGE + MAGIC_HELD_BACK.len()].copy_from_slice(&MAGIC_HELD_BACK);
    frame
}

/// What this node holds of service 0.
const MINE: OwnerWord = word(5, ME);

fn given_away() -> OwnerWord {
    MINE.epoch().next_hop().expect("a hop is left").owned_by(PEER)
}

/// Runs a frame as the agent sends a HANDOVER.
pub(crate) fn leave(rig: &mut Rig, packet: &[u8]) -> Outcome {
    rig.leave_marked(MARK_HELD_BACK, packet)
}

/// It does not leave, and nothing is dropped.
const fn kept(name: &'static str, packet: fn(&mut Rig) -> Vec<u8>) -> Row {
    Row {
        name,
        packet,
        reason: Reason::EgressHandoverVoid,
        check: |rig, packet, outcome| {
            super::unchanged(rig, packet, outcome);
            assert_eq!(rig.fast.serving(0).0, MINE);
            assert_eq!(rig.fast.holding(0).expect("read").word, MINE.0);
            assert_eq!(rig.receive(&rig.to_virtual_ip(0)).reason, Reason::VipServed);
        },
    }
}

pub(crate) const LEAVING: &[Row] = &[
    Row {
        name: "a HANDOVER that leaves has dropped what it hands over",
        packet: |rig| held_back(&handing_over(rig)),
        reason: Reason::EgressHandover,
        check: |rig, packet, outcome| {
            assert_eq!(outcome.packet[MESSAGE..MESSAGE + MAGIC.len()], MAGIC);
            assert_eq!(outcome.packet[MESSAGE + MAGIC.len()..], packet[MESSAGE + MAGIC.len()..]);
            assert!(!rig.fast.holding(0).expect("read").is_held());
            assert_eq!(rig.fast.serving(0), (given_away(), 0));
            assert_eq!(rig.receive(&rig.to_virtual_ip(0)).reason, Reason::VipRedirected, "it is sent on");
            let answer = rig.leaving_virtual_ip(0);
            assert_eq!(rig.leave(&answer).reason, Reason::EgressAnswered, "what came before is answered");
            rig.fast.drop_holding(0).expect("dropped");
            rig.fast.raise_word(0, given_away());
            assert_eq!(rig.fast.serving(0), (given_away(), 0), "the agent behind it changes nothing");
        },
    },
    Row {
        name: "a grant that comes too late does not bring it back",
        packet: |rig| held_back(&handing_over(rig)),
        reason: Reason::EgressHandover,
        check: |rig, _, _| {
            let grant = Beat { slots: vec![(service(0).0, MINE.0)], ..rig.probe() }.frame();
            assert_eq!(rig.receive(&grant).reason, Reason::ProbeAnswered);
            assert_eq!(rig.fast.serving(0), (given_away(), 0));
        },
    },
    kept("not as it is held back", |rig| handing_over(rig).frame()),
    kept("of another epoch", |rig| {
        held_back(&Beat { slots: vec![(service(0).0, word(6, ME).0)], ..handing_over(rig) })
    }),
    kept("of nothing", |rig| held_back(&Beat { slots: vec![(service(0).0, 0)], ..handing_over(rig) })),
    kept("of another service", |rig| {
        held_back(&Beat { slots: vec![(service(1).0, MINE.0)], ..handing_over(rig) })
    }),
    kept("of a service that nobody knows", |rig| {
        held_back(&Beat { slots: vec![(0xdead, MINE.0)], ..handing_over(rig) })
    }),
    kept("of two services at once", |rig| {
        let slots = vec![(service(0).0, MINE.0), (service(1).0, MINE.0)];
        held_back(&Beat { slots, ..handing_over(rig) })
    }),
    kept("another kind of message", |rig| held_back(&handing_over(rig).of_kind(Kind::Take))),
    kept("to another port", |rig| held_back(&Beat { port_to: 53, ..handing_over(rig) })),
    kept("cut short", |rig| {
        let mut frame = held_back(&handing_over(rig));
        frame.truncate(MESSAGE + 64);
        frame
    }),
    kept("no IPv4", |rig| {
        let mut frame = held_back(&handing_over(rig));
        frame[12] = 0x86;
        frame
    }),
];
