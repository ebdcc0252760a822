//! What comes back after cuts, deaths, restarts and lost disks.

use super::*;
use crate::cluster::{Change, Counter, MAX_AGE_NS, record::Version};

fn told(world: &World, machine: usize, wanted: impl Fn(&Change) -> bool) -> usize {
    world.machines[machine].changes.iter().filter(|(_, change)| wanted(change)).count()
}

#[test]
fn a_partition_heals_with_everything_that_was_missed() {
    for seed in 0..20 {
        let mut world = settled(5, seed);
        world.part(&[0, 1], &[2, 3, 4]);
        world.run_for(5 * SECOND);
        for machine in 0..5 {
            world.set_state(machine, state(7));
        }
        world.run_for(SECOND);
        assert_eq!(world.machines[0].records[&NodeId(2)].state, state(7));
        assert_eq!(world.machines[0].records[&NodeId(3)].state, state(0));
        world.cut.clear();
        let took = world.run_until(5 * SECOND, World::agrees);
        assert!(took.is_some_and(|took| took <= 3 * SECOND / 2), "seed {seed}: {took:?}");
    }
}

#[test]
fn a_dead_nodes_record_ages_out_everywhere_and_it_costs_one_datagram_a_second_to_try() {
    let mut world = settled(3, 4);
    world.stop(2);
    world.set_state(0, state(300));
    world.run_for(5 * SECOND);
    let before = world.count(0, Counter::Retransmitted);
    for round in 1..=200 {
        world.set_state(0, state(round));
        world.run_for(SECOND / 20);
    }
    let tries = world.count(0, Counter::Retransmitted) - before;
    assert!((8..=12).contains(&tries), "{tries} in 10 s");
    world.run_for(MAX_AGE_NS);
    for machine in 0..2 {
        assert!(!world.machines[machine].records.contains_key(&NodeId(3)));
        assert_eq!(told(&world, machine, |change| *change == Change::AgedOut(NodeId(3))), 1);
    }
}

#[test]
fn a_record_that_is_refreshed_never_ages_out_and_says_how_long_its_reasons_hold() {
    use afc_engine::availability::{Reasons, UnavailableReason};
    let mut world = settled(3, 4);
    let reasons = Reasons::NONE.with(UnavailableReason::Memory);
    world.set_state(0, NodeState { reasons, reason_ages_ms: vec![500], ..state(0) });
    world.run_for(5 * MAX_AGE_NS);
    assert!(world.agrees());
    assert_eq!(told(&world, 1, |change| matches!(change, Change::AgedOut(_))), 0);
    let age_ms = world.machines[1].records[&NodeId(1)].state.reason_ages_ms[0];
    assert!(
        (140_000..=195_000).contains(&age_ms),
        "{age_ms} after 175 s, less a refresh, by clocks 8 % apart"
    );
}

#[test]
fn a_node_that_was_away_is_told_as_soon_as_it_is_heard() {
    let mut world = settled(5, 3);
    world.part(&[4], &[0, 1, 2, 3]);
    world.run_for(20 * SECOND);
    world.set_state(0, state(9));
    world.cut.clear();
    let version = world.version(0);
    let took = world.run_until(3 * SECOND, |world| world.all_have(NodeId(1), version));
    assert!(took.is_some_and(|took| took <= 3 * SECOND / 2), "{took:?}");
}

#[test]
fn a_restarted_node_is_known_by_its_new_incarnation_and_knows_everything() {
    for seed in 0..20 {
        let mut world = settled(5, seed);
        world.loss_percent = 30;
        world.restart(1, 1001);
        world.set_state(1, state(3));
        let took = world.run_until(5 * SECOND, World::agrees);
        assert!(took.is_some(), "seed {seed}");
        assert_eq!(world.version(1), Version { incarnation: 1001, sequence: world.version(1).sequence });
        assert_eq!(world.machines[4].records[&NodeId(2)].state, state(3));
    }
}

#[test]
fn a_node_whose_incarnation_was_lost_goes_on_above_what_the_others_have() {
    for seed in 0..20 {
        let mut world = settled(5, seed);
        let heard = world.version(1);
        world.loss_percent = 30;
        world.restart(1, 3);
        world.set_state(1, state(3));
        let took = world.run_until(5 * SECOND, |world| world.agrees() && world.version(1) > heard);
        assert!(took.is_some(), "seed {seed}");
        let lost = Change::IncarnationLost { heard, incarnation: 1001 };
        assert_eq!(told(&world, 1, |change| *change == lost), 1);
        assert_eq!(told(&world, 1, |change| matches!(change, Change::Conflict { .. })), 0);
        assert_eq!(world.machines[4].records[&NodeId(2)].state, state(3));
    }
}

#[test]
fn what_cannot_be_sent_directly_comes_through_a_third_node() {
    let mut worst = 0;
    for seed in 0..20 {
        let mut world = settled(5, seed);
        let (from, to) = (world.machines[0].spec.address, world.machines[1].spec.address);
        world.cut.insert((from, to));
        world.run_for(3 * SECOND);
        world.set_state(0, state(5));
        let version = world.version(0);
        let took = world.run_until(10 * SECOND, |world| world.all_have(NodeId(1), version));
        worst = worst.max(took.unwrap_or_else(|| panic!("seed {seed}: not healed")));
        // It acknowledges on the way that works, so the origin need not try on.
        world.run_for(SECOND / 10);
        let before = world.count(0, Counter::Retransmitted);
        world.run_for(3 * SECOND);
        assert_eq!(world.count(0, Counter::Retransmitted), before, "seed {seed}");
    }
    println!("through a third node: worst {} ms", worst / MS);
    assert!(worst <= 5 * SECOND);
}

#[test]
fn a_record_that_is_passed_on_keeps_its_age_although_no_clocks_agree() {
    let mut world = settled(3, 6);
    world.set_state(0, state(1));
    world.run_for(MS);
    world.stop(0);
    world.run_for(10 * SECOND);
    world.restart(2, 2000);
    world.set_state(2, state(1));
    world.run_for(SECOND);
    let age_ns = world.machines[2].changes.iter().rev().find_map(|(_, change)| {
        let Change::Record { record, age_ns, .. } = change else { return None };
        (record.node == NodeId(1)).then_some(*age_ns)
    });
    let age_ns = age_ns.expect("told");
    assert!(
        (9 * SECOND..=11 * SECOND).contains(&age_ns),
        "{age_ns} of 10 s by a clock that is 8 % off at most"
    );
    world.run_for(28 * SECOND);
    assert!(!world.machines[2].records.contains_key(&NodeId(1)), "35 s after it was made, give or take 8 %");
}

#[test]
fn a_clock_that_leaps_ages_everything_out_once_and_the_cluster_goes_on() {
    let mut world = settled(3, 1);
    world.with(0, |controller, now_ns| controller.handle_timeout(now_ns + 3600 * SECOND));
    assert_eq!(told(&world, 0, |change| matches!(change, Change::AgedOut(_))), 2);
    world.run_for(30 * SECOND);
    assert!(world.machines[1].records.contains_key(&NodeId(3)));
}
