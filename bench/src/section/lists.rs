//! How long the lists of a whole cluster take to compute, against its size. Each agent does that whenever a node's state
//! changes; nothing on the failover path waits for it.

use std::{hint::black_box, time::Instant};

use afc_ebpf::identity::{NodeId, ServiceId};
use afc_engine::{
    availability::Reasons,
    priority::{self, Headroom, Inputs, NodeInput, ServiceInput},
};
use afc_lab::clock::now_ns;
use anyhow::Result;
use fastrand::Rng;

use crate::{
    row::{Row, Subject},
    run::Run,
    statistics::millis,
};

/// Nodes of the clusters, and as many services.
const SIZES: [u16; 5] = [5, 10, 100, 300, 1000];
/// Backups of each service; of fewer nodes, all.
const BACKUPS: u16 = 6;
/// Computations of each size.
const ROUNDS: usize = 50;

/// One row a size.
///
/// # Errors
/// Never.
pub(crate) fn measure(run: &mut Run) -> Result<Vec<Row>> {
    let row = |nodes| {
        let inputs = inputs(nodes, &mut Rng::with_seed(1));
        let began_ns = now_ns();
        // The first warms the caches.
        let took: Vec<f64> = (0..=ROUNDS).map(|_| compute(&inputs)).skip(1).collect();
        let subject = Subject::new("lists", &format!("{nodes} nodes and services"), "afc", "ms");
        Row::new(subject, took, &run.circumstances_since(began_ns))
    };
    Ok(SIZES.into_iter().map(row).collect())
}

fn compute(inputs: &Inputs) -> f64 {
    let started = Instant::now();
    black_box(priority::lists(black_box(inputs)));
    millis(started.elapsed())
}

/// As many services as nodes, at home elsewhere, each with random backups: every service asks for a primary of its own.
fn inputs(nodes: u16, rng: &mut Rng) -> Inputs {
    let node = |index: u16| NodeInput {
        id: NodeId(index + 1),
        reasons: Reasons::NONE,
        headroom: Headroom::Ample,
        room: 1,
    };
    let mut service = |index: u16| {
        let home = NodeId(nodes + 1 + index);
        ServiceInput {
            id: ServiceId(u32::from(index) + 1),
            home,
            home_stands_ready: true,
            backups: distinct(rng, nodes).into_iter().map(|backup| NodeId(backup + 1)).collect(),
            owner: home,
        }
    };
    Inputs { services: (0..nodes).map(&mut service).collect(), nodes: (0..nodes).map(node).collect() }
}

fn distinct(rng: &mut Rng, below: u16) -> Vec<u16> {
    let mut chosen = Vec::new();
    while chosen.len() < usize::from(BACKUPS.min(below)) {
        let node = rng.u16(0..below);
        if !chosen.contains(&node) {
            chosen.push(node);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_of_the_inputs_gets_a_list_with_a_primary() {
        let inputs = inputs(10, &mut Rng::with_seed(1));
        let lists = priority::lists(&inputs);
        assert_eq!(lists.services.len(), 10);
        assert!(lists.services.iter().all(|list| list.backups.len() == 6 && list.primary().is_some()));
    }
}
