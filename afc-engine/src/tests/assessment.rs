//! What all records together say of every node and service, made into the inputs of the lists: the agent's assessment in
//! short. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use afc_ebpf::identity::{NodeId, OwnerWord, ServiceId};

use super::keeper::Record;
use crate::{
    Role, Setup,
    availability::{Reasons, UnavailableReason},
    priority::{Headroom, Inputs, NodeInput, ServiceInput},
    view::Watch,
};

/// Records by their nodes.
pub(super) type Records = BTreeMap<NodeId, Arc<Record>>;

/// What these records say.
pub(super) fn inputs(setup: &Setup, records: &Records) -> Inputs {
    let owners = owners(setup, records);
    let dead = dead(setup, records);
    let backups: BTreeSet<NodeId> =
        setup.services.iter().flat_map(|service| service.candidates.iter().skip(1).copied()).collect();
    let node = |id: NodeId| {
        let mut reasons = Reasons::NONE;
        let owned = || setup.services.iter().filter(|service| owners[&service.id].owner() == id);
        let away = owned().filter(|service| service.home != id).count() as u32;
        let said = records.get(&id).map(|record| &record.said);
        let room = said.map_or(0, |said| said.capacity.saturating_sub(away));
        let is_full = said.is_some() && room == 0;
        let is_serving = is_full || (owned().count() > 0 && !backups.contains(&id));
        for (is_so, reason) in [
            (said.is_some_and(|said| said.is_short), UnavailableReason::Memory),
            (said.is_some_and(|said| said.is_drained), UnavailableReason::Drained),
            (dead.contains(&id), UnavailableReason::Dead),
            (is_serving, UnavailableReason::Serving),
        ] {
            reasons = if is_so { reasons.with(reason) } else { reasons };
        }
        NodeInput { id, reasons, headroom: Headroom::Ample, room }
    };
    let members = setup.nodes.iter().filter(|(_, role)| *role == Role::Member);
    let nodes: Vec<NodeInput> = members.map(|(id, _)| node(*id)).collect();
    let never = [UnavailableReason::Dead, UnavailableReason::Drained];
    let takes_back = |home| {
        let home = nodes.iter().find(|node| node.id == home);
        home.is_some_and(|home| !never.iter().any(|reason| home.reasons.contains(*reason)))
    };
    let services = setup.services.iter().map(|service| ServiceInput {
        id: service.id,
        home: service.home,
        home_stands_ready: takes_back(service.home),
        backups: service.candidates.iter().copied().filter(|node| *node != service.home).collect(),
        owner: owners[&service.id].owner(),
    });
    Inputs { services: services.collect(), nodes }
}

/// The greatest word that a candidate says it holds.
fn owners(setup: &Setup, records: &Records) -> BTreeMap<ServiceId, OwnerWord> {
    let greatest = |service: ServiceId| {
        let held = records.values().flat_map(|record| &record.said.holdings);
        held.filter(|(held, _)| *held == service).map(|(_, word)| *word).max().unwrap_or(OwnerWord::NONE)
    };
    setup.services.iter().map(|service| (service.id, greatest(service.id))).collect()
}

/// Who has no record, or is suspected by more of its watchers than hear it. The word of a dead watcher does not count, so
/// those with the greatest majority against them fall first.
fn dead(setup: &Setup, records: &Records) -> BTreeSet<NodeId> {
    let nodes = || setup.nodes.iter().map(|(id, _)| *id);
    let mut dead: BTreeSet<NodeId> = nodes().filter(|id| !records.contains_key(id)).collect();
    loop {
        let majority = |id: &NodeId| {
            let watchers = records.iter().filter(|(watcher, _)| *watcher != id && !dead.contains(watcher));
            watchers.filter_map(|(_, record)| record.said.watches.get(id)).fold(0, |majority, watch| {
                match watch {
                    Watch::Suspected => majority + 1,
                    Watch::Alive => majority - 1,
                }
            })
        };
        let against: Vec<(NodeId, i32)> =
            nodes().filter(|id| !dead.contains(id)).map(|id| (id, majority(&id))).collect();
        let greatest = against.iter().map(|(_, majority)| *majority).max().unwrap_or(0);
        if greatest <= 0 {
            return dead;
        }
        dead.extend(against.into_iter().filter(|(_, majority)| *majority == greatest).map(|(id, _)| id));
    }
}
