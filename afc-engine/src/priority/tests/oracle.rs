//! Primaries cost as little as any: compared with every assignment there is, and with the library's Hungarian algorithm.

use std::collections::BTreeMap;

use afc_ebpf::identity::NodeId;
use pathfinding::{kuhn_munkres::kuhn_munkres_min, matrix::Matrix};

use super::{
    super::*,
    check::{is_demand, reasons},
    properties::for_each_cluster,
};

/// Excess, sharing, places, preferences, yielding.
type Sums = [i64; 5];

/// A service that needs a primary.
struct Demand {
    service: ServiceId,
    home: NodeId,
    order: Order,
    /// What a place costs it in yielding: the more, the more services of its component have a higher home.
    weight: i64,
}

/// Available backups in the order of one service, with their preferences.
type Order = Vec<(NodeId, usize)>;

fn order(inputs: &Inputs, service: &ServiceInput) -> Order {
    let headroom = |id| inputs.nodes.iter().find(|node| node.id == id).unwrap().headroom;
    let mut order: Order =
        service.backups.iter().enumerate().map(|(preference, &node)| (node, preference)).collect();
    order.retain(|&(node, _)| reasons(inputs, service, node).is_available());
    order.sort_by_key(|&(node, preference)| (headroom(node), preference));
    order
}

fn demands(inputs: &Inputs) -> Vec<Demand> {
    let mut demands: Vec<Demand> = inputs
        .services
        .iter()
        .filter(|service| is_demand(service))
        .map(|service| (service, order(inputs, service)))
        .filter(|(_, order)| !order.is_empty())
        .map(|(service, order)| Demand { service: service.id, home: service.home, order, weight: 0 })
        .collect();
    let weights: Vec<i64> = demands.iter().map(|demand| weight(demand, &demands)).collect();
    for (demand, weight) in demands.iter_mut().zip(weights) {
        demand.weight = weight;
    }
    demands
}

/// How many services of one's component come not before it, by home and then by number.
fn weight(of: &Demand, demands: &[Demand]) -> i64 {
    let has = |nodes: &[NodeId], demand: &Demand| demand.order.iter().any(|(node, _)| nodes.contains(node));
    let mut nodes: Vec<NodeId> = of.order.iter().map(|&(node, _)| node).collect();
    for _ in demands {
        let reached: Vec<&Demand> = demands.iter().filter(|demand| has(&nodes, demand)).collect();
        nodes = reached.iter().flat_map(|demand| demand.order.iter().map(|&(node, _)| node)).collect();
        nodes.sort_unstable();
        nodes.dedup();
    }
    let is_after = |demand: &&Demand| (demand.home, demand.service) >= (of.home, of.service);
    demands.iter().filter(|demand| has(&nodes, demand)).filter(is_after).count() as i64
}

fn room(inputs: &Inputs, id: NodeId) -> i64 {
    inputs.nodes.iter().find(|node| node.id == id).map_or(0, |node| i64::from(node.room).max(1))
}

/// What an assignment costs: to each demand a place in its order.
fn sums(inputs: &Inputs, demands: &[Demand], places: &[usize]) -> Sums {
    let mut loads: BTreeMap<NodeId, i64> = BTreeMap::new();
    let mut sums = [0; 5];
    for (demand, &place) in demands.iter().zip(places) {
        let (node, preference) = demand.order[place];
        let load = loads.entry(node).or_default();
        *load += 1;
        sums[0] += i64::from(*load > room(inputs, node));
        sums[1] += *load;
        sums[2] += place as i64;
        sums[3] += preference as i64;
        sums[4] += place as i64 * demand.weight;
    }
    sums
}

fn sums_of_lists(inputs: &Inputs, demands: &[Demand]) -> Sums {
    let lists = lists(inputs);
    let place = |demand: &Demand| {
        let primary = lists.service(demand.service).and_then(ServiceList::primary).unwrap().node;
        demand.order.iter().position(|&(node, _)| node == primary).unwrap()
    };
    let places: Vec<usize> = demands.iter().map(place).collect();
    sums(inputs, demands, &places)
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
            let sums = sums(&inputs, &demands, &places);
            least = Some(least.map_or(sums, |least| least.min(sums)));
            // The next of all combinations, as an odometer counts.
            let Some(at) = (0..places.len()).find(|&at| places[at] + 1 < demands[at].order.len()) else {
                break;
            };
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
        for (row, demand) in demands.iter().enumerate() {
            for (place, &(node, preference)) in demand.order.iter().enumerate() {
                let at = nodes.iter().position(|&id| id == node).unwrap();
                for copy in 0..copies {
                    let load = copy as i64 + 1;
                    let excess = i64::from(load > room(&inputs, node));
                    let place = place as i64;
                    costs[(row, at * copies + copy)] =
                        packed([excess, load, place, preference as i64, place * demand.weight]);
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
