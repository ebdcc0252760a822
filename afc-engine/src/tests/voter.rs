//! The voter's rule, row by row.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord},
    layout::Record,
};

use crate::{
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
    Standing { in_quarantine: false, own: OwnHolding::Nothing, reserved: 100, guard_ns: GUARD }
}

/// (why, record, standing, who asks, counter asked, what is refused)
type Row = (&'static str, Record, Standing, NodeId, u32, Option<Refusal>);

fn assert_decided((why, record, standing, from, counter, refusal): Row) {
    let ask = Ask { from, epoch: epoch(counter, from) };
    let granted = match (record::decide(record, standing, ask, NOW), standing.own) {
        (Decision::Grant(granted), OwnHolding::Nothing)
        | (Decision::DropAndGrant(granted), OwnHolding::Yielding(_)) => granted,
        (decision, _) => {
            assert_eq!(refusal.map(Decision::Refuse), Some(decision), "{why}");
            return;
        }
    };
    assert_eq!(refusal, None, "{why}");
    assert_eq!(OwnerWord(granted.word), ask.epoch.owned_by(from), "{why}");
    assert_eq!(granted.guard_until_ns, NOW + GUARD, "{why}");
    assert!(OwnerWord(granted.floor).epoch() >= ask.epoch, "{why}: the floor covers every grant");
    assert!(granted.floor >= record.floor, "{why}: the floor never sinks");
}

#[test]
fn a_voter_that_holds_nothing_goes_by_its_record() {
    let free = standing();
    let guarded = record(A, 5, NOW + 1, 5);
    let run_out = record(A, 5, NOW, 5);
    let released = record(NodeId::NONE, 5, 0, 5);
    let (guard, below) = (Some(Refusal::Guarded), Some(Refusal::BelowRecord));
    let rows: &[Row] = &[
        ("nothing on record", Record::default(), free, A, 1, None),
        ("the holder renews", guarded, free, A, 5, None),
        ("the holder raises", guarded, free, A, 6, None),
        ("the holder's older epoch", guarded, free, A, 4, below),
        ("another, guarded", guarded, free, B, 6, guard),
        ("another below, guarded", guarded, free, B, 4, guard),
        ("another, run out", run_out, free, B, 6, None),
        ("another below, run out", run_out, free, B, 4, below),
        ("another after a release", released, free, B, 6, None),
        ("what was released", released, free, A, 5, below),
    ];
    rows.iter().for_each(|row| assert_decided(*row));
}

#[test]
fn a_voter_grants_nothing_below_its_floor_or_beyond_its_disk_or_in_quarantine() {
    let free = standing();
    let in_quarantine = Standing { in_quarantine: true, ..free };
    let above = record(NodeId::NONE, 5, 0, 7);
    let guarded = record(A, 5, NOW + 1, 5);
    let rows: &[Row] = &[
        ("at the floor", above, free, B, 7, None),
        ("below it", above, free, B, 6, Some(Refusal::BelowFloor)),
        ("at the end of the block", guarded, free, A, 100, None),
        ("beyond it", guarded, free, A, 101, Some(Refusal::FloorPending)),
        ("the holder", guarded, in_quarantine, A, 5, Some(Refusal::Quarantine)),
    ];
    rows.iter().for_each(|row| assert_decided(*row));
}

#[test]
fn a_voter_that_holds_gives_way_only_without_a_lease_and_only_to_a_higher_epoch() {
    let own = Record { guard_until_ns: u64::MAX, ..record(ME, 5, 0, 5) };
    let protected = Standing { own: OwnHolding::Protected, ..standing() };
    let yielding = Standing { own: OwnHolding::Yielding(epoch(5, ME)), ..standing() };
    let held = Some(Refusal::Held);
    let rows: &[Row] = &[
        ("with a lease", own, protected, B, 9, held),
        ("without, a higher one", own, yielding, B, 6, None),
        ("without, a lower one", own, yielding, B, 4, held),
    ];
    rows.iter().for_each(|row| assert_decided(*row));
}

#[test]
fn a_release_counts_for_exactly_its_holder_and_epoch() {
    let held = record(A, 5, NOW + 1, 5);
    let released = record::after_release(held, epoch(5, A).owned_by(A)).unwrap();
    assert_eq!(OwnerWord(released.word), epoch(5, A).owned_by(NodeId::NONE));
    assert_eq!((released.guard_until_ns, released.floor), (0, held.floor));
    for other in [epoch(4, A).owned_by(A), epoch(6, A).owned_by(A), epoch(5, A).owned_by(B)] {
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
    assert_eq!(record::quarantine_until_ns(record::forgotten(epoch(3, A), 77)), 77);
    assert_eq!(record::quarantine_until_ns(record(A, 5, 99, 5)), 0);
    assert_eq!(record::quarantine_until_ns(record::released(record(A, 5, 99, 5))), 0);
}
