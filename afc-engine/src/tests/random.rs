//! Random faults against the promise, thousands of seeds; and planted bugs, to show that this can fail.

use super::{
    shape::{Bug, INTERVAL, LEASE, MS, Network, Shape},
    world::World,
};
use afc_ebpf::identity::{NodeId, ServiceId};

use crate::{
    Event, Role, Safety,
    ranking::{Ranked, Ranking},
};

/// Whether candidates claim only what is vacant, as the engine does, or whenever they like: safety must not
/// rest on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manners {
    Polite,
    Rude,
}

fn shape(rng: &mut fastrand::Rng) -> Shape {
    let members = rng.usize(3..=5);
    let mut roles = vec![Role::Member; members];
    roles.extend(std::iter::repeat_n(Role::Witness, rng.usize(0..=1)));
    roles.extend(std::iter::repeat_n(Role::Gateway, rng.usize(0..=1)));
    let services = (1..=rng.u16(1..=2))
        .map(|home| {
            let mut candidates: Vec<u16> = (1..=members as u16).filter(|node| *node != home).collect();
            rng.shuffle(&mut candidates);
            candidates.insert(0, home);
            candidates
        })
        .collect();
    Shape { roles, services, capacity: rng.u32(1..=2), preempt: rng.bool(), ..Shape::five() }
}

fn network(rng: &mut fastrand::Rng) -> Network {
    match rng.u32(0..5) {
        0 => Network::GOOD,
        1 => Network { lost: 100, doubled: 50, ..Network::GOOD },
        2 => Network { lost: 20, doubled: 20, held_up: 50, held_up_ns: 3 * LEASE, ..Network::GOOD },
        _ => Network { lost: 50, jitter_ns: 2 * INTERVAL, ..Network::GOOD },
    }
}

/// Any order of any nodes, candidates or not: lists of different nodes may differ for a while.
fn ranked(world: &mut World, service: usize) -> Event {
    let mut nodes: Vec<u16> = (1..=world.machines.len() as u16 + 1).collect();
    world.rng.shuffle(&mut nodes);
    nodes.truncate(world.rng.usize(0..=nodes.len()));
    let ranked = nodes.into_iter().map(|node| Ranked { node: NodeId(node), is_available: world.rng.bool() });
    Event::Ranked { service: ServiceId(1000 + service as u32), ranking: Ranking::new(ranked) }
}

/// One thing that goes wrong, or comes back: half of the time to a node that serves.
fn fault(world: &mut World, manners: Manners) {
    let nodes = world.machines.len() as u16;
    let (any, other) = (world.rng.u16(1..=nodes), world.rng.u16(1..=nodes));
    let service = world.rng.usize(0..world.services());
    if manners == Manners::Rude && world.rng.bool() {
        match world.rng.u32(0..3) {
            0 => world.give_up(any, service),
            1 => world.claim(world.server(service).unwrap_or(any), service),
            _ => world.claim(any, service),
        }
        return;
    }
    let node = if world.rng.bool() { world.server(service).unwrap_or(any) } else { any };
    let is_running = world.machine(node).engine.is_some();
    match world.rng.u32(0..17) {
        0 => world.cut(node, other, true),
        1 => world.isolate(node),
        2 | 3 => world.heal(),
        4 | 5 => {
            let for_ns = world.rng.u64(0..4 * LEASE);
            world.pause(node, for_ns);
        }
        6 => world.kill(node),
        7 => world.power_off(node),
        8 if is_running => world.stop(node),
        11 => {
            world.kill(node);
            world.start(node);
        }
        12 => {
            world.power_off(node);
            world.start(node);
        }
        9 if is_running => {
            let session = world.rng.u64(1..);
            world.doubt(node, session);
        }
        10 if is_running => {
            let is_available = world.rng.bool();
            world.event(node, Event::Available(is_available));
        }
        13 if is_running => {
            let is_drained = world.rng.bool();
            world.event(node, Event::Drained(is_drained));
        }
        14 if is_running => {
            let ranked = ranked(world, service);
            world.event(node, ranked);
        }
        15 if is_running => world.event(any, Event::Take { service: ServiceId(1000 + service as u32) }),
        _ if !is_running => world.start(node),
        _ => {}
    }
}

/// Starts a cluster and lets things go wrong.
fn storm(shape: &Shape, seed: u64, manners: Manners, bug: Option<Bug>) -> World {
    let mut world = World::new(shape, seed);
    world.bug = bug;
    for node in 1..=shape.roles.len() as u16 {
        if world.rng.u32(0..10) > 0 {
            world.start(node);
        }
        let pause_ns = world.rng.u64(0..10 * MS);
        world.run_for(pause_ns);
    }
    let calm_ns = world.rng.u64(0..3 * LEASE);
    world.run_for(calm_ns);
    world.network = network(&mut world.rng);
    world.late_ns = if world.rng.bool() { INTERVAL / 20 } else { 2 * INTERVAL };
    for _ in 0..world.rng.u32(5..40) {
        fault(&mut world, manners);
        let next_ns = match world.rng.u32(0..3) {
            0 => world.rng.u64(0..INTERVAL),
            1 => world.rng.u64(0..3 * LEASE / 2),
            _ => world.rng.u64(0..LEASE / 2),
        };
        world.run_for(next_ns);
    }
    world
}

/// Everything heals and everybody starts. Who is short of resources may stay so, and whatever the lists said, they go on.
fn settle(world: &mut World) {
    world.heal();
    world.network = Network::GOOD;
    world.late_ns = INTERVAL / 20;
    for node in 1..=world.machines.len() as u16 {
        if world.machine(node).engine.is_none() {
            world.start(node);
        }
        world.pause(node, 0);
        let is_available = world.rng.bool();
        world.event(node, Event::Available(is_available));
        world.event(node, Event::Drained(false));
    }
}

/// "With a majority of members alive some node does", and then nothing moves any more.
fn assert_served_again(world: &mut World, seed: u64) {
    settle(world);
    // The last resort of a service comes a lease for each voter later, and for each candidate before it.
    world.run_for(20 * LEASE);
    let moves = world.moves;
    for _ in 0..8 {
        world.run_for(LEASE / 8);
        let is_served = world.servers().iter().all(Option::is_some);
        assert!(is_served, "seed {seed}: not served again\n{}", world.story());
    }
    assert_eq!(world.moves, moves, "seed {seed}: moves on\n{}", world.story());
}

/// `AFC_SEED` runs one seed, `AFC_SEEDS` another number of them.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    match number("AFC_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("AFC_SEEDS").unwrap_or(count),
    }
}

#[test]
fn at_most_one_node_serves_and_after_healing_one_does() {
    let (mut moves, mut steps) = (0, 0);
    let seeds = seeds(1500);
    for seed in seeds.clone() {
        let shape = shape(&mut fastrand::Rng::with_seed(seed));
        let manners = if seed % 2 == 0 { Manners::Polite } else { Manners::Rude };
        let mut world = storm(&shape, seed, manners, None);
        if world.broken.is_none() {
            assert_served_again(&mut world, seed);
        }
        assert_eq!(world.broken, None, "seed {seed}\n{}", world.story());
        moves += world.moves;
        steps += world.steps;
    }
    println!("{seeds:?}: {steps} steps, {moves} moves");
    assert!(seeds.clone().count() < 100 || moves > seeds.end, "the faults moved too little: {moves}");
}

#[test]
fn best_effort_serves_on_both_sides_of_a_cut_and_on_one_after_it() {
    let shape = Shape {
        roles: vec![Role::Member; 2],
        services: vec![vec![1, 2]],
        safety: Safety::BestEffort,
        ..Shape::five()
    };
    for seed in seeds(20) {
        let mut world = World::settled(&shape, seed);
        assert_eq!(world.server(0), Some(1), "seed {seed}");
        world.allows_two = true;
        world.isolate(1);
        world.run_for(4 * LEASE);
        assert_eq!(world.all_servers(0), [1, 2], "seed {seed}");
        world.heal();
        world.run_for(300 * MS);
        assert_eq!(world.all_servers(0), [2], "seed {seed}: the higher epoch stays");
    }
}

#[test]
fn the_simulation_finds_every_planted_bug() {
    let bugs = [
        Bug::NoQuarantine,
        Bug::GuardBelowLease,
        Bug::GuardWithoutMargin,
        Bug::LeaseFromArrival,
        Bug::GrantOfAnyEpoch,
        Bug::ReleaseOfAnyEpoch,
        Bug::FloorLost,
        Bug::RecordsLost,
        Bug::DropNotInTheKernel,
    ];
    for bug in bugs {
        let mut tries = seeds(50_000);
        let found =
            tries.find(|seed| storm(&Shape::three(), *seed, Manners::Rude, Some(bug)).broken.is_some());
        println!("{bug:?}: seed {found:?}");
        assert!(found.is_some(), "{bug:?} was not found");
    }
}
