//! What a cluster costs as it grows: traffic a node, and how soon a failure is over. `AFC_NODES=1000` adds that size, which
//! takes a minute.

use std::{env, time::Instant};

use afc_ebpf::wire::Kind;

use super::{
    shape::{INTERVAL, LEASE, MS, Shape},
    world::World,
};
use crate::Role;

/// Nodes of the clusters that are compared.
const SIZES: [u16; 5] = [5, 10, 50, 100, 300];
/// Clusters up to this many nodes keep lists too: beyond, making them a thousand times over takes too long.
const LISTED_MAX: u16 = 100;
/// Bytes of a heartbeat on the wire: message and tag, UDP, IPv4, Ethernet.
const WIRE_BYTES: f64 = 136.0 + 8.0 + 20.0 + 14.0;
/// For how long messages are counted.
const WINDOW_NS: u64 = 40 * INTERVAL;

/// What was measured of one size.
struct Row {
    nodes: u16,
    heartbeats: f64,
    announces: f64,
    to_service_ms: f64,
    to_lists_ms: Option<f64>,
    seconds: f64,
}

/// Half of the nodes are homes of a service each, the others back two up each.
fn shape(nodes: u16) -> Shape {
    let homes = nodes / 2;
    let passive = nodes - homes;
    let backup = |home: u16, further: u16| homes + 1 + (home + further) % passive;
    Shape {
        roles: vec![Role::Member; usize::from(nodes)],
        services: (1..=homes).map(|home| vec![home, backup(home, 0), backup(home, 1)]).collect(),
        keeps_lists: nodes <= LISTED_MAX,
        ..Shape::five()
    }
}

fn measure(nodes: u16) -> Row {
    let started = Instant::now();
    let mut world = World::new(&shape(nodes), 1);
    world.start_all();
    // The quarantine, the claims and the announcements of new owners are over.
    world.run_for(3 * LEASE);
    let heartbeats = |world: &World| world.sent(Kind::Probe) + world.sent(Kind::Reply);
    let before = (heartbeats(&world), world.sent(Kind::Announce));
    world.run_for(WINDOW_NS);
    let a_second = |count: u64| count as f64 / f64::from(nodes) / (WINDOW_NS as f64 / 1e9);
    let after = (heartbeats(&world), world.sent(Kind::Announce));
    let failed_ns = world.now_ns;
    world.power_off(1);
    let taken_ns = world.run_until(20 * LEASE, |world| world.server(0).is_some()).expect("taken over");
    let agree = |world: &World| {
        let lists = |node: u16| world.machine(node).keeper.made.as_ref().map(|(_, lists)| lists);
        lists(2).is_some_and(|made| made.services[0].owner.0 == world.server(0).unwrap_or(0))
            && (2..=nodes).all(|node| lists(node) == lists(2))
    };
    let listed = nodes <= LISTED_MAX;
    if listed {
        world.run_until(20 * LEASE, agree).expect("agreed lists");
    }
    assert_eq!(world.broken, None, "{nodes} nodes");
    assert!(world.servers().iter().all(Option::is_some), "{nodes} nodes");
    Row {
        nodes,
        heartbeats: a_second(after.0 - before.0),
        announces: a_second(after.1 - before.1),
        to_service_ms: taken_ns as f64 / MS as f64,
        to_lists_ms: listed.then(|| (world.now_ns - failed_ns) as f64 / MS as f64),
        seconds: started.elapsed().as_secs_f64(),
    }
}

#[test]
fn traffic_a_node_stays_the_same_as_the_cluster_grows() {
    println!("nodes  heartbeats/s  kB/s  announces/s  to service  to lists   took");
    let further = env::var("AFC_NODES").ok().map(|nodes| nodes.parse().expect("a number of nodes"));
    let rows: Vec<Row> = SIZES.into_iter().chain(further).map(measure).collect();
    for row in &rows {
        let lists = row.to_lists_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
        println!(
            "{:5}  {:12.0}  {:4.0}  {:11.0}  {:7.1} ms  {lists:>8}  {:4.1} s",
            row.nodes,
            row.heartbeats,
            row.heartbeats * WIRE_BYTES / 1000.0,
            row.announces,
            row.to_service_ms,
            row.seconds
        );
    }
    for row in &rows {
        // Seven voters probe each holder at each interval, and each of the backups at a tenth of that; all answer.
        assert!(row.heartbeats < 1700.0, "{} nodes: {} heartbeats a second", row.nodes, row.heartbeats);
        assert!(row.announces < 200.0, "{} nodes: {} announces a second", row.nodes, row.announces);
        assert!(
            row.to_service_ms < 2.0 * LEASE as f64 / MS as f64,
            "{} nodes: {}",
            row.nodes,
            row.to_service_ms
        );
    }
}
