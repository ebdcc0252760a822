//! How long lists of 1 000 nodes and 1 000 services take. The figure to hold is 50 ms; what fails is ten times that, so
//! that a loaded machine fails nothing.

use std::time::{Duration, Instant};

use afc_ebpf::identity::{NodeId, ServiceId};
use fastrand::Rng;

use super::super::*;

const LIMIT: Duration = Duration::from_millis(50);
const NODES: u16 = 1000;

type Shape = (&'static str, fn(u16, &mut Rng) -> Vec<u16>);

/// The backups of the i-th service.
const SHAPES: [Shape; 9] = [
    ("random, 6 of 1000", |_, rng| distinct(rng, 0, NODES, 6)),
    ("random, 6 of 500", |_, rng| distinct(rng, 0, NODES / 2, 6)),
    ("random, 6 of 100", |_, rng| distinct(rng, 0, NODES / 10, 6)),
    ("random, 2 of 1000", |_, rng| distinct(rng, 0, NODES, 2)),
    ("the same 6", |_, _| (0..6).collect()),
    ("the same 3, then random", |_, rng| {
        let mut backups = vec![0, 1, 2];
        backups.extend(distinct(rng, 3, NODES, 3));
        backups
    }),
    ("a chain, 6 a link", |at, _| (at..at + 6).map(|node| node % NODES).collect()),
    ("a chain pushed from its end", |at, _| {
        let at = NODES - 1 - at;
        if at == 0 { vec![0] } else { vec![at - 1, at] }
    }),
    ("a chain pushed from its start", |at, _| if at == NODES - 1 { vec![0] } else { vec![at, at + 1] }),
];

fn distinct(rng: &mut Rng, from: u16, to: u16, count: usize) -> Vec<u16> {
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let node = rng.u16(from..to);
        if !chosen.contains(&node) {
            chosen.push(node);
        }
    }
    chosen
}

fn inputs((_, backups): Shape, rng: &mut Rng) -> Inputs {
    let id = |index: u16| NodeId(index + 1);
    let node =
        |index| NodeInput { id: id(index), reasons: Reasons::NONE, headroom: Headroom::Ample, room: 1 };
    let service = |index: u16| ServiceInput {
        id: ServiceId(u32::from(index) + 1),
        home: NodeId(2000 + index),
        home_stands_ready: true,
        backups: backups(index, rng).into_iter().map(id).collect(),
        owner: NodeId(2000 + index),
    };
    Inputs { services: (0..1000).map(service).collect(), nodes: (0..NODES).map(node).collect() }
}

#[test]
fn lists_of_a_thousand_nodes_and_services_take_milliseconds() {
    let mut rng = Rng::with_seed(1);
    for shape in SHAPES {
        let inputs = inputs(shape, &mut rng);
        let took = (0..5).map(|_| {
            let start = Instant::now();
            std::hint::black_box(lists(&inputs));
            start.elapsed()
        });
        let took = took.min().unwrap();
        println!("{:32} {:6.1} ms", shape.0, took.as_secs_f64() * 1e3);
        assert!(took < 10 * LIMIT, "{}: {took:?}", shape.0);
    }
}
