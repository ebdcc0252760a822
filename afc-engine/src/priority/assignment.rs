//! Who is whose primary: an assignment of services to available backups at the least cost.
//!
//! Services that have no available backup in common, not even by way of third ones, are assigned apart: neither's lists
//! depend on the other's. Each such component is a [`Market`] of its own.

mod market;

use std::collections::BTreeMap;

use afc_ebpf::identity::{NodeId, ServiceId};
use pathfinding::undirected::connected_components::separate_components;

use super::{ServiceInput, canonical::Canonical, order::Standing};
use market::Market;

/// A service that needs a primary.
pub(super) struct Demand {
    service: ServiceId,
    home: NodeId,
    /// Its available backups in its own order, with their preferences.
    backups: Vec<(NodeId, usize)>,
}

/// The primary of each service that makes a demand and has an available backup.
#[derive(Debug, Default)]
pub(super) struct Primaries {
    of: BTreeMap<ServiceId, NodeId>,
    /// The first service of each primary.
    first: BTreeMap<NodeId, ServiceId>,
}

impl Demand {
    /// A service's demand, by the order that it would have alone.
    pub(super) fn new(service: &ServiceInput, order: &[Standing]) -> Self {
        let backups = order.iter().filter(|standing| standing.is_available());
        Self {
            service: service.id,
            home: service.home,
            backups: backups.map(|standing| (standing.node, standing.preference)).collect(),
        }
    }
}

impl Primaries {
    /// The primary of a service.
    pub(super) fn of(&self, service: ServiceId) -> Option<NodeId> {
        self.of.get(&service).copied()
    }

    /// The first of the services that a node is the primary of.
    pub(super) fn first_of(&self, node: NodeId) -> Option<ServiceId> {
        self.first.get(&node).copied()
    }
}

/// The primaries of these services at the least cost.
pub(super) fn assign(inputs: &Canonical, demands: &[Demand]) -> Primaries {
    let mut primaries = Primaries::default();
    for mut component in components(demands) {
        // "Of two that cannot both have it": by home, which an operator can tell, then by service.
        component.sort_unstable_by_key(|demand| (demand.home, demand.service));
        for (node, services) in Market::settled(inputs, &component) {
            for &service in &services {
                primaries.of.insert(component[service].service, node);
            }
            if let Some(&first) = services.iter().min() {
                primaries.first.insert(node, component[first].service);
            }
        }
    }
    primaries
}

/// Services apart that share no available backup, not even by way of third ones; those without any are left out.
fn components(demands: &[Demand]) -> Vec<Vec<&Demand>> {
    let groups: Vec<Vec<NodeId>> =
        demands.iter().map(|demand| demand.backups.iter().map(|&(node, _)| node).collect()).collect();
    let (_, component_of) = separate_components(&groups);
    let mut components: BTreeMap<usize, Vec<&Demand>> = BTreeMap::new();
    for (demand, component) in
        demands.iter().zip(component_of).filter(|(demand, _)| !demand.backups.is_empty())
    {
        components.entry(component).or_default().push(demand);
    }
    components.into_values().collect()
}
