//! Clusters of controllers on one virtual clock, over a network that loses, delays and cuts; and tasks on real sockets.

mod commands;
mod growth;
mod healing;
mod lists;
mod loss;
mod names;
mod sockets;
mod strangers;
mod world;

use std::collections::BTreeMap;

use afc_ebpf::identity::NodeId;

use super::{record::NodeState, wire::Session};
use crate::key::ClusterKeys;
use world::{Spec, World};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

const OLD_KEY: &str = "1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW_KEY: &str = "2:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn keys(lines: &[&str]) -> ClusterKeys {
    ClusterKeys::parse(&lines.join("\n")).unwrap()
}

/// A state that is told from others by its number.
fn state(number: u32) -> NodeState {
    NodeState { capacity: number, ..NodeState::default() }
}

/// `count` nodes that have all found each other, each in state 0.
fn settled(count: u16, seed: u64) -> World {
    let mut world = World::new(count, seed);
    let took = world.run_until(10 * SECOND, World::agrees);
    assert!(took.is_some(), "seed {seed}: not settled");
    world.run_for(SECOND / 10);
    world
}
