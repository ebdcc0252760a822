//! What an operator would try: one fault each, and what must come of it.

use super::world::{LEASE, MS, Shape, World};

use crate::engine::effect::Report;

const SEEDS: std::ops::Range<u64> = 0..20;

#[track_caller]
fn assert_kept(world: &World, seed: u64) {
    assert_eq!(world.broken, None, "seed {seed}");
}

#[test]
fn a_cold_start_gives_every_home_its_service() {
    for seed in SEEDS {
        let world = World::settled(&Shape::five(), seed);
        assert_kept(&world, seed);
        assert_eq!(world.servers(), [Some(1), Some(2), Some(3)], "seed {seed}");
        assert_eq!(world.moves, 0, "seed {seed}");
    }
}

#[test]
fn the_first_backup_takes_over_from_a_node_that_lost_its_power() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.power_off(1);
        let took = world.run_until(20 * LEASE, |world| world.server(0).is_some());
        assert_kept(&world, seed);
        assert_eq!(world.servers(), [Some(4), Some(2), Some(3)], "seed {seed}");
        assert!(took.unwrap() < 2 * LEASE, "seed {seed}: {took:?}");
    }
}

#[test]
fn two_nodes_that_fail_together_are_taken_over_by_two_backups() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.power_off(1);
        world.power_off(2);
        let took = world.run_until(20 * LEASE, |world| world.servers().iter().all(Option::is_some));
        assert_kept(&world, seed);
        let mut servers = world.servers();
        servers.sort_unstable();
        assert_eq!(servers, [Some(3), Some(4), Some(5)], "seed {seed}");
        assert!(took.unwrap() < 2 * LEASE, "seed {seed}: {took:?}");
    }
}

#[test]
fn a_one_way_cut_between_the_owner_and_one_backup_moves_nothing() {
    for (from, to) in [(1, 4), (4, 1)] {
        for seed in SEEDS {
            let mut world = World::settled(&Shape::five(), seed);
            world.cut(from, to, true);
            world.run_for(20 * LEASE);
            assert_kept(&world, seed);
            assert_eq!(world.moves, 0, "seed {seed}, cut from {from} to {to}");
            assert_eq!(world.servers(), [Some(1), Some(2), Some(3)], "seed {seed}");
        }
    }
}

#[test]
fn a_clean_stop_hands_over_without_waiting_for_a_guard() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.stop(1);
        let took = world.run_until(20 * LEASE, |world| world.server(0) == Some(4));
        assert_kept(&world, seed);
        assert!(took.is_some_and(|took| took < 2 * MS), "seed {seed}: {took:?}");
        assert!(world.machine(1).has_stopped);
    }
}

#[test]
fn an_agent_that_restarts_within_its_timeout_moves_nothing() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        for node in 1..=5 {
            world.kill(node);
            world.run_for(3 * LEASE / 5);
            world.start(node);
            world.run_for(LEASE);
        }
        assert_kept(&world, seed);
        assert_eq!(world.servers(), [Some(1), Some(2), Some(3)], "seed {seed}");
        assert_eq!(world.moves, 0, "seed {seed}");
    }
}

#[test]
fn a_rolling_power_cut_of_the_voters_keeps_the_owner() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        for node in [4, 5, 3, 2] {
            world.power_off(node);
            world.run_for(2 * LEASE);
            world.start(node);
            world.run_for(8 * LEASE);
        }
        assert_kept(&world, seed);
        assert_eq!(world.server(0), Some(1), "seed {seed}");
    }
}

#[test]
fn a_candidate_that_was_paused_for_two_leases_suspects_nobody() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.pause(4, 50 * MS);
        world.run_for(10 * LEASE);
        assert_kept(&world, seed);
        assert_eq!(world.moves, 0, "seed {seed}");
        let suspected = world
            .machine(4)
            .engine
            .as_ref()
            .unwrap()
            .nodes()
            .filter(|node| node.is_suspected);
        assert_eq!(suspected.count(), 0, "seed {seed}");
        let reports = &world.machine(4).reports;
        assert!(
            !reports
                .iter()
                .any(|(_, report)| matches!(report, Report::Suspected { .. })),
            "seed {seed}"
        );
    }
}

#[test]
fn an_isolated_owner_stops_within_its_lease_and_the_majority_goes_on() {
    for is_stopped in [false, true] {
        for seed in SEEDS {
            let mut world = World::settled(&Shape::five(), seed);
            world.isolate(1);
            if is_stopped {
                world.pause(1, 10 * LEASE);
            }
            world.run_for(LEASE);
            assert_ne!(world.server(0), Some(1), "seed {seed}");
            let took = world.run_until(20 * LEASE, |world| world.server(0).is_some());
            assert_kept(&world, seed);
            assert_eq!(world.server(0), Some(4), "seed {seed}");
            assert!(took.unwrap() < 2 * LEASE, "seed {seed}: {took:?}");
            world.heal();
            world.run_for(20 * LEASE);
            assert_kept(&world, seed);
            assert_eq!(world.server(0), Some(4), "seed {seed}");
        }
    }
}

#[test]
fn the_home_takes_its_service_back_only_where_it_shall() {
    for preempt in [false, true] {
        for seed in SEEDS {
            let mut world = World::settled(
                &Shape {
                    preempt,
                    ..Shape::five()
                },
                seed,
            );
            world.power_off(1);
            world.run_for(4 * LEASE);
            assert_eq!(world.server(0), Some(4), "seed {seed}");
            world.start(1);
            world.run_for(4000 * MS);
            assert_kept(&world, seed);
            assert_eq!(world.server(0), Some(if preempt { 1 } else { 4 }), "seed {seed}");
        }
    }
}

#[test]
fn a_minority_never_serves_and_a_returning_majority_does() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        for node in [3, 4, 5] {
            world.power_off(node);
        }
        world.run_for(4 * LEASE);
        assert_eq!(world.servers(), [None, None, None], "seed {seed}");
        assert!(!world.machine(1).engine.as_ref().unwrap().has_quorum());
        world.start(5);
        let took = world.run_until(20 * LEASE, |world| world.servers().iter().all(Option::is_some));
        assert_kept(&world, seed);
        assert!(took.is_some(), "seed {seed}: {:?}", world.servers());
    }
}
