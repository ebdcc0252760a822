//! The lease arithmetic, against tables and against sorting.

use std::vec::Vec;

use super::*;
use crate::identity::Epoch;

const LEASE: u64 = 1_000;

fn held(voters: u16) -> Holding {
    let others: Vec<NodeId> = (2..=voters).map(NodeId).collect();
    Holding::claimed(word(), &others, 10, 1, None)
}

fn word() -> OwnerWord {
    Epoch::claim(7, NodeId(1)).owned_by(NodeId(1))
}

#[test]
fn the_lowest_margin_is_the_least_that_was_left_of_a_lease_when_it_was_extended() {
    let now = 1000;
    for (lowest, before, until, expected) in [
        (0, 0, 1025, 0),
        (0, 1020, 1025, 20),
        (20, 1008, 1025, 8),
        (8, 1020, 1025, 8),
        (8, 1001, 1001, 8),
        (8, 1003, 1002, 8),
        (8, 990, 1025, 1),
        (0, 990, 1025, 1),
        (1, 1020, 1025, 1),
    ] {
        assert_eq!(lowest_margin_ns(lowest, before, until, now), expected, "{lowest} {before} {until}");
    }
}

#[test]
fn the_majority_is_the_lease_that_half_of_the_voters_still_reach() {
    struct Row(u16, &'static [(u16, u64)], u64);
    // (voters, grants as (voter, echo), until)
    let table = [
        Row(1, &[], FOREVER_NS),
        Row(2, &[], 0),
        Row(2, &[(2, 100)], 1100),
        Row(3, &[(3, 90)], 1090),
        Row(3, &[(2, 50), (3, 90)], 1090),
        Row(4, &[(2, 50)], 0),
        Row(4, &[(2, 50), (3, 90)], 1050),
        Row(5, &[(2, 50), (3, 90), (4, 70)], 1070),
        Row(5, &[(2, 50), (2, 90)], 0),
        Row(7, &[(2, 10), (3, 20), (4, 30), (5, 40), (6, 50), (7, 60)], 1040),
        Row(7, &[(2, 10), (3, 20)], 0),
    ];
    for Row(voters, grants, until) in table {
        let mut holding = held(voters);
        for (voter, echo) in grants {
            assert!(matches!(holding.grant(word().0, *voter, *echo, LEASE, 200), Grant::Extended { .. }));
        }
        assert_eq!(holding.lease_until_ns(), until, "{voters} voters, {grants:?}");
    }
}

#[test]
fn majority_and_lapse_are_those_of_the_sorted_leases() {
    let mut random = 1u64;
    let mut below = |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    for _ in 0..200_000 {
        let mut holding = held(1 + below(7) as u16);
        holding.since_ns = below(8);
        holding.window_until_ns = below(3) * below(12);
        let others = holding.others.iter().filter(|other| **other != 0).count();
        for lease in &mut holding.leases[..others] {
            *lease = below(12);
        }
        let mut sorted = holding.leases;
        sorted.sort_by(|a, b| b.cmp(a));
        let until_ns = match holding.needed {
            0 => FOREVER_NS,
            needed => sorted[needed as usize - 1].max(holding.window_until_ns),
        };
        assert_eq!(holding.lease_until_ns(), until_ns, "{holding:?}");
        let (lease_ns, now_ns) = (below(8), below(24));
        let has_lapsed = now_ns > until_ns.max(holding.since_ns) + lease_ns;
        let before = holding;
        assert_eq!(holding.drop_if_lapsed(lease_ns, now_ns), has_lapsed, "{before:?} {lease_ns} {now_ns}");
        assert_eq!(holding.is_held(), !has_lapsed);
    }
}

#[test]
fn a_late_doubled_or_reordered_grant_never_shortens_a_lease() {
    let mut holding = held(3);
    holding.grant(word().0, 2, 100, LEASE, 200);
    holding.grant(word().0, 2, 50, LEASE, 200);
    holding.grant(word().0, 2, 100, LEASE, 200);
    assert_eq!(holding.lease_until_ns(), 1100);
}

#[test]
fn only_a_voter_s_grant_of_exactly_this_epoch_and_this_past_counts() {
    let mut holding = held(3);
    let next = word().epoch().next_hop().unwrap().owned_by(NodeId(1));
    assert_eq!(holding.grant(next.0, 2, 100, LEASE, 200), Grant::NotHeld);
    assert_eq!(holding.grant(0, 2, 100, LEASE, 200), Grant::NotHeld);
    assert_eq!(holding.grant(word().0, 9, 100, LEASE, 200), Grant::NotAVoter);
    assert_eq!(holding.grant(word().0, 0, 100, LEASE, 200), Grant::NotAVoter);
    assert_eq!(holding.grant(word().0, 2, 201, LEASE, 200), Grant::FromTheFuture);
    assert_eq!(holding.lease_until_ns(), 0);
}

#[test]
fn a_holding_without_a_majority_for_one_lease_is_dropped_for_good() {
    let mut tentative = held(3);
    assert!(!tentative.drop_if_lapsed(LEASE, 10 + LEASE));
    assert!(tentative.drop_if_lapsed(LEASE, 11 + LEASE));
    assert_eq!(tentative.grant(word().0, 2, 100, LEASE, 5000), Grant::NotHeld);

    let mut owner = held(3);
    owner.grant(word().0, 2, 500, LEASE, 600);
    assert!(!owner.drop_if_lapsed(LEASE, 2500));
    assert_eq!(owner.grant(word().0, 2, 2400, LEASE, 2501), Grant::Lapsed);
    assert!(!owner.is_held());
}

#[test]
fn a_window_serves_without_grants_and_not_beyond_its_end() {
    assert_eq!(window_until_ns(100, 1_000), 900);
    let mut taken = held(3);
    taken.window_until_ns = 900;
    assert_eq!(taken.lease_until_ns(), 900);
    taken.grant(word().0, 2, 100, LEASE, 200);
    assert_eq!(taken.lease_until_ns(), 1100);
    assert!(!taken.drop_if_lapsed(LEASE, 2100));
    assert!(taken.drop_if_lapsed(LEASE, 2101));
}

#[test]
fn exactly_what_was_asked_for_is_taken_and_once() {
    let me = NodeId(2);
    let asking = || Holding::asking(word(), &[NodeId(1), NodeId(3)], 100, 7);
    let handover = Handover { word: word().0, echo_ns: 150, remaining_ns: 800, now_ns: 160 };
    let next = word().epoch().next_hop().unwrap().owned_by(me);

    let mut holding = asking();
    assert!(!holding.is_held());
    assert_eq!(holding.take(&handover, me, LEASE), Some(Taken { word: next, until_ns: 150 + 640 }));
    assert_eq!((holding.word, holding.lease_until_ns(), holding.needed), (next.0, 790, 1));
    assert_eq!(holding.take(&handover, me, LEASE), None, "twice");
    assert!(matches!(holding.grant(next.0, 3, 155, LEASE, 200), Grant::Extended { lease_until_ns: 1_155 }));

    let longest = Handover { remaining_ns: u64::MAX, ..handover };
    assert_eq!(asking().take(&longest, me, LEASE).unwrap().until_ns, 150 + LEASE / 5 * 4);
    let last_hop =
        (0..u8::MAX).fold(word().epoch(), |epoch, _| epoch.next_hop().unwrap()).owned_by(NodeId(1));
    for (case, holding, handover) in [
        ("another word", asking(), Handover { word: next.0, ..handover }),
        ("no word", Holding::default(), Handover { word: 0, ..handover }),
        ("not asked", held(3), handover),
        ("asked before", asking(), Handover { echo_ns: 99, ..handover }),
        ("from the future", asking(), Handover { echo_ns: 161, ..handover }),
        ("too late", asking(), Handover { now_ns: 790, ..handover }),
        (
            "no hop left",
            Holding::asking(last_hop, &[NodeId(1), NodeId(3)], 100, 7),
            Handover { word: last_hop.0, ..handover },
        ),
    ] {
        let mut after = holding;
        assert_eq!(after.take(&handover, me, LEASE), None, "{case}");
        assert_eq!(after.word, holding.word, "{case}");
    }
}

#[test]
fn a_raised_epoch_keeps_its_leases() {
    let mut holding = held(3);
    holding.grant(word().0, 2, 100, LEASE, 200);
    let higher = Epoch::claim(9, NodeId(1)).owned_by(NodeId(1));
    let raised = Holding::claimed(higher, &[NodeId(2), NodeId(3)], 300, 1, Some(&holding));
    assert_eq!(raised.lease_until_ns(), 1100);
}
