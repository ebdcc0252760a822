//! Inputs that no configuration gives: nothing fails, and their order still does not matter.

use afc_ebpf::identity::{NodeId, ServiceId};

use super::{super::*, check, properties::for_each_cluster};
use crate::availability::UnavailableReason;

const MEMORY: Reasons = Reasons::NONE.with(UnavailableReason::Memory);

fn node(id: u16) -> NodeInput {
    NodeInput { id: NodeId(id), reasons: Reasons::NONE, headroom: Headroom::Ample, room: 1 }
}

fn service(id: u32, home: u16, backups: &[u16]) -> ServiceInput {
    ServiceInput {
        id: ServiceId(id),
        home: NodeId(home),
        home_stands_ready: true,
        backups: backups.iter().map(|&id| NodeId(id)).collect(),
        owner: NodeId(home),
    }
}

fn standing(lists: &Lists, id: u32) -> Vec<(u16, bool)> {
    let backups = &lists.service(ServiceId(id)).unwrap().backups;
    backups.iter().map(|backup| (backup.node.0, backup.reasons.is_available())).collect()
}

#[test]
fn no_input_gives_no_lists() {
    let lists = lists(&Inputs::default());
    assert!(lists.services.is_empty() && lists.nodes.is_empty());
}

#[test]
fn a_service_without_backups_has_an_empty_list_and_no_primary() {
    let lists = lists(&Inputs { nodes: vec![node(1)], services: vec![service(9, 1, &[])] });
    assert_eq!(lists.service(ServiceId(9)).unwrap().primary(), None);
}

#[test]
fn a_backup_that_is_no_member_is_dead_and_one_that_is_the_home_or_named_twice_is_left_out() {
    let inputs = Inputs { nodes: vec![node(1), node(4)], services: vec![service(9, 1, &[7, 4, 1, 4, 0])] };
    let lists = lists(&inputs);
    assert_eq!(standing(&lists, 9), [(4, true), (7, false)]);
    let unknown = lists.services[0].backups[1];
    assert!(unknown.reasons.contains(UnavailableReason::Dead), "{unknown:?}");
}

#[test]
fn of_a_node_that_is_there_twice_the_worse_counts_and_of_a_service_the_first() {
    let short = NodeInput { reasons: MEMORY, ..node(4) };
    let doubled = |nodes: [NodeInput; 2], services: [ServiceInput; 2]| Inputs {
        nodes: [node(1), node(5)].into_iter().chain(nodes).collect(),
        services: services.into(),
    };
    let (one, other) = (service(9, 1, &[4, 5]), service(9, 1, &[5]));
    let first = lists(&doubled([node(4), short.clone()], [one.clone(), other.clone()]));
    let second = lists(&doubled([short, node(4)], [other, one]));
    assert_eq!(first, second);
    assert_eq!(standing(&first, 9), [(5, true), (4, false)]);
}

#[test]
fn a_service_with_more_backups_than_voters_keeps_the_six_preferred() {
    let inputs =
        Inputs { nodes: (1..=9).map(node).collect(), services: vec![service(9, 1, &[9, 8, 7, 6, 5, 4, 3])] };
    assert_eq!(standing(&lists(&inputs), 9).len(), 6);
}

#[test]
fn spoiled_random_clusters_fail_nothing_and_their_order_does_not_matter() {
    for_each_cluster(10_000, |rng, mut inputs| {
        let nodes: Vec<NodeInput> = inputs.nodes.iter().filter(|_| rng.bool()).cloned().collect();
        inputs.nodes.extend(nodes.into_iter().map(|node| NodeInput {
            room: rng.u32(..),
            reasons: MEMORY,
            ..node
        }));
        for service in &mut inputs.services {
            service.id = ServiceId(rng.u32(0..6));
            service.backups.extend((0..rng.usize(0..4)).map(|_| NodeId(rng.u16(0..40))));
        }
        let lists = lists(&inputs);
        check::available_first(&lists).unwrap();
        rng.shuffle(&mut inputs.nodes);
        rng.shuffle(&mut inputs.services);
        assert_eq!(super::super::lists(&inputs), lists);
        static_lists(&inputs);
    });
}
