//! The sections of the configuration as types.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use afc_ebpf::identity::{NodeId, ServiceId};
use serde::{Deserialize, Serialize};

/// What all nodes of the cluster share.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterConfig {
    /// Its name.
    pub name: String,
    /// First four bytes of the BLAKE3 of the name, as on the wire.
    pub id: u32,
    /// The file with the secret.
    pub key_file: PathBuf,
    /// What holds in a partition.
    pub safety: Safety,
    /// The UDP port of the cluster controller.
    pub port: u16,
    /// Whether backup lists follow the cluster's state.
    pub lists: ListMode,
    /// Membership generation.
    pub generation: u32,
}

/// What the cluster promises when it cannot have everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// At most one owner, always.
    Quorum,
    /// Some owner while any node lives; two in a partition.
    BestEffort,
}

/// Whether backup lists follow the cluster's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListMode {
    /// The best available backup first.
    Adaptive,
    /// The configured order, whoever is available: as in classic clusters.
    Static,
}

/// How nodes watch each other.
#[derive(Clone, Debug, PartialEq)]
pub struct HeartbeatConfig {
    /// Between two probes of a holder.
    pub interval: Duration,
    /// Silence after which a node is suspected; the lease `L`.
    pub timeout: Duration,
    /// The UDP port.
    pub port: u16,
}

/// This node's agent.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentConfig {
    /// This node.
    pub node: NodeId,
    /// Where XDP is attached.
    pub interfaces: Vec<String>,
    /// How XDP is attached.
    pub xdp_mode: XdpMode,
    /// What must survive a restart.
    pub state_dir: PathBuf,
    /// Where `afc status` and others ask.
    pub control_socket: PathBuf,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The BPF file system that programs and maps are pinned in.
    pub bpf_dir: PathBuf,
    /// How long the kernel speaks for an agent that no longer says it lives.
    pub agent_timeout: Duration,
    /// Services that this node serves beyond its own, at most.
    pub capacity: u32,
    /// Where its utilisation is read.
    pub proc_root: PathBuf,
    /// The cgroup v2 directory whose utilisation counts as this node's; the whole machine's without one.
    pub cgroup: Option<PathBuf>,
    /// The file that the engine's events and effects are recorded in; none are without one.
    pub record: Option<PathBuf>,
    /// Bytes of a recording, at most.
    pub record_limit_bytes: u64,
}

/// How XDP is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// Native where it works, else generic.
    Auto,
    /// By the driver, or not at all.
    Native,
    /// By the network stack.
    Generic,
}

/// Beyond which utilisation this node is no backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// Less available memory than this.
    pub memory_available: Option<Threshold<Amount>>,
    /// More CPU time used than this.
    pub cpu: Option<Threshold<Ratio>>,
    /// More block I/O operations a second than this.
    pub iops: Option<Threshold<u64>>,
    /// A higher load average than this.
    pub load: Option<Threshold<f64>>,
    /// How long it must last, in both directions.
    pub lasting: Duration,
    /// Between two measurements.
    pub interval: Duration,
}

/// A threshold with hysteresis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold<T> {
    /// Beyond this the node is short.
    pub enter: T,
    /// On the better side of this it is no longer.
    pub leave: T,
}

/// An amount of memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// In bytes.
    Bytes(u64),
    /// As a share of all memory.
    Share(Ratio),
}

/// A share, above 0 and up to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

/// The central repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Primary {
    /// etcd's client addresses.
    pub etcd: Vec<String>,
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeConfig {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: NodeId,
    /// Where it sends heartbeats from and receives them.
    pub address: Ipv4Addr,
    /// What it does.
    pub role: Role,
}

/// What a node does in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Votes and serves.
    Member,
    /// Votes, never serves.
    Witness,
    /// Redirects, never serves, never votes.
    Gateway,
}

impl Role {
    /// Its name in the configuration, in JSON and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Witness => "witness",
            Self::Gateway => "gateway",
        }
    }

    /// Whether its vote counts.
    pub const fn votes(self) -> bool {
        match self {
            Self::Member | Self::Witness => true,
            Self::Gateway => false,
        }
    }
}

/// One service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceConfig {
    /// Its name.
    pub name: String,
    /// First four bytes of the BLAKE3 of the name, as on the wire.
    pub id: ServiceId,
    /// The node that it belongs to.
    pub home: NodeId,
    /// Its virtual IPs.
    pub addresses: Vec<VirtualAddress>,
    /// Who may serve it, best first: the home, then its backups.
    pub candidates: Vec<NodeId>,
    /// Whose grants its lease needs, by id; every candidate is among them.
    pub voters: Vec<NodeId>,
    /// Whether the home takes it back when it returns.
    pub preempt: bool,
    /// What runs with it.
    pub tasks: Tasks,
}

/// A virtual IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// The prefix length of its network.
    pub prefix: u8,
}

impl std::fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// What runs with a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tasks {
    /// A systemd unit, in place of `start` and `stop`.
    pub unit: Option<String>,
    /// Starts it.
    pub start: Option<Vec<String>>,
    /// Stops it.
    pub stop: Option<Vec<String>>,
    /// Finds out whether it is well.
    pub check: Option<HealthCheck>,
    /// Is given one pending operation on standard input.
    pub replay: Option<Vec<String>>,
}

/// Finds out whether a service is well.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthCheck {
    /// Accepts a TCP connection when it is.
    pub tcp: SocketAddr,
    /// Between two checks.
    pub interval: Duration,
    /// Failures in a row that make it unhealthy.
    pub fall: u32,
}
