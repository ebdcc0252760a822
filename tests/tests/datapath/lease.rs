//! Grants: what extends a lease, what does not, and what is told.

use afc_agent::clock::boottime_ns;
use afc_ebpf::{identity::NodeId, layout::event, reason::Reason, wire::offset};

use super::{
    Row,
    frame::Beat,
    probe::field,
    rig::{LEASE_NS, ME, OTHER, Outcome, PEER, Rig, service, word},
};

const MINE: u64 = word(5, ME).0;

/// A PROBE that grants service 0 under this word.
fn granting(rig: &mut Rig, word: u64) -> Beat {
    Beat { slots: vec![(service(0).0, word)], ..rig.probe() }
}

fn lease(rig: &Rig) -> u64 {
    rig.fast.serving(0).1
}

/// Holds the service and lets a first grant in: the grant, and what came of it.
fn granted_once(rig: &mut Rig) -> (Vec<u8>, Outcome) {
    rig.hold(0, word(5, ME), 0);
    let grant = granting(rig, MINE).frame();
    let outcome = rig.receive(&grant);
    (grant, outcome)
}

/// Nothing was extended, nothing told.
fn not_extended(rig: &mut Rig, _packet: &[u8], outcome: &Outcome) {
    assert_eq!(lease(rig), 0);
    assert_eq!(outcome.events, []);
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "a grant with our session and our epoch makes the majority of three",
        packet: |rig| {
            rig.hold(0, word(5, ME), 0);
            granting(rig, MINE).frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, packet, outcome| {
            assert_eq!(lease(rig), field(packet, offset::ECHO) + LEASE_NS, "counted from our own clock");
            let [told] = outcome.events[..] else { panic!("one event: {:?}", outcome.events) };
            assert_eq!((told.kind, told.service, told.word), (event::MAJORITY, 0, MINE));
            assert!((outcome.before_ns..=outcome.after_ns).contains(&told.at_ns));
        },
    },
    Row {
        name: "the next grant extends, and is no news",
        packet: |rig| {
            assert_eq!(granted_once(rig).1.events.len(), 1);
            granting(rig, MINE).frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, packet, outcome| {
            assert_eq!(lease(rig), field(packet, offset::ECHO) + LEASE_NS);
            assert_eq!(outcome.events, []);
        },
    },
    Row {
        name: "a late grant with an old echo shortens nothing",
        packet: |rig| {
            rig.hold(0, word(5, ME), 0);
            let first = granting(rig, MINE);
            rig.receive(&first.frame());
            Beat { echo: first.echo - 1_000, ..granting(rig, MINE) }.frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, packet, _| assert_eq!(lease(rig), field(packet, offset::ECHO) + 1_000 + LEASE_NS),
    },
    Row {
        name: "every slot counts, whatever its place",
        packet: |rig| {
            (0..4).for_each(|index| rig.hold(index, word(5 + index, ME), 0));
            let slots = (0..4).rev().map(|index| (service(index).0, word(5 + index, ME).0));
            Beat { slots: slots.collect(), ..rig.probe() }.frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, _, outcome| {
            assert!((0..4).all(|index| rig.fast.serving(index).1 > outcome.after_ns));
            assert_eq!(outcome.events.len(), 4);
        },
    },
    Row {
        name: "a slot behind the used ones does not count",
        packet: |rig| {
            rig.hold(0, word(5, ME), 0);
            let mut grant = granting(rig, MINE);
            grant.slots.insert(0, (0, 0));
            let mut frame = grant.frame();
            let at = super::frame::MESSAGE + offset::SLOTS_USED;
            frame[at] = 1;
            let tag = super::frame::tag(grant.key, &frame[super::frame::MESSAGE..][..128]);
            frame[super::frame::MESSAGE + 128..].copy_from_slice(&tag.to_be_bytes());
            frame
        },
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a grant for a lower epoch",
        packet: |rig| {
            rig.hold(0, word(5, ME), 0);
            granting(rig, word(4, ME).0).frame()
        },
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a grant for a higher epoch",
        packet: |rig| {
            rig.hold(0, word(5, ME), 0);
            granting(rig, word(6, ME).0).frame()
        },
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a grant for what is not held",
        packet: |rig| granting(rig, MINE).frame(),
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a grant for what was dropped",
        packet: |rig| {
            rig.hold(0, word(5, ME), 0);
            rig.fast.drop_holding(0).expect("dropped");
            granting(rig, MINE).frame()
        },
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a grant of word 0 for what is not held",
        packet: |rig| granting(rig, 0).frame(),
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a grant for a service that nobody knows",
        packet: |rig| Beat { slots: vec![(1, MINE)], ..rig.probe() }.frame(),
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a grant by a node without a vote",
        packet: |rig| {
            rig.hold(0, word(5, ME), 0);
            Beat { slots: vec![(service(0).0, MINE)], ..rig.probe_of(NodeId(4)) }.frame()
        },
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a grant that echoes a clock of the future",
        packet: |rig| {
            rig.hold(0, word(5, ME), 0);
            Beat { echo: boottime_ns() + 60_000_000_000, ..granting(rig, MINE) }.frame()
        },
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a grant for what an earlier agent held",
        packet: |rig| {
            rig.hold(0, word(5, ME), 0);
            rig.fast.set_incarnation(77);
            granting(rig, MINE).frame()
        },
        reason: Reason::ProbeAnswered,
        check: not_extended,
    },
    Row {
        name: "a replayed grant",
        packet: |rig| granted_once(rig).0,
        reason: Reason::HeartbeatReplayed,
        check: super::unchanged,
    },
    Row {
        name: "a grant that finds the holding lapsed",
        packet: |rig| {
            rig.hold(0, word(5, ME), LEASE_NS + 1_000_000);
            rig.fast.set_lease_until(0, u64::MAX);
            granting(rig, MINE).frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, _, outcome| {
            let [told] = outcome.events[..] else { panic!("one event: {:?}", outcome.events) };
            assert_eq!((told.kind, told.service, told.word), (event::LAPSED, 0, MINE));
            assert_eq!(lease(rig), 0, "and the lease ends");
            assert!(!rig.fast.holding(0).expect("read").is_held());
            assert_eq!(outcome.packet[super::frame::MESSAGE + offset::SLOTS_USED], 0, "and it is not listed");
        },
    },
    Row {
        name: "leases that carry over into a raised epoch serve on",
        packet: |rig| {
            granted_once(rig);
            let claim = afc_agent::datapath::Claim {
                service: service(0),
                word: word(9, ME),
                others: &[PEER, OTHER],
                now_ns: boottime_ns(),
                leases: afc_engine::effect::Leases::CarriedOver,
            };
            rig.fast.hold(0, &claim).expect("held");
            granting(rig, MINE).frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, _, outcome| {
            assert!(lease(rig) > outcome.after_ns);
            let holding = rig.fast.holding(0).expect("read");
            assert_eq!((holding.word, holding.lease_until_ns()), (word(9, ME).0, lease(rig)));
        },
    },
    Row {
        name: "a second grant shows how much of the lease was left",
        packet: |rig| {
            granted_once(rig);
            assert_eq!(rig.fast.view().lowest_margin_ns(0), None, "nothing was extended yet");
            granting(rig, MINE).frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, _, outcome| {
            let margin_ns = rig.fast.view().lowest_margin_ns(0).expect("it was extended");
            assert!(margin_ns < LEASE_NS && lease(rig) - margin_ns > outcome.before_ns, "{margin_ns}");
            rig.fast.drop_holding(0).expect("dropped");
            assert_eq!(rig.fast.view().lowest_margin_ns(0), None, "it is of one holding");
        },
    },
];
