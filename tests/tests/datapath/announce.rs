//! ANNOUNCE: adopted in the kernel where it is higher and by its owner, and always passed on to the agent.

use afc_ebpf::{identity::OwnerWord, layout::event, reason::Reason, wire::Kind};

use super::{
    Row,
    frame::Beat,
    rig::{ME, OTHER, Outcome, PEER, Rig, service, word},
};

/// What service 0 says before each row.
const BEFORE: OwnerWord = word(5, OTHER);

fn announcing(rig: &mut Rig, slots: &[(u32, OwnerWord)]) -> Vec<u8> {
    rig.serve(0, BEFORE, 0);
    let slots = slots.iter().map(|(index, word)| (service(*index).0, word.0)).collect();
    Beat { slots, ..rig.probe() }.of_kind(Kind::Announce).frame()
}

/// The word stands as it was.
fn kept(rig: &mut Rig, packet: &[u8], outcome: &Outcome) {
    super::unchanged(rig, packet, outcome);
    assert_eq!(rig.fast.serving(0).0, BEFORE);
}

const fn ignored(name: &'static str, packet: fn(&mut Rig) -> Vec<u8>) -> Row {
    Row { name, packet, reason: Reason::AnnounceHeard, check: kept }
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "a higher epoch is adopted and told",
        packet: |rig| announcing(rig, &[(0, word(6, PEER))]),
        reason: Reason::AnnounceHeard,
        check: |rig, packet, outcome| {
            assert_eq!(outcome.packet, packet);
            assert_eq!(rig.fast.serving(0).0, word(6, PEER));
            let [told] = outcome.events[..] else { panic!("one event: {:?}", outcome.events) };
            assert_eq!((told.kind, told.service, told.word), (event::ADOPTED, 0, word(6, PEER).0));
        },
    },
    Row {
        name: "a higher epoch ends our own serving, whatever the lease",
        packet: |rig| {
            let frame = announcing(rig, &[(0, word(6, PEER))]);
            rig.serve(0, word(5, ME), u64::MAX);
            frame
        },
        reason: Reason::AnnounceHeard,
        check: |rig, _, _| {
            assert_eq!(rig.fast.serving(0).0, word(6, PEER));
            rig.locate(PEER, rig.inner.ifindex);
            let packet = rig.to_virtual_ip(0);
            assert_eq!(rig.receive(&packet).reason, Reason::VipRedirected, "the next packet turns");
        },
    },
    Row {
        name: "four services at once",
        packet: |rig| announcing(rig, &[0, 1, 2, 3].map(|index| (index, word(6, PEER)))),
        reason: Reason::AnnounceHeard,
        check: |rig, _, outcome| {
            assert!((0..4).all(|index| rig.fast.serving(index).0 == word(6, PEER)));
            assert_eq!(outcome.events.len(), 4);
        },
    },
    ignored("the same epoch is no news", |rig| {
        let frame = announcing(rig, &[(0, BEFORE)]);
        let frame_of_owner = Beat { slots: vec![(service(0).0, BEFORE.0)], ..rig.probe_of(OTHER) };
        let _not_sent = frame;
        frame_of_owner.of_kind(Kind::Announce).frame()
    }),
    ignored("a lower epoch", |rig| announcing(rig, &[(0, word(4, PEER))])),
    ignored("a higher epoch of which the sender is not the owner", |rig| {
        announcing(rig, &[(0, word(6, OTHER))])
    }),
    ignored("a higher epoch that nobody owns", |rig| {
        announcing(rig, &[(0, OwnerWord(word(6, PEER).0 & !0xfff))])
    }),
    ignored("a service that nobody knows", |rig| {
        rig.serve(0, BEFORE, 0);
        Beat { slots: vec![(1, word(6, PEER).0)], ..rig.probe() }.of_kind(Kind::Announce).frame()
    }),
    ignored("no service at all", |rig| announcing(rig, &[])),
    Row {
        name: "a replayed announcement",
        packet: |rig| {
            let frame = announcing(rig, &[(0, word(6, PEER))]);
            rig.receive(&frame);
            rig.serve(0, BEFORE, 0);
            frame
        },
        reason: Reason::HeartbeatReplayed,
        check: kept,
    },
];
