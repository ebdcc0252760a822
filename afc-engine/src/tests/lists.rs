//! The lists, a node short of resources, and a drained one, in a simulated cluster.

use std::cell::Cell;

use afc_ebpf::identity::{NodeId, ServiceId};

use super::{
    shape::{LEASE, MS, Shape},
    world::World,
};
use crate::{
    Event,
    ranking::{Ranked, Ranking},
    view::Watch,
};

const SEEDS: std::ops::Range<u64> = 0..20;

/// Every node hears that the backups of a service come in this order; one with a `-` is not available.
fn rank(world: &mut World, service: u32, backups: &[i16]) {
    let ranking = Ranking::new(
        backups
            .iter()
            .map(|backup| Ranked { node: NodeId(backup.unsigned_abs()), is_available: *backup > 0 }),
    );
    for node in 1..=world.machines.len() as u16 {
        world.event(node, Event::Ranked { service: ServiceId(1000 + service), ranking });
    }
}

/// Node 1 loses power, and this one takes its service over as fast as any first backup.
fn assert_next(world: &mut World, next: u16, seed: u64) {
    world.run_for(LEASE);
    world.power_off(1);
    let took = world.run_until(20 * LEASE, |world| world.server(0).is_some());
    assert_eq!(world.broken, None, "seed {seed}");
    assert_eq!(world.server(0), Some(next), "seed {seed}");
    assert!(took.unwrap() < 2 * LEASE, "seed {seed}: {took:?}");
}

#[test]
fn the_first_of_the_list_takes_over_whatever_the_configuration_preferred() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        rank(&mut world, 0, &[5, 4]);
        assert_next(&mut world, 5, seed);
    }
}

#[test]
fn a_backup_that_is_short_is_passed_over_without_waiting_for_it() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.event(4, Event::Available(false));
        rank(&mut world, 0, &[5, -4]);
        assert_next(&mut world, 5, seed);
    }
}

#[test]
fn a_backup_that_is_short_serves_what_nobody_else_can() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.event(4, Event::Available(false));
        world.event(5, Event::Available(false));
        world.run_for(LEASE);
        world.power_off(1);
        world.run_for(5 * LEASE);
        assert_eq!(world.server(0), None, "seed {seed}: others would have had no turn");
        let took = world.run_until(20 * LEASE, |world| world.server(0).is_some());
        assert_eq!(world.broken, None, "seed {seed}");
        assert_eq!(world.server(0), Some(4), "seed {seed}: {took:?}");
    }
}

#[test]
fn a_drained_node_gives_its_service_away_and_takes_none() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.event(1, Event::Drained(true));
        let (served_ns, longest_gap_ns) = (Cell::new(world.now_ns), Cell::new(0));
        let moved = world.run_until(20 * LEASE, |world| {
            longest_gap_ns.set(longest_gap_ns.get().max(world.now_ns - served_ns.get()));
            if world.server(0).is_some() {
                served_ns.set(world.now_ns);
            }
            world.server(0) == Some(4)
        });
        // Its flag is heard, the taker is ready, and asks.
        assert!(moved.unwrap() < 3 * LEASE, "seed {seed}: {moved:?}");
        assert!(longest_gap_ns.get() < LEASE / 2, "seed {seed}: {longest_gap_ns:?} ns without a server");
        world.event(1, Event::Drained(false));
        world.run_for(20 * LEASE);
        assert_eq!(world.server(0), Some(4), "seed {seed}: its return moves nothing");
        assert_eq!(world.broken, None, "seed {seed}");
    }
}

#[test]
fn a_drained_node_keeps_what_nobody_else_can_serve() {
    let services = (0..3).map(|_| vec![1, 2, 3]).collect();
    let shape = Shape { services, capacity: 1, ..Shape::three() };
    for seed in SEEDS {
        let mut world = World::settled(&shape, seed);
        world.event(1, Event::Drained(true));
        world.run_for(100 * LEASE);
        let mut servers = world.servers();
        servers.sort_unstable();
        assert_eq!(servers, [Some(1), Some(2), Some(3)], "seed {seed}");
        let moves = world.promise.moves;
        world.run_for(100 * LEASE);
        assert_eq!(world.promise.moves, moves, "seed {seed}: moves on\n{}", world.story());
        assert_eq!(world.broken, None, "seed {seed}");
    }
}

#[test]
fn a_drained_node_serves_until_somebody_comes() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        // Their kernels answer that they are available, and their agents are too starved to come.
        world.pause(4, 2_500 * MS);
        world.pause(5, 2_500 * MS);
        world.event(1, Event::Drained(true));
        for _ in 0..1_000 {
            world.run_for(2 * MS);
            assert_eq!(world.server(0), Some(1), "seed {seed}");
        }
        let came = world.run_until(1_000 * MS, |world| [Some(4), Some(5)].contains(&world.server(0)));
        assert!(came.is_some(), "seed {seed}");
        assert_eq!(world.broken, None, "seed {seed}");
    }
}

#[test]
fn a_node_that_is_probed_again_is_judged_anew() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        for service in 0..3 {
            rank(&mut world, service, &[4, -5]);
        }
        world.run_for(100 * MS);
        world.power_off(5);
        world.run_for(100 * MS);
        for service in 0..3 {
            rank(&mut world, service, &[4, 5]);
        }
        let watch = |world: &World| world.engine(2).nodes().nth(4).unwrap().watch;
        let heard = world.run_until(100 * MS, |world| watch(world).is_some());
        assert_eq!(watch(&world), Some(Watch::Suspected), "seed {seed}: {heard:?}");
    }
}

#[test]
fn only_holders_and_available_backups_are_probed() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        for service in 0..3 {
            rank(&mut world, service, &[4, -5]);
        }
        world.run_for(100 * MS);
        let watches = |world: &World| -> Vec<Option<Watch>> {
            world.engine(2).nodes().map(|node| node.watch).collect()
        };
        let alive = Some(Watch::Alive);
        assert_eq!(watches(&world), [alive, None, alive, alive, None], "seed {seed}");
        world.power_off(3);
        world.run_for(2 * LEASE);
        assert_eq!(world.engine(1).nodes().nth(2).unwrap().watch, Some(Watch::Suspected), "seed {seed}");
    }
}
