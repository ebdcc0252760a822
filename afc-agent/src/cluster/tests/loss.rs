//! How fast changes get everywhere, with and without loss.

use super::*;

/// Times until changes of random nodes were everywhere, in order.
fn spread(seeds: std::ops::Range<u64>, loss_percent: u32, limit_ns: u64) -> Vec<u64> {
    let mut times = Vec::new();
    for seed in seeds {
        let mut world = World::new(5, seed);
        world.loss_percent = loss_percent;
        assert!(world.run_until(10 * SECOND, World::agrees).is_some(), "seed {seed}: not settled");
        for round in 1..=10 {
            let pause_ns = world.random.u64(10 * MS..3 * SECOND);
            world.run_for(pause_ns);
            let machine = world.random.usize(0..5);
            world.set_state(machine, state(round));
            let (node, version) = (NodeId(machine as u16 + 1), world.version(machine));
            let took = world.run_until(limit_ns, |world| world.all_have(node, version));
            times.push(took.unwrap_or_else(|| panic!("seed {seed}, round {round}: not everywhere")));
        }
    }
    times.sort_unstable();
    times
}

fn report(what: &str, times: &[u64]) {
    let ms = |ns: u64| ns as f64 / 1e6;
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: {} changes, median {:.2} ms, worst {:.2} ms", times.len(), ms(median), ms(worst));
}

#[test]
fn a_change_is_everywhere_in_one_flight_when_nothing_is_lost() {
    let times = spread(0..20, 0, SECOND);
    report("no loss", &times);
    // One flight takes half a millisecond at most.
    assert!(times[times.len() - 1] <= MS);
}

#[test]
fn with_30_percent_lost_every_change_is_everywhere_within_5_seconds_100_times_of_100() {
    let times = spread(0..100, 30, 5 * SECOND);
    report("30 % lost", &times);
    assert!(times[times.len() / 2] <= 200 * MS);
}

#[test]
fn a_large_record_gets_through_loss_in_pieces() {
    use crate::cluster::record::{MAX_HOLDINGS, MAX_WATCHES, Watch};
    use afc_ebpf::identity::{OwnerWord, ServiceId};
    for seed in 0..20 {
        let mut world = settled(3, seed);
        world.loss_percent = 30;
        let large = NodeState {
            holdings: (0..MAX_HOLDINGS as u32).map(|n| (ServiceId(!n), OwnerWord(u64::MAX))).collect(),
            watches: (1..=MAX_WATCHES as u16).map(|n| (NodeId(3000 + n), Watch::Alive)).collect(),
            ..NodeState::default()
        };
        world.set_state(0, large.clone());
        let version = world.version(0);
        assert!(world.run_until(5 * SECOND, |world| world.all_have(NodeId(1), version)).is_some());
        assert!(world.machines[2].records[&NodeId(1)].state == large, "seed {seed}");
    }
}

#[test]
fn several_changes_at_once_cost_one_record_and_the_last_one_counts() {
    let mut world = settled(3, 1);
    let before = world.version(0).sequence;
    for number in 1..=100 {
        world.set_state(0, state(number));
    }
    world.run_for(SECOND / 10);
    assert_eq!(world.machines[2].records[&NodeId(1)].state, state(100));
    assert_eq!(world.version(0).sequence, before + 2);
}

#[test]
fn an_equal_state_costs_nothing() {
    let mut world = settled(3, 1);
    let before = world.version(0);
    world.set_state(0, state(0));
    assert_eq!(world.version(0), before);
}

#[test]
fn the_origin_measures_how_long_its_changes_took_but_not_its_refreshes() {
    let mut world = settled(5, 1);
    for number in 1..=10 {
        world.set_state(0, state(number));
        world.run_for(20 * SECOND);
    }
    let discovery = world.machines[0].controller.snapshot().discovery;
    // The first state was given before anybody was found, so nobody was told at once.
    assert_eq!(discovery.buckets.iter().sum::<u64>(), 40);
    assert_eq!(discovery.buckets[0], 40, "two flights of at most half a millisecond");
    assert!(discovery.worst_ns <= 1_100_000 && discovery.sum_ns >= 40 * 2 * MS / 10);
    let change = discovery.last_change.unwrap();
    assert_eq!((change.told, change.acknowledged), (4, 4));
}
