//! What follows from records: owners, deaths, room, and the lists of the known story.

use std::sync::Arc;

use afc_ebpf::identity::Epoch;
use afc_engine::priority::lists;

use super::*;
use crate::cluster::record::{NodeState, Watch};

mod death;
mod random;

/// Nodes 1 to 3 have a service each, 4 and 5 are their backups.
fn roster() -> Roster {
    let nodes = (1..=5).map(|id| (NodeId(id), Role::Member)).collect();
    let services = [(1, [4, 5]), (2, [4, 5]), (3, [5, 4])].map(|(home, backups)| {
        (service_of(home), RosterService { home: NodeId(home), backups: backups.map(NodeId).to_vec() })
    });
    Roster { nodes, services: services.into() }
}

fn service_of(home: u16) -> ServiceId {
    ServiceId(u32::from(home) * 100)
}

fn word(counter: u32, owner: u16) -> OwnerWord {
    Epoch::claim(counter, NodeId(owner)).owned_by(NodeId(owner))
}

/// A record that says this.
fn record(node: u16, state: NodeState) -> (NodeId, Arc<NodeRecord>) {
    let version = Version { incarnation: 1, sequence: 1 };
    (NodeId(node), Arc::new(NodeRecord { node: NodeId(node), version, state }))
}

fn holding(holdings: &[(ServiceId, OwnerWord)]) -> NodeState {
    NodeState { capacity: 1, holdings: holdings.to_vec(), ..NodeState::default() }
}

/// Everybody is well and the homes hold their services.
fn records() -> Records {
    let home = |id| record(id, holding(&[(service_of(id), word(1, id))]));
    let passive = |id| record(id, holding(&[]));
    [home(1), home(2), home(3), passive(4), passive(5)].into()
}

fn state(records: &mut Records, node: u16) -> &mut NodeState {
    &mut Arc::make_mut(records.get_mut(&NodeId(node)).unwrap()).state
}

fn reasons(assessment: &Assessment, node: u16) -> Vec<&'static str> {
    assessment.nodes[&NodeId(node)].reasons.iter().map(UnavailableReason::name).collect()
}

/// "node A|N, .." for a node's service, or for a passive node's own list.
fn column(assessment: &Assessment, node: u16) -> String {
    let lists = lists(&assessment.inputs);
    let backups = match lists.node(NodeId(node)) {
        Some(list) => &list.backups,
        None => &lists.service(service_of(node)).unwrap().backups,
    };
    let state = |available: bool| if available { 'A' } else { 'N' };
    let place =
        |at: &afc_engine::priority::Backup| format!("{}{}", at.node.0, state(at.reasons.is_available()));
    backups.iter().map(place).collect::<Vec<_>>().join(" ")
}

#[test]
fn records_tell_the_story_of_figures_5_to_9() {
    let columns = |assessment: &Assessment| [1, 2, 3, 4, 5].map(|node| column(assessment, node));
    let mut records = records();
    let figure_5 = assess(&roster(), &records);
    assert_eq!(columns(&figure_5), ["4A 5A", "4A 5A", "5A 4A", "5A", "4A"]);
    assert_eq!(reasons(&figure_5, 1), ["serving"], "it serves and is nobody's backup");
    assert_eq!(reasons(&figure_5, 4), [""; 0]);

    let short = state(&mut records, 4);
    (short.reasons, short.reason_ages_ms) = (Reasons::NONE.with(UnavailableReason::Memory), vec![2_500]);
    let figure_8 = assess(&roster(), &records);
    assert_eq!(columns(&figure_8), ["5A 4N", "5A 4N", "5A 4N", "5A", "4N"]);
    assert_eq!(figure_8.nodes[&NodeId(4)].ages_ms, [(UnavailableReason::Memory, 2_500)].into());

    state(&mut records, 5).holdings.push((service_of(1), word(2, 5)));
    for watcher in [2, 3, 5] {
        state(&mut records, watcher).watches.push((NodeId(1), Watch::Suspected));
    }
    let figure_9 = assess(&roster(), &records);
    assert_eq!(columns(&figure_9), ["4N 5N", "4N 5N", "5N 4N", "5N", "4N"]);
    assert_eq!(figure_9.owners[&service_of(1)], word(2, 5));
    assert_eq!(reasons(&figure_9, 1), ["dead"]);
    assert_eq!(reasons(&figure_9, 5), ["serving"]);
}

#[test]
fn the_greatest_word_owns_and_a_dead_owner_s_word_stands_until_a_greater_one_comes() {
    let mut records = records();
    for watcher in [2, 3] {
        state(&mut records, watcher).watches.push((NodeId(1), Watch::Suspected));
    }
    assert_eq!(assess(&roster(), &records).owners[&service_of(1)], word(1, 1));
    state(&mut records, 4).holdings.push((service_of(1), word(2, 4)));
    state(&mut records, 5).holdings.push((service_of(1), word(3, 5)));
    let assessment = assess(&roster(), &records);
    assert_eq!(assessment.owners[&service_of(1)], word(3, 5));
    assert!(assessment.nodes[&NodeId(4)].owned.is_empty());
}

#[test]
fn a_word_for_another_node_an_unknown_service_or_one_that_it_may_not_hold_counts_nothing() {
    let mut records = records();
    let before = assess(&roster(), &records);
    let lies = [(service_of(2), word(9, 1)), (ServiceId(7), word(9, 4)), (service_of(1), word(9, 2))];
    state(&mut records, 4).holdings.push(lies[0]);
    state(&mut records, 4).holdings.push(lies[1]);
    state(&mut records, 2).holdings.push(lies[2]);
    assert_eq!(assess(&roster(), &records), before);
}

#[test]
fn a_backup_with_room_for_more_stays_available_while_it_serves() {
    let mut records = records();
    let spacious = state(&mut records, 5);
    spacious.capacity = 2;
    spacious.holdings.push((service_of(1), word(2, 5)));
    let assessment = assess(&roster(), &records);
    assert_eq!((reasons(&assessment, 5), assessment.nodes[&NodeId(5)].room), (vec![], 1));
    assert_eq!(column(&assessment, 1), "4A 5N", "an owner is no backup of what it owns");
    assert_eq!(column(&assessment, 2), "4A 5A");
}

#[test]
fn a_node_does_not_call_itself_serving_or_dead() {
    let mut records = records();
    let liar = state(&mut records, 4);
    liar.reasons = UnavailableReason::ALL.into_iter().collect();
    liar.reason_ages_ms = (0..8).collect();
    let assessment = assess(&roster(), &records);
    assert_eq!(reasons(&assessment, 4), ["memory", "cpu", "iops", "load", "drained", "unhealthy"]);
    assert_eq!(
        assessment.nodes[&NodeId(4)].ages_ms.values().copied().collect::<Vec<_>>(),
        [0, 1, 2, 3, 5, 6]
    );
}

#[test]
fn a_home_stands_ready_unless_it_is_dead_drained_or_unhealthy() {
    let ready = |reason: UnavailableReason| {
        let mut records = records();
        state(&mut records, 1).reasons = Reasons::NONE.with(reason);
        assess(&roster(), &records).inputs.services[0].home_stands_ready
    };
    assert!(ready(UnavailableReason::Memory), "thresholds only say whether it is a backup for others");
    assert!(!ready(UnavailableReason::Drained) && !ready(UnavailableReason::Unhealthy));
    let mut records = records();
    records.remove(&NodeId(1));
    assert!(!assess(&roster(), &records).inputs.services[0].home_stands_ready);
}

#[test]
fn only_members_are_inputs_and_strangers_count_nothing() {
    let mut roster = roster();
    roster.nodes.insert(NodeId(6), Role::Witness);
    let mut records = records();
    let before = assess(&roster, &records).inputs;
    assert_eq!(before.nodes.len(), 5);
    for stranger in [7, 8] {
        let watches = vec![(NodeId(4), Watch::Suspected)];
        records.extend([record(stranger, NodeState { watches, ..NodeState::default() })]);
    }
    let reasons = Reasons::NONE.with(UnavailableReason::Drained);
    let (_, disguised) = record(4, NodeState { reasons, ..NodeState::default() });
    records.insert(NodeId(9), disguised);
    assert_eq!(assess(&roster, &records).inputs, before);
}
