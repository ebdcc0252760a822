//! What a lab consists of: nodes, services, timing. Pure data; it makes nothing.

use std::{net::Ipv4Addr, time::Duration};

/// Prefix length of both networks of a lab.
pub const PREFIX_LENGTH: u8 = 24;
/// The gateway's address among the nodes.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
/// The gateway's address among the clients.
pub const GATEWAY_CLIENT_SIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The client behind the gateway.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The client on the nodes' own network, which learns by gratuitous ARP.
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 200);

/// What a node of the cluster may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Votes and serves.
    Member,
    /// Votes, never serves.
    Witness,
    /// Redirects, never serves, never votes.
    Gateway,
}

impl Role {
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Witness => "witness",
            Self::Gateway => "gateway",
        }
    }
}

/// What the cluster promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// Never two owners; an owner needs a majority.
    Quorum,
    /// For two nodes without a witness.
    BestEffort,
}

impl Safety {
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::BestEffort => "best-effort",
        }
    }
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name, and that of its port on the switch.
    pub name: String,
    /// Its number, and the last byte of its address.
    pub id: u8,
    /// What it may do.
    pub role: Role,
}

impl NodeSpec {
    /// Its address among the nodes.
    pub const fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, self.id)
    }

    /// The interfaces where its agent attaches.
    pub const fn interfaces(&self) -> &'static [&'static str] {
        match self.role {
            Role::Member | Role::Witness => &["eth0"],
            Role::Gateway => &["eth0", "eth1"],
        }
    }
}

/// One service of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its name.
    pub name: String,
    /// The node that it belongs to.
    pub home: String,
    /// The nodes that may take it over, best first.
    pub backups: Vec<String>,
    /// Its virtual IP.
    pub address: Ipv4Addr,
}

/// How backup lists come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListMode {
    /// They follow the cluster's state.
    Adaptive,
    /// They stay as configured.
    Static,
}

impl ListMode {
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Static => "static",
        }
    }
}

/// A small memory of each node's own, and when a node is short of it (see [`crate::memory`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySpec {
    /// What a node has, MiB.
    pub total_mib: u64,
    /// With less available than this it is short, MiB.
    pub threshold_mib: u64,
    /// How long that must last before the node says so.
    pub lasting: Duration,
    /// Between two measurements.
    pub interval: Duration,
}

impl MemorySpec {
    /// What a node's hog takes to make it short for sure, MiB.
    pub const fn shortage_mib(&self) -> u64 {
        self.total_mib - self.threshold_mib / 2
    }
}

impl Default for MemorySpec {
    /// Small enough that a few hogs do not hurt the machine, and measured as often as the agent allows.
    fn default() -> Self {
        Self {
            total_mib: 256,
            threshold_mib: 64,
            lasting: Duration::from_millis(200),
            interval: Duration::from_millis(50),
        }
    }
}

/// Whether agents record their engines, for `afc replay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// They do not.
    Off,
    /// Each into [`Lab::recording_file`](crate::Lab::recording_file).
    On,
}

/// A small disk of each node's own, for its agent's state (see [`crate::disk`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpec {
    /// What it holds, MiB.
    pub total_mib: u64,
}

/// The times of the heartbeat protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two probes.
    pub interval: Duration,
    /// The lease.
    pub timeout: Duration,
    /// Until the kernel stops speaking for a dead agent.
    pub agent_timeout: Duration,
}

impl Default for Timing {
    /// The agent's own defaults.
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(5),
            timeout: Duration::from_millis(25),
            agent_timeout: Duration::from_secs(3),
        }
    }
}

/// A cluster to build. Every lab also has a switch, a client behind the gateway and one outside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabSpec {
    /// Members, witnesses and the gateway `gw`.
    pub nodes: Vec<NodeSpec>,
    /// Services `web-1`, `web-2`, ..
    pub services: Vec<ServiceSpec>,
    /// The heartbeat's times.
    pub timing: Timing,
    /// What is promised.
    pub safety: Safety,
    /// How backup lists come about.
    pub lists: ListMode,
    /// Memory that nodes can run short of; without it they have the machine's, and no threshold.
    pub memory: Option<MemorySpec>,
    /// Whether every agent records its engine.
    pub recording: Recording,
    /// Disks that nodes can fill; without it their state lies with the lab's other files.
    pub disk: Option<DiskSpec>,
}

impl LabSpec {
    /// The cluster of the invention: nodes 1 to 3 serve one service each, 4 and 5 back them up.
    pub fn five_nodes() -> Self {
        let mut spec = Self::of_members(5);
        spec.services = (1..=3).map(|number| service(number, &["n4", "n5"])).collect();
        spec
    }

    /// So many nodes, half of them (or one more) serve a service each, and the others back all of them up. Two are on
    /// best effort.
    pub fn of_size(members: u8) -> Self {
        let mut spec = Self::of_members(members);
        let homes = members.div_ceil(2);
        let backups: Vec<_> = (homes + 1..=members).map(|number| format!("n{number}")).collect();
        let backups: Vec<_> = backups.iter().map(String::as_str).collect();
        spec.services = (1..=homes).map(|number| service(number, &backups)).collect();
        // Two have no majority without each other.
        if members == 2 {
            spec.safety = Safety::BestEffort;
        }
        spec
    }

    /// The cluster of the invention's figures 5 to 9: node 4 is to stand in for nodes 1 and 2, node 5 for node 3, and every
    /// node can run short of memory.
    pub fn figures() -> Self {
        let mut spec = Self::five_nodes();
        spec.services[2] = service(3, &["n5", "n4"]);
        spec.memory = Some(MemorySpec::default());
        spec
    }

    /// Two members and a witness `w`; `web-1` is at home on `n1`.
    pub fn with_witness() -> Self {
        let mut spec = Self::of_members(2);
        spec.nodes.push(NodeSpec { name: "w".into(), id: 9, role: Role::Witness });
        spec.services = vec![service(1, &["n2"])];
        spec
    }

    /// Two members on their own, without the promise.
    pub fn best_effort_pair() -> Self {
        let mut spec = Self::of_members(2);
        spec.services = vec![service(1, &["n2"])];
        spec.safety = Safety::BestEffort;
        spec
    }

    /// The same cluster with other times.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// The same cluster with lists of another kind.
    #[must_use]
    pub fn with_lists(mut self, lists: ListMode) -> Self {
        self.lists = lists;
        self
    }

    /// The same cluster with agents that record their engines.
    #[must_use]
    pub fn with_recording(mut self) -> Self {
        self.recording = Recording::On;
        self
    }

    /// The members' names, in the order of their numbers.
    pub fn members(&self) -> Vec<String> {
        let members = self.nodes.iter().filter(|node| node.role == Role::Member);
        members.map(|node| node.name.clone()).collect()
    }

    /// The service of this name.
    ///
    /// # Panics
    /// When the lab has none: a mistake in the test.
    pub fn service(&self, name: &str) -> &ServiceSpec {
        let found = self.services.iter().find(|service| service.name == name);
        found.unwrap_or_else(|| panic!("the lab has no service {name}"))
    }

    /// The node of this name.
    ///
    /// # Panics
    /// When the lab has none: a mistake in the test.
    pub fn node(&self, name: &str) -> &NodeSpec {
        let found = self.nodes.iter().find(|node| node.name == name);
        found.unwrap_or_else(|| panic!("the lab has no node {name}"))
    }

    /// The name of node number `id`, as an echo service reports it.
    pub fn name_of(&self, id: u16) -> Option<&str> {
        self.nodes.iter().find(|node| u16::from(node.id) == id).map(|node| node.name.as_str())
    }

    /// `n1` to `n<count>` and the gateway.
    fn of_members(count: u8) -> Self {
        let mut nodes: Vec<_> =
            (1..=count).map(|id| NodeSpec { name: format!("n{id}"), id, role: Role::Member }).collect();
        nodes.push(NodeSpec { name: "gw".into(), id: 254, role: Role::Gateway });
        Self {
            nodes,
            services: Vec::new(),
            timing: Timing::default(),
            safety: Safety::Quorum,
            lists: ListMode::Adaptive,
            memory: None,
            recording: Recording::Off,
            disk: None,
        }
    }
}

/// `web-<number>`, at home on node `number`.
fn service(number: u8, backups: &[&str]) -> ServiceSpec {
    ServiceSpec {
        name: format!("web-{number}"),
        home: format!("n{number}"),
        backups: backups.iter().map(|&backup| backup.to_owned()).collect(),
        address: Ipv4Addr::new(10, 0, 0, 100 + number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_node_cluster_has_three_homes_and_two_backups() {
        let spec = LabSpec::five_nodes();
        let members = spec.nodes.iter().filter(|node| node.role == Role::Member).count();
        assert_eq!((members, spec.services.len()), (5, 3));
        assert_eq!(spec.service("web-2").home, "n2");
        assert_eq!(spec.node("gw").address(), GATEWAY);
        assert_eq!(spec.name_of(4), Some("n4"));
        assert_eq!(spec.name_of(77), None);
    }

    #[test]
    fn a_cluster_of_five_by_size_is_that_of_the_invention() {
        assert_eq!(LabSpec::of_size(5), LabSpec::five_nodes());
        let pair = LabSpec::of_size(2);
        assert_eq!((pair.services.len(), pair.service("web-1").backups.join(" ")), (1, "n2".to_owned()));
    }

    #[test]
    fn in_the_figures_node_3_prefers_node_5_and_every_node_can_run_short() {
        let spec = LabSpec::figures();
        assert_eq!(spec.members(), ["n1", "n2", "n3", "n4", "n5"]);
        let backups = |service| spec.service(service).backups.join(" ");
        assert_eq!(["web-1", "web-2", "web-3"].map(backups), ["n4 n5", "n4 n5", "n5 n4"]);
        let memory = spec.memory.unwrap();
        assert!(memory.total_mib - memory.shortage_mib() < memory.threshold_mib);
    }
}
