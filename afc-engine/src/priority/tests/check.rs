//! What must hold of any lists, said without a word of how they are computed.

use std::collections::{BTreeMap, BTreeSet};

use afc_ebpf::identity::{NodeId, ServiceId};

use super::{super::*, random::Changed};
use crate::availability::UnavailableReason;

/// A breach, in words.
pub(crate) type Verdict = Result<(), String>;

/// Everything that must hold of one set of lists.
pub(crate) fn all(inputs: &Inputs, lists: &Lists) -> Verdict {
    complete(inputs, lists)?;
    available_first(lists)?;
    no_needless_sharing(inputs, lists)
}

/// Every service has a list, which names each of its backups once, with the state that it has for this service.
pub(super) fn complete(inputs: &Inputs, lists: &Lists) -> Verdict {
    let listed: BTreeSet<ServiceId> = lists.services.iter().map(|list| list.service).collect();
    if listed.len() != inputs.services.len() || listed.len() != lists.services.len() {
        return Err("not one list a service".to_owned());
    }
    for service in &inputs.services {
        let list = lists.service(service.id).ok_or("no list")?;
        let mut backups: Vec<&Backup> = list.backups.iter().collect();
        backups.sort_by_key(|backup| backup.preference);
        if backups.iter().map(|backup| backup.node).ne(service.backups.iter().copied()) {
            return Err(format!("{:?} lists others than its backups", service.id));
        }
        if !list.backups.iter().all(|backup| backup.reasons == reasons(inputs, service, backup.node)) {
            return Err(format!("{:?} shows wrong reasons", service.id));
        }
    }
    Ok(())
}

/// No backup that is not available stands before one that is.
pub(super) fn available_first(lists: &Lists) -> Verdict {
    let of_services = lists.services.iter().map(|list| &list.backups);
    let of_nodes = lists.nodes.iter().map(|list| &list.backups);
    for backups in of_services.chain(of_nodes) {
        if !backups.iter().is_sorted_by_key(|backup| !backup.reasons.is_available()) {
            return Err(format!("one that is not available comes first: {backups:?}"));
        }
    }
    Ok(())
}

/// No two services share a primary while an available backup of one of them is nobody's primary.
pub(super) fn no_needless_sharing(inputs: &Inputs, lists: &Lists) -> Verdict {
    let mut services_of: BTreeMap<NodeId, Vec<&ServiceInput>> = BTreeMap::new();
    for service in inputs.services.iter().filter(|service| is_demand(service)) {
        if let Some(primary) = lists.service(service.id).and_then(ServiceList::primary) {
            services_of.entry(primary.node).or_default().push(service);
        }
    }
    for (primary, services) in services_of.iter().filter(|(_, services)| services.len() > 1) {
        for service in services {
            let is_free = |backup: &&NodeId| {
                reasons(inputs, service, **backup).is_available() && !services_of.contains_key(backup)
            };
            if let Some(free) = service.backups.iter().find(is_free) {
                return Err(format!("{primary:?} is shared, {free:?} is free for {:?}", service.id));
            }
        }
    }
    Ok(())
}

/// Lists of which no backup is connected with what changed are equal before and after.
pub(super) fn unrelated_unmoved(
    changed: Changed,
    before: (&Inputs, &Lists),
    after: (&Inputs, &Lists),
) -> Verdict {
    let mut touched: BTreeSet<NodeId> = BTreeSet::new();
    match changed {
        Changed::Node(node) => {
            touched.insert(node);
        }
        Changed::Service(id) => {
            let services =
                before.0.services.iter().chain(&after.0.services).filter(|service| service.id == id);
            touched.extend(services.flat_map(|service| service.backups.iter().copied()));
        }
    }
    // Whatever demand has an available backup in common with what is touched is touched itself, before or after.
    let mut grown = true;
    while grown {
        let known = touched.len();
        for (inputs, _) in [before, after] {
            for service in inputs.services.iter().filter(|service| is_demand(service)) {
                let mut available = service.backups.clone();
                available.retain(|&backup| reasons(inputs, service, backup).is_available());
                if available.iter().any(|backup| touched.contains(backup)) {
                    touched.extend(available);
                }
            }
        }
        grown = touched.len() > known;
    }
    for list in &before.1.services {
        let is_related = list.backups.iter().any(|backup| touched.contains(&backup.node));
        let is_itself = matches!(changed, Changed::Service(id) if id == list.service);
        if !is_related && !is_itself && after.1.service(list.service) != Some(list) {
            return Err(format!("{:?} has nothing to do with {changed:?} and moved", list.service));
        }
    }
    for list in &before.1.nodes {
        let is_related = matches!(changed, Changed::Node(id) if list.backups.iter().any(|at| at.node == id));
        if !is_related && after.1.node(list.node) != Some(list) {
            return Err(format!("{:?}'s list has nothing to do with {changed:?} and moved", list.node));
        }
    }
    Ok(())
}

/// A node's reasons for a service.
pub(super) fn reasons(inputs: &Inputs, service: &ServiceInput, node: NodeId) -> Reasons {
    let state =
        inputs.nodes.iter().find(|input| input.id == node).map_or(Reasons::NONE, |input| input.reasons);
    if service.owner == node { state.with(UnavailableReason::Serving) } else { state }
}

/// Whether a service counts in the assignment.
pub(super) fn is_demand(service: &ServiceInput) -> bool {
    !service.home_stands_ready || !service.owner.is_some() || service.owner == service.home
}
