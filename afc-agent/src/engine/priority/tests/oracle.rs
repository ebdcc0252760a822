//! Primaries cost as little as any: compared with every assignment there is, and with the library's Hungarian algorithm.

use std::collections::BTreeMap;

use afc_ebpf::identity::NodeId;
use pathfinding::{kuhn_munkres::kuhn_munkres_min, matrix::Matrix};

use super::{
    super::*,
    check::{is_demand, reasons},
    properties::for_each_cluster,
};

/// Excess, sharing, places, preferences.
type Sums = [i64; 4];

/// A service's available backups in its own order, with their preferences.
fn order(inputs: &Inputs, service: &ServiceInput) -> Vec<(NodeId, usize)> {
    let headroom = |id| inputs.nodes.iter().find(|node| node.id == id).unwrap().headroom;
    let mut order: Vec<_> =
        service.backups.iter().enumerate().map(|(preference, &node)| (node, preference)).collect();
    order.retain(|&(node, _)| reasons(inputs, service, node).is_available());
    order.sort_by_key(|&(node, preference)| (headroom(node), preference));
    order
}

fn demands(inputs: &Inputs) -> Vec<(ServiceId, Vec<(NodeId, usize)>)> {
    let demands = inputs.services.iter().filter(|service| is_demand(service));
    demands
        .map(|service| (service.id, order(inputs, service)))
        .filter(|(_, order)| !order.is_empty())
        .collect()
}

fn room(inputs: &Inputs, id: NodeId) -> i64 {
    inputs.nodes.iter().find(|node| node.id == id).map_or(0, |node| i64::from(node.room).max(1))
}

/// What an assignment costs: to each demand a place in its order.
fn sums(inputs: &Inputs, chosen: &[(&Vec<(NodeId, usize)>, usize)]) -> Sums {
    let mut loads: BTreeMap<NodeId, i64> = BTreeMap::new();
    let mut sums = [0; 4];
    for &(order, place) in chosen {
        let (node, preference) = order[place];
        let load = loads.entry(node).or_default();
        *load += 1;
        sums[0] += i64::from(*load > room(inputs, node));
        sums[1] += *load;
        sums[2] += place as i64;
        sums[3] += preference as i64;
    }
    sums
}

fn sums_of_lists(inputs: &Inputs, demands: &[(ServiceId, Vec<(NodeId, usize)>)]) -> Sums {
    let lists = lists(inputs);
    let place = |(id, order): &(ServiceId, Vec<(NodeId, usize)>)| {
        let primary = lists.service(*id).and_then(ServiceList::primary).unwrap().node;
        order.iter().position(|&(node, _)| node == primary).unwrap()
    };
    let chosen: Vec<_> = demands.iter().map(|demand| (&demand.1, place(demand))).collect();
    sums(inputs, &chosen)
}

#[test]
fn of_all_assignments_of_a_small_cluster_none_costs_less() {
    for_each_cluster(30_000, |_, mut inputs| {
        inputs.services.truncate(4);
        inputs.services.iter_mut().for_each(|service| service.backups.truncate(4));
        let demands = demands(&inputs);
        let mut places = vec![0; demands.len()];
        let mut least: Option<Sums> = None;
        loop {
            let chosen: Vec<_> =
                demands.iter().zip(&places).map(|((_, order), &place)| (order, place)).collect();
            let sums = sums(&inputs, &chosen);
            least = Some(least.map_or(sums, |least| least.min(sums)));
            // The next of all combinations, as an odometer counts.
            let Some(at) = (0..places.len()).find(|&at| places[at] + 1 < demands[at].1.len()) else { break };
            places[..at].fill(0);
            places[at] += 1;
        }
        assert_eq!(Some(sums_of_lists(&inputs, &demands)), least, "{inputs:?}");
    });
}

#[test]
fn the_hungarian_algorithm_finds_nothing_cheaper_in_larger_clusters() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let inputs = super::random::inputs(&mut rng, 60);
        let demands = demands(&inputs);
        if demands.is_empty() {
            continue;
        }
        // A column for each service that a node might take, as dear as that makes it.
        let nodes: Vec<NodeId> = inputs.nodes.iter().map(|node| node.id).collect();
        let copies = demands.len();
        let mut costs = Matrix::new(demands.len(), nodes.len() * copies, i128::from(u64::MAX) << 40);
        for (row, (_, order)) in demands.iter().enumerate() {
            for (place, &(node, preference)) in order.iter().enumerate() {
                let at = nodes.iter().position(|&id| id == node).unwrap();
                for copy in 0..copies {
                    let load = copy as i64 + 1;
                    let excess = i64::from(load > room(&inputs, node));
                    costs[(row, at * copies + copy)] =
                        packed([excess, load, place as i64, preference as i64]);
                }
            }
        }
        let (least, _) = kuhn_munkres_min(&costs);
        assert_eq!(packed(sums_of_lists(&inputs, &demands)), least, "seed {seed}");
    }
}

/// Sums as one number, with 20 bits for each.
fn packed(sums: Sums) -> i128 {
    sums.into_iter().fold(0, |packed, sum| (packed << 20) + i128::from(sum))
}
