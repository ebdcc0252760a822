//! Lists that differ although their inputs are equal.

use super::*;
use crate::cluster::{Change, LISTS_GRACE_NS, ListsDigest};

fn alarms(world: &World, machine: usize) -> Vec<Change> {
    let lists = |change: &Change| matches!(change, Change::ListsDiffer(_) | Change::ListsAgree(_));
    world.machines[machine].changes.iter().map(|(_, change)| change.clone()).filter(lists).collect()
}

fn set(world: &mut World, machine: usize, inputs: u64, outputs: u64) {
    set_digest(world, machine, ListsDigest { roster: 7, inputs, outputs });
}

fn set_digest(world: &mut World, machine: usize, lists: ListsDigest) {
    world.with(machine, |controller, _| controller.set_lists_digest(lists));
}

#[test]
fn other_lists_from_equal_inputs_are_an_alarm_until_they_agree() {
    let mut world = settled(4, 1);
    for machine in 0..4 {
        set(&mut world, machine, 1, if machine == 3 { 99 } else { 10 });
    }
    world.run_for(LISTS_GRACE_NS - SECOND);
    assert_eq!(alarms(&world, 0), []);
    world.run_for(5 * SECOND);
    for machine in 0..3 {
        assert_eq!(alarms(&world, machine), [Change::ListsDiffer(NodeId(4))], "machine {machine}");
    }
    assert_eq!(alarms(&world, 3).len(), 3);
    assert_eq!(world.machines[0].controller.snapshot().lists_differ, [NodeId(4)]);
    set(&mut world, 3, 1, 10);
    world.run_for(4 * SECOND);
    for machine in 0..3 {
        assert_eq!(alarms(&world, machine)[1..], [Change::ListsAgree(NodeId(4))], "machine {machine}");
    }
    assert_eq!(alarms(&world, 3).len(), 6);
}

#[test]
fn other_inputs_or_a_short_difference_are_no_alarm() {
    let mut world = settled(3, 1);
    for machine in 0..3 {
        set(&mut world, machine, machine as u64, machine as u64);
    }
    world.run_for(20 * SECOND);
    for round in 0..20 {
        set(&mut world, 0, 7, round % 2);
        set(&mut world, 1, 7, 0);
        world.run_for(LISTS_GRACE_NS / 3);
        set(&mut world, 0, 7, 0);
        world.run_for(3 * SECOND);
    }
    assert_eq!(alarms(&world, 0), []);
    assert_eq!(alarms(&world, 1), []);
}

#[test]
fn the_alarm_ends_with_the_node() {
    let mut world = settled(3, 1);
    for machine in 0..3 {
        set(&mut world, machine, 1, machine as u64 / 2);
    }
    world.run_for(15 * SECOND);
    world.stop(2);
    world.run_for(60 * SECOND);
    assert_eq!(alarms(&world, 0), [Change::ListsDiffer(NodeId(3)), Change::ListsAgree(NodeId(3))]);
}

#[test]
fn another_configuration_of_the_lists_is_an_alarm_whatever_follows_from_it() {
    let mut world = settled(3, 1);
    for machine in 0..3 {
        let roster = if machine == 2 { 8 } else { 7 };
        set_digest(&mut world, machine, ListsDigest { roster, inputs: roster, outputs: roster });
    }
    world.run_for(LISTS_GRACE_NS + 5 * SECOND);
    assert_eq!(alarms(&world, 0), [Change::ListsDiffer(NodeId(3))]);
    set(&mut world, 2, 7, 7);
    world.run_for(4 * SECOND);
    assert_eq!(alarms(&world, 0)[1..], [Change::ListsAgree(NodeId(3))]);
}
