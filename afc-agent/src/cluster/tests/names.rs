//! Two machines that go by one node's name.

use std::net::Ipv4Addr;

use super::{world::address, *};
use crate::cluster::{Change, Counter};

const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);

fn conflicts(world: &World, machine: usize) -> Vec<Change> {
    let is_conflict = |change: &Change| matches!(change, Change::Conflict { .. });
    world.machines[machine].changes.iter().map(|(_, change)| change.clone()).filter(is_conflict).collect()
}

#[test]
fn a_second_machine_with_a_nodes_name_is_told_once_with_its_address_and_changes_nothing() {
    let mut world = settled(5, 1);
    let impostor = world.start(Spec { address: ELSEWHERE, incarnation: 9000, ..Spec::new(3, 5) });
    world.set_state(impostor, state(66));
    world.run_for(30 * SECOND);
    for machine in [0, 1, 3, 4] {
        let conflict = Change::Conflict { node: NodeId(3), address: Some(ELSEWHERE) };
        assert_eq!(conflicts(&world, machine), [conflict], "machine {machine}");
        assert!(world.count(machine, Counter::Address) > 20);
        assert_eq!(world.machines[machine].records[&NodeId(3)].state, state(0));
    }
    world.set_state(2, state(5));
    world.run_for(SECOND);
    assert_eq!(world.machines[0].records[&NodeId(3)].state, state(5));
    assert_eq!(world.machines[impostor].records.len(), 1);
}

#[test]
fn a_machine_that_sends_in_this_nodes_own_name_is_told_once_with_its_address() {
    let mut world = settled(3, 1);
    // It believes to be node 1, and that node 2 is where node 1 is.
    let mut spec = Spec { address: ELSEWHERE, ..Spec::new(1, 3) };
    spec.peers.insert(NodeId(1), address(1));
    spec.peers.remove(&NodeId(2));
    world.start(spec);
    world.run_for(10 * SECOND);
    let conflict = Change::Conflict { node: NodeId(1), address: Some(ELSEWHERE) };
    assert_eq!(conflicts(&world, 0), [conflict]);
    assert!(world.count(0, Counter::OwnName) > 5);
}

#[test]
fn a_stranger_cannot_raise_the_alarm() {
    let mut world = settled(3, 1);
    let wrong = keys(&[NEW_KEY.strip_prefix("2:").unwrap()]);
    world.start(Spec { address: ELSEWHERE, keys: wrong, ..Spec::new(3, 3) });
    world.run_for(10 * SECOND);
    assert!(world.count(0, Counter::Address) > 5);
    assert_eq!(conflicts(&world, 0), []);
}

#[test]
fn two_machines_with_one_name_and_address_are_told_and_their_versions_rise_slowly() {
    let mut world = settled(3, 1);
    // Both hear what is sent to the address; the network of this world gives it to one at a time.
    let twin = world.start(Spec::new(3, 3));
    for round in 0..20 {
        let (up, down) = if round % 2 == 0 { (2, twin) } else { (twin, 2) };
        world.machines[up].is_up = true;
        world.stop(down);
        world.set_state(up, state(round + 1));
        world.run_for(3 * SECOND);
    }
    let told: BTreeMap<_, _> =
        (0..3).chain([twin]).map(|machine| (machine, conflicts(&world, machine))).collect();
    assert!(told.values().any(|conflicts| !conflicts.is_empty()), "{told:?}");
    assert!(world.version(2).incarnation <= 1000 + 60);
    assert!(world.machines[0].records.contains_key(&NodeId(2)));
}
