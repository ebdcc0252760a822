//! Planned handover: no gap when all goes well, nothing worse than a failover when something is lost.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    layout::Record,
    wire::Kind,
};

use super::{
    shape::{LEASE, MS, Shape},
    world::World,
};
use crate::{
    Event,
    effect::Report,
    record::{self, OwnHolding, Standing},
};

const SEEDS: std::ops::Range<u64> = 0..50;
const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const C: NodeId = NodeId(3);

fn take(world: &mut World, node: u16, service: u32) {
    world.event(node, Event::Take { service: ServiceId(1000 + service), offer: None });
}

#[test]
fn a_service_moves_to_whoever_asks_without_a_gap_and_back() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        let counter = |world: &World| world.machine(1).kernel.services[0].word.epoch().counter();
        let before = counter(&world);
        for node in [4, 5, 1, 4] {
            world.run_for(2 * LEASE);
            take(&mut world, node, 0);
            let (start_ns, mut unserved_ns) = (world.now_ns, 0);
            while world.server(0) != Some(node) {
                assert!(world.now_ns - start_ns < 2 * LEASE, "seed {seed}\n{}", world.story());
                world.run_for(MS / 50);
                unserved_ns += if world.server(0).is_none() { MS / 50 } else { 0 };
            }
            // The HANDOVER's way, and no more.
            assert!(
                unserved_ns < MS / 2,
                "seed {seed}: {unserved_ns} ns without a server\n{}",
                world.story()
            );
            // On the window at first, on a majority's leases then.
            for _ in 0..4 * LEASE / MS {
                world.run_for(MS);
                assert_eq!(world.server(0), Some(node), "seed {seed}\n{}", world.story());
            }
            assert_eq!(world.servers()[1..], [Some(2), Some(3)], "seed {seed}");
        }
        assert_eq!(world.broken, None, "seed {seed}");
        assert_eq!(counter(&world), before, "seed {seed}: a handover adds to the hop only");
    }
}

#[test]
fn the_kernel_of_the_taker_serves_before_its_agent_hears_of_it() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        let asked = world.sent(Kind::Take);
        take(&mut world, 4, 0);
        // It asks, and looks at nothing for a while.
        assert!(world.run_until(MS, |world| world.sent(Kind::Take) > asked).is_some(), "seed {seed}");
        world.pause(4, LEASE / 4);
        let took = world.run_until(LEASE / 8, |world| world.server(0) == Some(4));
        assert!(took.is_some(), "seed {seed}\n{}", world.story());
        for _ in 0..8 * LEASE / MS {
            world.run_for(MS);
            assert_eq!(world.server(0), Some(4), "seed {seed}\n{}", world.story());
        }
        assert_eq!(world.broken, None, "seed {seed}");
    }
}

#[test]
fn what_is_lost_of_a_handover_costs_no_more_than_a_failover() {
    for (from, to) in [(1, 4), (4, 1), (1, 2), (1, 3)] {
        for seed in SEEDS {
            let mut world = World::settled(&Shape::five(), seed);
            take(&mut world, 4, 0);
            // The TAKE is under way, the rest of the conversation is not heard on this way.
            world.run_for(MS / 10);
            world.links.cut(World::place(from), World::place(to));
            world.run_for(3 * LEASE);
            assert!(world.server(0).is_some(), "seed {seed}: cut {from}->{to}\n{}", world.story());
            assert_eq!(world.broken, None, "seed {seed}");
        }
    }
}

#[test]
fn a_taker_that_dies_on_its_window_is_followed_by_the_next_backup() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        take(&mut world, 4, 0);
        let took = world.run_until(LEASE, |world| world.server(0) == Some(4));
        assert!(took.is_some(), "seed {seed}");
        world.power_off(4);
        let back = world.run_until(20 * LEASE, |world| world.server(0).is_some());
        assert!(back.is_some_and(|back| back < 3 * LEASE), "seed {seed}: {back:?}\n{}", world.story());
        assert_eq!(world.broken, None, "seed {seed}");
    }
}

#[test]
fn nobody_hands_over_to_who_may_not_hold_it_and_the_asker_says_so() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        take(&mut world, 2, 0);
        world.run_for(30 * LEASE);
        let service = ServiceId(1000);
        let told = |(_, report): &(u64, Report)| *report == Report::NotHandedOver { service };
        assert!(world.machine(2).reports.iter().any(told), "seed {seed}");
        assert_eq!((world.server(0), world.promise.moves), (Some(1), 0), "seed {seed}");
    }
}

fn standing() -> Standing {
    Standing { in_quarantine: false, own: OwnHolding::Nothing, reserved: 100, guard_ns: 125 }
}

fn guarded(holder: NodeId, epoch: Epoch) -> Record {
    let word = epoch.owned_by(holder).0;
    Record { word, guard_until_ns: 2_000, floor: epoch.owned_by(NodeId::NONE).0 }
}

#[test]
fn a_transfer_counts_for_exactly_its_holder_and_epoch_and_keeps_the_guard() {
    let epoch = Epoch::claim(5, A);
    let transferred = record::after_transfer(guarded(A, epoch), epoch.owned_by(A), C).unwrap();
    assert_eq!(transferred, guarded(C, epoch));
    for other in [Epoch::claim(4, A).owned_by(A), epoch.owned_by(B), OwnerWord::NONE] {
        assert_eq!(record::after_transfer(guarded(A, epoch), other, C), None);
    }
}

#[test]
fn a_taker_takes_what_its_record_allows_and_nothing_twice() {
    let epoch = Epoch::claim(5, A);
    let (word, next) = (epoch.owned_by(A), epoch.next_hop().unwrap());
    let free = Record { word: 0, guard_until_ns: 0, floor: 0 };
    let taken = |record, standing| record::taken(record, standing, word, C, 1_000);
    for record in [free, guarded(A, epoch), guarded(C, epoch)] {
        let (epoch, after) = taken(record, standing()).unwrap();
        assert_eq!((epoch, OwnerWord(after.word)), (next, next.owned_by(C)));
        assert!(record::is_guarded(after, u64::MAX / 8), "its own vote lasts while it holds");
        assert_eq!(taken(Record { floor: after.floor, ..record }, standing()), None, "it held that once");
    }
    assert_eq!(taken(guarded(B, epoch), standing()), None, "another is guarded");
    assert_eq!(taken(guarded(A, Epoch::claim(6, A)), standing()), None, "a higher epoch is on record");
    assert_eq!(taken(free, Standing { in_quarantine: true, ..standing() }), None);
    assert_eq!(taken(free, Standing { reserved: 4, ..standing() }), None, "its floor is not on disk");
}
