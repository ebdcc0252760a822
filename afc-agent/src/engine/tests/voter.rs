//! The voter's rule, row by row.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord},
    layout::Record,
};

use crate::engine::{
    message::Refusal,
    record::{self, Ask, Decision, OwnHolding, Standing},
};

const NOW: u64 = 1_000;
const GUARD: u64 = 125;
const ME: NodeId = NodeId(1);
const A: NodeId = NodeId(2);
const B: NodeId = NodeId(3);

fn epoch(counter: u32, node: NodeId) -> Epoch {
    Epoch::claim(counter, node)
}

fn record(holder: NodeId, counter: u32, guard_until_ns: u64, floor: u32) -> Record {
    let claimer = if holder.is_some() { holder } else { A };
    Record {
        word: epoch(counter, claimer).owned_by(holder).0,
        guard_until_ns,
        floor: epoch(floor, NodeId::NONE).owned_by(NodeId::NONE).0,
    }
}

fn standing() -> Standing {
    Standing {
        in_quarantine: false,
        own: OwnHolding::Nothing,
        reserved: 100,
        guard_ns: GUARD,
    }
}

#[test]
fn a_voter_grants_and_refuses_as_the_table_says() {
    let none = Record::default();
    let guarded = record(A, 5, NOW + 1, 5);
    let run_out = record(A, 5, NOW, 5);
    let released = record(NodeId::NONE, 5, 0, 5);
    let quarantine = Standing {
        in_quarantine: true,
        ..standing()
    };
    let protected = Standing {
        own: OwnHolding::Protected,
        ..standing()
    };
    let yielding = |counter| Standing {
        own: OwnHolding::Yielding(epoch(counter, ME)),
        ..standing()
    };
    let own = Record {
        guard_until_ns: u64::MAX,
        ..record(ME, 5, 0, 5)
    };
    // (what, record, standing, who asks, counter asked, refusal)
    let table = [
        ("nothing on record", none, standing(), A, 1, None),
        ("the holder renews", guarded, standing(), A, 5, None),
        ("the holder raises", guarded, standing(), A, 6, None),
        (
            "the holder's older epoch",
            guarded,
            standing(),
            A,
            4,
            Some(Refusal::BelowRecord),
        ),
        (
            "another, the guard runs",
            guarded,
            standing(),
            B,
            6,
            Some(Refusal::Guarded),
        ),
        (
            "another below, the guard runs",
            guarded,
            standing(),
            B,
            4,
            Some(Refusal::Guarded),
        ),
        ("another, the guard has run out", run_out, standing(), B, 6, None),
        (
            "another below, the guard has run out",
            run_out,
            standing(),
            B,
            4,
            Some(Refusal::BelowRecord),
        ),
        ("another after a release", released, standing(), B, 6, None),
        (
            "the released epoch again",
            released,
            standing(),
            A,
            5,
            Some(Refusal::BelowRecord),
        ),
        (
            "at the floor",
            record(NodeId::NONE, 5, 0, 7),
            standing(),
            B,
            7,
            None,
        ),
        (
            "below the floor",
            record(NodeId::NONE, 5, 0, 7),
            standing(),
            B,
            6,
            Some(Refusal::BelowFloor),
        ),
        (
            "beyond the disk",
            none,
            standing(),
            A,
            101,
            Some(Refusal::FloorPending),
        ),
        (
            "in quarantine",
            guarded,
            quarantine,
            A,
            5,
            Some(Refusal::Quarantine),
        ),
        ("a protected holding", own, protected, B, 9, Some(Refusal::Held)),
        ("a yielding holding, a higher epoch", own, yielding(5), B, 6, None),
        (
            "a yielding holding, its own epoch's equal",
            own,
            yielding(9),
            B,
            8,
            Some(Refusal::Held),
        ),
    ];
    for (what, record, standing, from, counter, refusal) in table {
        let ask = Ask {
            from,
            epoch: epoch(counter, from),
        };
        let granted = match (record::decide(record, standing, ask, NOW), standing.own) {
            (Decision::Grant(granted), OwnHolding::Nothing)
            | (Decision::DropAndGrant(granted), OwnHolding::Yielding(_)) => granted,
            (decision, _) => {
                assert_eq!(refusal.map(Decision::Refuse), Some(decision), "{what}");
                continue;
            }
        };
        assert_eq!(refusal, None, "{what}");
        assert_eq!(OwnerWord(granted.word), ask.epoch.owned_by(from), "{what}");
        assert_eq!(granted.guard_until_ns, NOW + GUARD, "{what}");
        assert!(
            OwnerWord(granted.floor).epoch() >= ask.epoch,
            "{what}: the floor is at or above every grant"
        );
        assert!(granted.floor >= record.floor, "{what}: the floor never sinks");
    }
}

#[test]
fn a_release_counts_for_exactly_its_holder_and_epoch() {
    let held = record(A, 5, NOW + 1, 5);
    let released = record::after_release(held, epoch(5, A).owned_by(A)).unwrap();
    assert_eq!(OwnerWord(released.word), epoch(5, A).owned_by(NodeId::NONE));
    assert_eq!((released.guard_until_ns, released.floor), (0, held.floor));
    for other in [
        epoch(4, A).owned_by(A),
        epoch(6, A).owned_by(A),
        epoch(5, A).owned_by(B),
    ] {
        assert_eq!(record::after_release(held, other), None);
    }
    assert_eq!(record::after_release(released, OwnerWord(released.word)), None);
}

#[test]
fn a_floor_from_disk_is_above_everything_that_was_granted_and_below_the_next_block() {
    for reserved in [1, 1024, u32::MAX - 1] {
        let floor = record::floor_from_disk(reserved);
        assert!(floor > Epoch::claim(reserved, NodeId::MAX));
        assert!(floor <= Epoch::claim(reserved + 1, NodeId(1)));
    }
    assert_eq!(record::floor_from_disk(0), Epoch::ZERO);
}

#[test]
fn a_forgotten_record_remembers_its_quarantine_and_no_other_record_does() {
    assert_eq!(
        record::quarantine_until_ns(record::forgotten(epoch(3, A), 77)),
        77
    );
    assert_eq!(record::quarantine_until_ns(record(A, 5, 99, 5)), 0);
    assert_eq!(
        record::quarantine_until_ns(record::released(record(A, 5, 99, 5))),
        0
    );
}
