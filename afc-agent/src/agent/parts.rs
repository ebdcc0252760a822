//! The configuration, translated into what each part of the agent is made from. Pure.

use std::net::Ipv4Addr;

use afc_ebpf::{
    identity::{NodeId, ServiceId},
    layout::{Peer, Settings, role},
    lease::MAX_VOTERS,
    siphash::Key,
};
use afc_engine::{ServiceSetup, Setup};

use crate::{
    clock,
    config::{Config, NodeConfig, Role, Safety, ServiceConfig, XdpMode},
    datapath::{self, EgressHook, Options, WantedMode},
    heartbeat::{
        codec::Envelope,
        fast_path::{Contact, Place},
        timing::Takeover,
    },
    key::ClusterKeys,
};

/// How long backups leave a service that was never heard of to its home, ns.
const START_GRACE_NS: u64 = 3_000_000_000;

pub(super) fn options(config: &Config) -> Options {
    Options {
        bpf_dir: config.agent.bpf_dir.clone(),
        cluster: config.cluster.name.clone(),
        node: config.this_node().name.clone(),
        interfaces: config.agent.interfaces.clone(),
        xdp_mode: match config.agent.xdp_mode {
            XdpMode::Auto => WantedMode::Auto,
            XdpMode::Native => WantedMode::Native,
            XdpMode::Generic => WantedMode::Generic,
        },
        egress: EgressHook::default(),
    }
}

pub(super) fn setup(config: &Config, session: u64, seed: u64) -> Setup {
    let service = |service: &ServiceConfig| ServiceSetup {
        id: service.id,
        home: service.home,
        candidates: service.candidates.clone(),
        voters: service.voters.clone(),
        preempt: service.preempt,
    };
    Setup {
        node: config.agent.node,
        role: engine_role(config.this_node().role),
        safety: match config.cluster.safety {
            Safety::Quorum => afc_engine::Safety::Quorum,
            Safety::BestEffort => afc_engine::Safety::BestEffort,
        },
        session,
        lease_ns: config.heartbeat.timeout.as_nanos() as u64,
        interval_ns: config.heartbeat.interval.as_nanos() as u64,
        nodes: config.nodes.iter().map(|node| (node.id, engine_role(node.role))).collect(),
        services: config.services.iter().map(service).collect(),
        capacity: config.agent.capacity,
        start_grace_ns: START_GRACE_NS,
        seed,
    }
}

pub(super) fn settings(config: &Config, keys: &ClusterKeys, session: u64) -> Settings {
    let live = keys.live();
    let mut settings = Settings {
        session,
        lease_ns: config.heartbeat.timeout.as_nanos() as u64,
        key_count: live.len() as u8,
        role: wire_role(config.this_node().role),
        node: config.agent.node.0,
        port: config.heartbeat.port,
        cluster: config.cluster.id,
        generation: config.cluster.generation,
        configuration: digest(config),
        ..Settings::default()
    };
    for (place, key) in live.iter().enumerate() {
        settings.keys[place] = key.heartbeat(agreement(config).as_bytes());
        settings.key_ids[place] = key.id;
    }
    settings
}

/// What all nodes must agree on for two of them never to serve one service: how long a lease is, and who votes. It goes
/// into the heartbeat's key, so that nodes which disagree are strangers to each other instead of miscounting.
fn agreement(config: &Config) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(config.cluster.safety == Safety::BestEffort)]);
    hasher.update(&(config.heartbeat.timeout.as_nanos() as u64).to_be_bytes());
    for node in &config.nodes {
        hasher.update(&node.id.0.to_be_bytes()).update(&[wire_role(node.role)]);
    }
    // With more, who votes for a service depends on its backups and on names.
    if config.nodes.iter().filter(|node| node.role.votes()).count() > MAX_VOTERS {
        for service in &config.services {
            hasher.update(&service.id.0.to_be_bytes());
            for voter in &service.voters {
                hasher.update(&voter.0.to_be_bytes());
            }
        }
    }
    hasher.finalize()
}

/// What two agents of one node must have in common for the later one to go on with the votes, holdings and fences of
/// the earlier one.
fn digest(config: &Config) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(agreement(config).as_bytes());
    let mut add = |numbers: &[u32]| {
        hasher.update(&(numbers.len() as u32).to_be_bytes());
        for number in numbers {
            hasher.update(&number.to_be_bytes());
        }
    };
    for node in &config.nodes {
        add(&[node.address.to_bits()]);
    }
    for service in &config.services {
        let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0.into()).collect::<Vec<u32>>();
        add(&[service.id.0, service.home.0.into()]);
        add(&numbers(&service.candidates));
        add(&numbers(&service.voters));
        add(&service.addresses.iter().map(|virtual_ip| virtual_ip.address.to_bits()).collect::<Vec<_>>());
    }
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

pub(super) fn envelope(config: &Config, keys: &ClusterKeys) -> Envelope {
    let mut live = [(0, Key::default()); 2];
    for (place, key) in live.iter_mut().zip(keys.live()) {
        *place = (key.id, key.heartbeat(agreement(config).as_bytes()));
    }
    Envelope {
        cluster: config.cluster.id,
        generation: config.cluster.generation,
        keys: live,
        key_count: keys.live().len(),
    }
}

pub(super) fn peers(config: &Config) -> Vec<(NodeId, Peer)> {
    let peer = |node: &NodeConfig| {
        let address = datapath::peer_address(node.address);
        (node.id, Peer { address, role: wire_role(node.role), ..Peer::default() })
    };
    config.nodes.iter().map(peer).collect()
}

/// The services and their indexes in the maps: the order of the file.
pub(super) fn indices(config: &Config) -> Vec<(ServiceId, u32)> {
    config.services.iter().enumerate().map(|(index, service)| (service.id, index as u32)).collect()
}

pub(super) fn addresses(config: &Config) -> Vec<(Ipv4Addr, u32)> {
    let of = |(index, service): (usize, &ServiceConfig)| {
        service.addresses.iter().map(move |virtual_ip| (virtual_ip.address, index as u32)).collect::<Vec<_>>()
    };
    config.services.iter().enumerate().flat_map(of).collect()
}

/// The other voters whose leases count: none where nobody else votes, and none with best effort.
pub(super) fn others(config: &Config, service: &ServiceConfig) -> Vec<NodeId> {
    match config.cluster.safety {
        Safety::BestEffort => Vec::new(),
        Safety::Quorum => {
            service.voters.iter().copied().filter(|voter| *voter != config.agent.node).collect()
        }
    }
}

pub(super) fn places(config: &Config) -> Vec<Place> {
    let place = |service: &ServiceConfig| Place {
        service: service.id,
        others: others(config, service),
        addresses: service.addresses.iter().map(|virtual_ip| virtual_ip.address).collect(),
        unsent_floor: None,
        takeover: Takeover::default(),
    };
    config.services.iter().map(place).collect()
}

/// The other nodes. Sequences start at BOOTTIME, even, so that they grow from one agent to the next within a boot.
pub(super) fn contacts(config: &Config, maps: &datapath::View) -> Vec<Contact> {
    let sequence = clock::boottime_ns() & !1;
    let contact = |node: &NodeConfig| Contact {
        node: node.id,
        address: node.address,
        sequence,
        sent_ns: 0,
        probes: 0,
        replies_before: maps.heard(node.id).replies,
    };
    config.nodes.iter().filter(|node| node.id != config.agent.node).map(contact).collect()
}

pub(super) fn engine_role(role: Role) -> afc_engine::Role {
    match role {
        Role::Member => afc_engine::Role::Member,
        Role::Witness => afc_engine::Role::Witness,
        Role::Gateway => afc_engine::Role::Gateway,
    }
}

fn wire_role(node_role: Role) -> u8 {
    match node_role {
        Role::Member => role::MEMBER,
        Role::Witness => role::WITNESS,
        Role::Gateway => role::GATEWAY,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../deploy/afc.toml");

    fn config(text: &str) -> Config {
        Config::check(Path::new("/etc/afc/afc.toml"), text, "n1").config.expect("a valid configuration")
    }

    #[test]
    fn nodes_that_disagree_on_the_lease_or_on_who_votes_are_strangers() {
        let agreed = agreement(&config(EXAMPLE));
        for (one, other) in [("timeout = \"25ms\"", "timeout = \"50ms\""), ("id = 5\n", "id = 6\n")] {
            assert!(EXAMPLE.contains(one), "{one}");
            assert_ne!(agreement(&config(&EXAMPLE.replacen(one, other, 1))), agreed, "{other}");
        }
        for (one, other) in [("interval = \"5ms\"", "interval = \"2ms\""), ("capacity = 1", "capacity = 2")] {
            assert_eq!(agreement(&config(&EXAMPLE.replacen(one, other, 1))), agreed, "{other}");
        }
    }

    #[test]
    fn with_more_nodes_than_can_vote_for_one_service_its_voters_are_agreed_on_too() {
        let nodes: String = (6..=9)
            .map(|id| format!("\n[[nodes]]\nname = \"n{id}\"\nid = {id}\naddress = \"10.0.0.{id}\"\n"))
            .collect();
        let (large, other) = (format!("{EXAMPLE}{nodes}"), r#"backups = ["n4", "n6"]"#);
        let backups = r#"backups = ["n4", "n5"]"#;
        assert!(EXAMPLE.contains(backups));
        assert_ne!(agreement(&config(&large)), agreement(&config(&large.replacen(backups, other, 1))));
        let reversed = r#"backups = ["n5", "n4"]"#;
        let small = agreement(&config(EXAMPLE));
        assert_eq!(small, agreement(&config(&EXAMPLE.replacen(backups, reversed, 1))));
    }

    #[test]
    fn an_agent_with_other_addresses_adopts_nothing() {
        let before = digest(&config(EXAMPLE));
        assert_eq!(before, digest(&config(EXAMPLE)));
        assert_ne!(before, digest(&config(&EXAMPLE.replacen("10.0.0.101/24", "10.0.0.150/24", 1))));
    }
}
