//! What an operator would try: one fault each, and what must come of it.

use super::{
    fault::{What, Who},
    shape::{LEASE, MS, Shape},
    world::World,
};
use crate::{Event, Role, Safety, effect::Report};

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
        assert_eq!(world.promise.moves, 0, "seed {seed}");
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
            world.links.cut(World::place(from), World::place(to));
            world.run_for(20 * LEASE);
            assert_kept(&world, seed);
            assert_eq!(world.promise.moves, 0, "seed {seed}, cut from {from} to {to}");
            assert_eq!(world.servers(), [Some(1), Some(2), Some(3)], "seed {seed}");
        }
    }
}

#[test]
fn a_backup_that_asks_in_vain_for_one_service_has_room_for_another() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        // It believes the second node to be dead, and the other voters do not.
        world.links.cut(World::place(2), World::place(4));
        world.run_for(20 * LEASE);
        world.power_off(1);
        let took = world.run_until(20 * LEASE, |world| world.server(0).is_some());
        assert_kept(&world, seed);
        assert_eq!(world.servers(), [Some(4), Some(2), Some(3)], "seed {seed}");
        assert!(took.is_some_and(|took| took < 2 * LEASE), "seed {seed}: {took:?}");
    }
}

#[test]
fn a_clean_stop_hands_over_without_waiting_for_a_guard() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.event(1, Event::Stop);
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
        let words =
            |world: &World| world.machine(1).kernel.services.iter().map(|s| s.word).collect::<Vec<_>>();
        let before = words(&world);
        for node in 1..=5 {
            world.kill(node);
            world.run_for(3 * LEASE / 5);
            world.start(node);
            world.run_for(LEASE);
        }
        assert_kept(&world, seed);
        assert_eq!(world.servers(), [Some(1), Some(2), Some(3)], "seed {seed}");
        assert_eq!((world.promise.moves, words(&world)), (0, before), "seed {seed}: not even an epoch");
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
        assert_eq!(world.promise.moves, 0, "seed {seed}");
        let suspected = world.machine(4).engine.as_ref().unwrap().nodes().filter(|node| node.is_suspected);
        assert_eq!(suspected.count(), 0, "seed {seed}");
        let reports = &world.machine(4).reports;
        assert!(!reports.iter().any(|(_, report)| matches!(report, Report::Suspected { .. })), "seed {seed}");
    }
}

#[test]
fn an_isolated_owner_stops_within_its_lease_and_the_majority_goes_on() {
    for is_stopped in [false, true] {
        for seed in SEEDS {
            let mut world = World::settled(&Shape::five(), seed);
            world.links.isolate(World::place(1));
            if is_stopped {
                world.pause(1, 10 * LEASE);
            }
            world.run_for(LEASE);
            assert_ne!(world.server(0), Some(1), "seed {seed}");
            let took = world.run_until(20 * LEASE, |world| world.server(0).is_some());
            assert_kept(&world, seed);
            assert_eq!(world.server(0), Some(4), "seed {seed}");
            assert!(took.unwrap() < 2 * LEASE, "seed {seed}: {took:?}");
            world.links.heal();
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
            let mut world = World::settled(&Shape { preempt, ..Shape::five() }, seed);
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
        assert!(!world.engine(1).has_quorum());
        world.start(5);
        let took = world.run_until(20 * LEASE, |world| world.servers().iter().all(Option::is_some));
        assert_kept(&world, seed);
        assert!(took.is_some(), "seed {seed}: {:?}", world.servers());
    }
}

#[test]
fn two_members_and_a_witness_survive_the_loss_of_a_member_and_of_the_witness() {
    let roles = vec![Role::Member, Role::Member, Role::Witness];
    let shape = Shape { roles, services: vec![vec![1, 2]], ..Shape::five() };
    for seed in SEEDS {
        let mut world = World::settled(&shape, seed);
        world.power_off(3);
        world.run_for(4 * LEASE);
        assert_eq!((world.server(0), world.promise.moves), (Some(1), 0), "seed {seed}");
        world.start(3);
        world.run_for(4 * LEASE);
        world.power_off(1);
        world.run_for(3 * LEASE);
        assert_kept(&world, seed);
        assert_eq!(world.server(0), Some(2), "seed {seed}");
        assert!(world.engine(2).has_quorum(), "seed {seed}: a witness that nobody probes counts");
    }
}

#[test]
fn a_gateway_learns_every_owner_and_never_votes() {
    let mut roles = vec![Role::Member; 3];
    roles.push(Role::Gateway);
    let shape = Shape { roles, ..Shape::three() };
    for seed in SEEDS {
        let mut world = World::settled(&shape, seed);
        world.power_off(1);
        world.run_for(3 * LEASE);
        assert_kept(&world, seed);
        assert_eq!(world.machine(4).kernel.services[0].word.owner().0, 2, "seed {seed}");
        assert_eq!(world.machine(4).kernel.services[0].record.floor, 0, "seed {seed}");
    }
}

#[test]
fn a_node_holds_more_services_than_one_page_lists() {
    let services = (0..6).map(|_| vec![1, 2, 3]).collect();
    let shape = Shape { services, capacity: 6, ..Shape::three() };
    for seed in SEEDS {
        let mut world = World::settled(&shape, seed);
        // The kernel takes REPLYs only in the order of their probes, so a page that another overtakes is
        // lost.
        world.links.network.jitter_ns = 0;
        world.run_for(20 * LEASE);
        assert_eq!((world.servers(), world.promise.moves), (vec![Some(1); 6], 0), "seed {seed}");
        world.power_off(1);
        world.run_for(3 * LEASE);
        assert_kept(&world, seed);
        let mut servers = world.servers();
        servers.sort_unstable();
        let both = [[Some(2); 3], [Some(3); 3]].concat();
        assert_eq!(servers, both, "seed {seed}: they share what one node left");
    }
}

#[test]
fn a_backup_takes_no_more_than_its_capacity() {
    let services = (0..3).map(|_| vec![1, 2, 3]).collect();
    let shape = Shape { services, capacity: 1, ..Shape::three() };
    for seed in SEEDS {
        let mut world = World::settled(&shape, seed);
        world.power_off(1);
        world.run_for(10 * LEASE);
        assert_kept(&world, seed);
        let mut servers = world.servers();
        servers.sort_unstable();
        assert_eq!(servers, [None, Some(2), Some(3)], "seed {seed}");
    }
}

#[test]
fn a_single_node_serves_alone() {
    let shape = Shape { roles: vec![Role::Member], services: vec![vec![1]], ..Shape::five() };
    for seed in SEEDS {
        let mut world = World::settled(&shape, seed);
        assert_eq!(world.server(0), Some(1), "seed {seed}");
        world.event(1, Event::Stop);
        assert_eq!(world.server(0), None, "seed {seed}");
    }
}

#[test]
fn a_backup_serves_in_place_of_a_home_that_never_came_up() {
    for safety in [Safety::Quorum, Safety::BestEffort] {
        for seed in SEEDS {
            let mut world = World::new(&Shape { safety, ..Shape::three() }, seed);
            world.start(2);
            world.start(3);
            world.run_for(90 * MS);
            assert_eq!(world.server(0), None, "seed {seed}: the grace is the home's");
            world.run_for(50 * MS);
            assert_kept(&world, seed);
            assert_eq!(world.server(0), Some(2), "seed {seed}");
        }
    }
}

#[test]
fn a_node_in_doubt_stops_at_once_and_votes_again_after_the_quarantine() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.doubt(1, 4711);
        assert_ne!(world.server(0), Some(1), "seed {seed}");
        world.run_for(LEASE / 2);
        assert_eq!(world.server(0), Some(4), "seed {seed}: the RELEASE lets the backup take over at once");
        world.run_for(4 * LEASE);
        world.power_off(2);
        world.power_off(3);
        world.run_for(4 * LEASE);
        assert_kept(&world, seed);
        assert_eq!(world.server(0), Some(4), "seed {seed}: with the vote of node 1");
    }
}

#[test]
fn a_service_is_served_again_within_15_ms_of_a_power_cut_with_the_shortest_times() {
    let shape = Shape { lease_ns: 8 * MS, interval_ns: MS, ..Shape::five() };
    let mut gaps: Vec<u64> = Vec::new();
    for seed in 0..100 {
        let mut world = World::settled(&shape, seed);
        world.power_off(1);
        let took = world.run_until(100 * MS, |world| world.server(0).is_some());
        assert_kept(&world, seed);
        gaps.push(took.expect("served again") / 1000);
    }
    gaps.sort_unstable();
    println!("gap in us: median {} p90 {} worst {}", gaps[50], gaps[90], gaps[99]);
    assert!(gaps[50] < 12_000 && gaps[99] < 15_000, "{gaps:?}");
}

#[test]
fn a_voter_that_lost_its_power_makes_the_owner_raise_its_epoch_without_a_gap() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::three(), seed);
        let epoch = world.machine(1).kernel.services[0].word.epoch();
        world.power_off(3);
        world.start(3);
        for _ in 0..400 {
            world.run_for(MS / 4);
            assert_eq!(world.server(0), Some(1), "seed {seed}");
        }
        assert_kept(&world, seed);
        assert!(world.machine(1).kernel.services[0].word.epoch() > epoch, "seed {seed}");
        assert_eq!(world.promise.moves, 0, "seed {seed}");
    }
}

#[test]
fn best_effort_serves_on_both_sides_of_a_cut_and_on_one_after_it() {
    let roles = vec![Role::Member; 2];
    let shape = Shape { roles, services: vec![vec![1, 2]], safety: Safety::BestEffort, ..Shape::five() };
    let servers = |world: &World| -> Vec<u16> {
        let machines = world.machines.iter();
        let serving = machines.filter(|machine| machine.serves(0, world.now_ns).is_some());
        serving.map(|machine| machine.id().0).collect()
    };
    for seed in SEEDS {
        let mut world = World::settled(&shape, seed);
        assert_eq!(world.server(0), Some(1), "seed {seed}");
        world.promise.forgives_two = true;
        world.links.isolate(World::place(1));
        world.run_for(4 * LEASE);
        assert_eq!(servers(&world), [1, 2], "seed {seed}");
        world.links.heal();
        world.run_for(300 * MS);
        assert_eq!(servers(&world), [2], "seed {seed}: the higher epoch stays");
    }
}

#[test]
fn a_machine_whose_clock_stands_still_with_it_serves_beside_its_successor_for_one_lease_at_most() {
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        world.promise.forgives_two = true;
        world.suffer(Who::Node(1), &What::StandStill { for_ns: 4 * LEASE });
        let both = |world: &World| {
            let serves = |node| world.machine(node).serves(0, world.now_ns).is_some();
            serves(1) && serves(4)
        };
        let step_ns = LEASE / 100;
        let mut both_ns = 0;
        for _ in 0..1000 {
            world.run_for(step_ns);
            both_ns += if both(&world) { step_ns } else { 0 };
        }
        assert!((1..=LEASE).contains(&both_ns), "seed {seed}: {both_ns} ns");
    }
}
