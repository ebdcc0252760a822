//! What a REPLY lists: the page that was asked for, without gaps, and nothing that lapsed or that an earlier agent held.

use afc_ebpf::{
    layout::event,
    reason::Reason,
    wire::{SLOTS, TAG_BYTES, flag, offset},
};

use super::{
    Row,
    frame::{Beat, MESSAGE},
    probe::{field, hold_first, is_reply, slots_of},
    rig::{LEASE_NS, ME, OTHER, word},
};

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "the first page, with more behind it",
        packet: |rig| {
            hold_first(rig, 6);
            rig.probe().frame()
        },
        reason: Reason::ProbeAnswered,
        check: |_, packet, outcome| {
            is_reply(packet, outcome, |reply| (reply.slots, reply.flags) = (slots_of(0..4), flag::MORE));
        },
    },
    Row {
        name: "the last page",
        packet: |rig| {
            hold_first(rig, 6);
            Beat { page: 1, ..rig.probe() }.frame()
        },
        reason: Reason::ProbeAnswered,
        check: |_, packet, outcome| {
            is_reply(packet, outcome, |reply| (reply.slots, reply.page) = (slots_of(4..6), 1));
        },
    },
    Row {
        name: "a page that there is none of",
        packet: |rig| {
            hold_first(rig, 6);
            Beat { page: 255, ..rig.probe() }.frame()
        },
        reason: Reason::ProbeAnswered,
        check: |_, packet, outcome| is_reply(packet, outcome, |reply| reply.page = 255),
    },
    Row {
        name: "a list from which one was dropped has no gap",
        packet: |rig| {
            hold_first(rig, 6);
            rig.fast.drop_holding(1).expect("dropped");
            rig.fast.drop_holding(5).expect("dropped");
            rig.probe().frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, packet, outcome| {
            assert_eq!(rig.fast.held().count(), SLOTS);
            is_reply(packet, outcome, |reply| reply.slots = slots_of([0, 4, 2, 3]));
        },
    },
    Row {
        name: "what lapsed is dropped for good, told, and leaves no gap",
        packet: |rig| {
            hold_first(rig, 3);
            rig.hold(1, word(6, ME), LEASE_NS + 1_000_000);
            rig.probe().frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, packet, outcome| {
            is_reply(packet, outcome, |reply| reply.slots = slots_of([0, 2]));
            let [told] = outcome.events[..] else { panic!("one event: {:?}", outcome.events) };
            assert_eq!((told.kind, told.service, told.word), (event::LAPSED, 1, word(6, ME).0));
            assert!(!rig.fast.holding(1).expect("read").is_held());
        },
    },
    Row {
        name: "what an earlier agent held is not listed",
        packet: |rig| {
            hold_first(rig, 2);
            rig.fast.set_incarnation(77);
            rig.hold(0, word(5, ME), 0);
            rig.probe_of(OTHER).frame()
        },
        reason: Reason::ProbeAnswered,
        check: |_, _, outcome| {
            assert_eq!(outcome.packet[MESSAGE + offset::SLOTS_USED], 1);
            assert_eq!(field(&outcome.packet, offset::SLOTS + 8), word(5, ME).0);
            assert_eq!(outcome.packet.len(), MESSAGE + 128 + TAG_BYTES);
        },
    },
];
