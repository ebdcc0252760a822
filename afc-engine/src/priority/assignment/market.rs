//! One component's assignment: services come in one by one, each along the cheapest path that moves others on.
//!
//! The successive shortest paths of Jewell, Iri, Busacker and Gowen with the potentials of Edmonds and Karp, here called
//! prices; the shortest path is the library's. After each service the assignment of all that came is a cheapest one.

use std::collections::BTreeMap;

use afc_ebpf::{identity::NodeId, layout::MAX_SERVICES};
use pathfinding::{directed::dijkstra::dijkstra_reach, num_traits::Zero};

use super::Demand;
use crate::priority::{canonical::Canonical, cost::Cost};

/// One component. Services and nodes go by their index here.
pub(super) struct Market {
    nodes: Vec<Node>,
    /// Each service's backups and what each costs it.
    offers: Vec<Vec<Offer>>,
    /// The services that each node is the primary of so far, in no order.
    services_of: Vec<Vec<usize>>,
    /// The cheapest way for each node to give up a service to each other that would have it.
    moves_from: Vec<Vec<Move>>,
    /// Where among the moves under review the one to each node is; anything where there is none.
    place_of: Vec<usize>,
}

struct Node {
    id: NodeId,
    room: usize,
    /// What a further service costs at least, in others' places and in sharing. Never falls.
    price: Cost,
}

#[derive(Clone, Copy)]
struct Offer {
    node: usize,
    cost: Cost,
}

#[derive(Clone, Copy)]
struct Move {
    service: usize,
    to: usize,
    cost: Cost,
}

/// A vertex of the graph that a cheapest path is sought in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Vertex {
    /// The service that comes in.
    Service(u32),
    /// A node: it takes one service and may give up another.
    Node(u32),
    /// Nobody has to give up anything more.
    Settled,
}

impl Market {
    /// Each node, and the services (by their index in the component) that it is the primary of.
    pub(super) fn settled(inputs: &Canonical, component: &[&Demand]) -> Vec<(NodeId, Vec<usize>)> {
        let mut market = Self::new(inputs, component);
        for service in 0..component.len() {
            market.admit(service);
        }
        market.nodes.into_iter().map(|node| node.id).zip(market.services_of).collect()
    }

    fn new(inputs: &Canonical, component: &[&Demand]) -> Self {
        let mut index: BTreeMap<NodeId, usize> =
            component.iter().flat_map(|demand| demand.backups.iter().map(|&(node, _)| (node, 0))).collect();
        index.values_mut().enumerate().for_each(|(number, at)| *at = number);
        let node = |&id: &NodeId| {
            // An available node has room for one, whatever it says: a free backup is better than a shared one.
            let room = (inputs.node(id).room as usize).max(1);
            Node { id, room, price: Cost::zero() }
        };
        let offers = component.iter().enumerate().map(|(service, demand)| {
            let weight = (component.len() - service).min(MAX_SERVICES as usize) as i32;
            let offer = |(place, &(node, preference)): (usize, &(NodeId, usize))| Offer {
                node: index[&node],
                cost: Cost {
                    places: place as i32,
                    preferences: preference as i32,
                    yielding: place as i32 * weight,
                    ..Cost::zero()
                },
            };
            demand.backups.iter().enumerate().map(offer).collect()
        });
        Self {
            nodes: index.keys().map(node).collect(),
            offers: offers.collect(),
            services_of: vec![Vec::new(); index.len()],
            moves_from: vec![Vec::new(); index.len()],
            place_of: vec![0; index.len()],
        }
    }

    /// Gives one more service a primary, at the least cost in moving others on.
    fn admit(&mut self, service: usize) {
        let start = Vertex::Service(service as u32);
        // Nearest first; what lies beyond the end of the path is not looked at.
        let mut nearest = Vec::new();
        for reached in dijkstra_reach(&start, |vertex| self.ways_on(*vertex)) {
            let is_end = reached.node == Vertex::Settled;
            nearest.push(reached);
            if is_end {
                break;
            }
        }
        let Some(length) = nearest.last().map(|end| end.total_cost) else { return };
        let mut path = Vec::new();
        let mut before = Some(Vertex::Settled);
        for reached in nearest.iter().rev() {
            if Some(reached.node) == before {
                path.push(reached.node);
                before = reached.parent;
            }
        }
        path.reverse();
        self.move_on(service, &path);
        for reached in nearest {
            if let Vertex::Node(node) = reached.node {
                let price = &mut self.nodes[node as usize].price;
                *price = *price + (length - reached.total_cost);
            }
        }
    }

    /// Where a path can go from here, at prices: no way costs less than nothing, as Dijkstra's algorithm wants it.
    fn ways_on(&self, vertex: Vertex) -> Vec<(Vertex, Cost)> {
        let arriving = |node: usize, cost: Cost| (Vertex::Node(node as u32), cost + self.nodes[node].price);
        match vertex {
            Vertex::Service(service) => {
                self.offers[service as usize].iter().map(|offer| arriving(offer.node, offer.cost)).collect()
            }
            Vertex::Node(node) => {
                let node = node as usize;
                let price = self.nodes[node].price;
                let moves = self.moves_from[node].iter();
                let settling = self.cost_of_one_more(node) - price;
                // A move that costs no less than to settle here leads to no cheaper end.
                let worth_it =
                    moves.map(|to| arriving(to.to, to.cost - price)).filter(|(_, cost)| *cost < settling);
                worth_it.chain([(Vertex::Settled, settling)]).collect()
            }
            Vertex::Settled => Vec::new(),
        }
    }

    /// What one more service on a node adds: convex, so that the services spread.
    fn cost_of_one_more(&self, node: usize) -> Cost {
        let load = self.services_of[node].len() + 1;
        Cost { excess: i32::from(load > self.nodes[node].room), sharing: load as i32, ..Cost::zero() }
    }

    /// Carries out a path: each node but the last gives one service up.
    fn move_on(&mut self, newcomer: usize, path: &[Vertex]) {
        let node = |vertex: &Vertex| match vertex {
            Vertex::Node(node) => Some(*node as usize),
            Vertex::Service(_) | Vertex::Settled => None,
        };
        let nodes: Vec<usize> = path.iter().filter_map(node).collect();
        let mut incoming = newcomer;
        for (at, &node) in nodes.iter().enumerate() {
            let next = nodes.get(at + 1);
            let outgoing = self.moves_from[node].iter().find(|to| Some(&to.to) == next).map(|to| to.service);
            self.services_of[node].retain(|&service| Some(service) != outgoing);
            self.services_of[node].push(incoming);
            self.review_moves(node);
            incoming = outgoing.unwrap_or(incoming);
        }
    }

    /// Seeks the cheapest ways for a node to give up a service anew.
    fn review_moves(&mut self, from: usize) {
        let Self { offers, services_of, moves_from, place_of, .. } = self;
        let moves = &mut moves_from[from];
        moves.clear();
        for &service in &services_of[from] {
            let offers = &offers[service];
            let here =
                offers.iter().find(|offer| offer.node == from).map_or_else(Cost::zero, |offer| offer.cost);
            for offer in offers.iter().filter(|offer| offer.node != from) {
                let other = Move { service, to: offer.node, cost: offer.cost - here };
                match moves.get_mut(place_of[offer.node]).filter(|cheapest| cheapest.to == offer.node) {
                    Some(cheapest) if (cheapest.cost, cheapest.service) <= (other.cost, service) => {}
                    Some(cheapest) => *cheapest = other,
                    None => {
                        place_of[offer.node] = moves.len();
                        moves.push(other);
                    }
                }
            }
        }
    }
}
