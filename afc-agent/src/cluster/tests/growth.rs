//! Large clusters: that they settle, and what that costs each node.

use super::*;
use crate::cluster::Counter;

#[test]
fn two_hundred_nodes_settle_and_a_quiet_cluster_costs_each_node_little() {
    const NODES: u16 = 200;
    let mut world = World::new(NODES, 1);
    while !world.agrees() {
        assert!(world.now_ns < SECOND, "not settled");
        world.run_for(MS / 2);
    }
    println!(
        "{NODES} nodes settle in {:.1} ms with {} datagrams and {} kB a node",
        world.now_ns as f64 / 1e6,
        world.sent / u64::from(NODES),
        world.sent_bytes / u64::from(NODES) / 1000
    );
    // Until each has asked every other once.
    world.run_for(5 * SECOND);
    let drops = |world: &World| -> u64 {
        let drops = [Counter::Replayed, Counter::Session, Counter::HelloRate];
        let count = |machine| drops.map(|counter| world.count(machine, counter)).into_iter().sum::<u64>();
        (0..NODES as usize).map(count).sum()
    };
    let (sent, bytes, dropped) = (world.sent, world.sent_bytes, drops(&world));
    world.run_for(10 * SECOND);
    assert_eq!(drops(&world), dropped, "a quiet cluster drops nothing");
    let a_second = |total: u64| total as f64 / 10.0 / f64::from(NODES);
    let (datagrams, bytes) = (a_second(world.sent - sent), a_second(world.sent_bytes - bytes));
    println!("{NODES} quiet nodes: {datagrams:.1} datagrams, {:.1} kB a second and node", bytes / 1000.0);
    // Each tells 199 others every 10 s and acknowledges as many, and compares with two.
    assert!(datagrams < 50.0, "{datagrams}");
    world.set_state(0, state(1));
    let version = world.version(0);
    let took = world.run_until(SECOND, |world| world.all_have(NodeId(1), version));
    println!("a change is at all {NODES} nodes after {:?} ms", took.map(|took| took as f64 / 1e6));
    assert!(took.is_some_and(|took| took <= 20 * MS));
}

#[test]
fn a_node_that_can_reach_only_one_of_a_hundred_fetches_each_record_once_from_it() {
    const NODES: u16 = 100;
    let mut world = World::new(NODES, 2);
    world.stop(0);
    world.run_for(6 * SECOND);
    let others: Vec<_> = (2..usize::from(NODES)).collect();
    world.part(&[0], &others);
    world.tape = Some(Vec::new());
    world.restart(0, 2000);
    world.set_state(0, state(1));
    let took = world.run_until(10 * SECOND, |world| world.machines[0].records.len() == usize::from(NODES));
    let (from, to) = (world.machines[1].spec.address, world.machines[0].spec.address);
    let flights = world.tape.iter().flatten().filter(|flight| (flight.from, flight.to) == (from, to));
    let sizes: Vec<_> = flights.map(|flight| flight.bytes.len()).collect();
    println!(
        "{NODES} records through one node: {} ms, {} datagrams, {} bytes",
        took.expect("fetched") / MS,
        sizes.len(),
        sizes.iter().sum::<usize>()
    );
    // A hello, its own record, an answer, three pages, and the records, many to a datagram.
    assert!(sizes.len() <= 20, "{sizes:?}");
}
