//! What `afc status` says: the JSON of design.md section 8, stable for operators' tools, and a table for people.
//!
//! Only data and its rendering; whoever knows the values fills them in.

mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use afc_engine::availability::UnavailableReason;

use crate::config::Role;

/// A node's view of its cluster at one moment. Fields are added over time, never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The node that answers.
    pub node: String,
    /// The cluster's name.
    pub cluster: String,
    /// Membership generation.
    pub generation: u32,
    /// Whether this node hears a majority of the voters, itself included.
    pub quorum: bool,
    /// The shortest lease of those it serves with, ms; `null` while it serves nothing.
    pub lease_remaining_ms: Option<f64>,
    /// How XDP is attached, by interface.
    pub xdp: BTreeMap<String, XdpAttachment>,
    /// Every node by number.
    pub nodes: Vec<NodeStatus>,
    /// Every service in the order of the configuration.
    pub services: Vec<ServiceStatus>,
    /// The agent's version.
    pub version: String,
    /// "quorum" or "best-effort".
    pub safety: String,
    /// How the fast-path thread is scheduled.
    pub scheduling: Scheduling,
    /// This node's session in hex: JSON's numbers end at 53 bits.
    pub session: String,
    /// The agent's incarnation.
    pub incarnation: u64,
    /// Since the agent started, s.
    pub uptime_s: f64,
    /// While the agent, fresh from a restart, neither grants nor claims: how long still, ms.
    pub quarantine_remaining_ms: Option<f64>,
    /// Packets by what the kernel did with them and why.
    pub counters: BTreeMap<String, u64>,
}

/// How XDP is attached to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum XdpAttachment {
    /// By the driver.
    Native,
    /// By the network stack.
    Generic,
}

impl XdpAttachment {
    /// Its name in JSON and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// How the fast-path thread is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduling {
    /// `SCHED_DEADLINE`.
    Deadline,
    /// `SCHED_FIFO`.
    Fifo,
    /// The normal class: wake-ups may come a second late on a busy machine.
    Normal,
}

impl Scheduling {
    /// Its name in JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Fifo => "fifo",
            Self::Normal => "normal",
        }
    }
}

/// A node as this one sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u16,
    /// What it does.
    pub role: Role,
    /// Whether it answers.
    pub alive: bool,
    /// Whether it would take a service over.
    pub available: bool,
    /// Why not.
    pub reasons: Vec<UnavailableReason>,
    /// Round trips of its heartbeats, µs; `null` for the node itself and for one never heard.
    pub rtt_us: Option<RoundTrip>,
    /// How busy it is; `null` where that is not known.
    pub utilization: Option<Utilization>,
    /// Where its heartbeats come from.
    pub address: String,
    /// Since its last authentic message, ms.
    pub silence_ms: Option<f64>,
    /// Probes sent to it and answered, since the agent started; `null` for the node itself.
    pub heartbeats: Option<HeartbeatCount>,
}

/// Probes and their answers; the difference was lost, or is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatCount {
    /// Sent.
    pub sent: u64,
    /// Answered, as the kernel recorded it.
    pub answered: u64,
}

/// Quantiles of round trips, µs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundTrip {
    /// Half are faster.
    pub p50: f64,
    /// 99 % are faster.
    pub p99: f64,
}

/// How busy a node is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Utilization {
    /// Share of all CPU time.
    pub cpu: f64,
    /// Available memory.
    pub memory_available_bytes: u64,
    /// Block I/O operations a second.
    pub iops: u64,
    /// Load average over one minute.
    pub load: f64,
}

/// A service as this node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// The node that it belongs to.
    pub home: String,
    /// Who serves it; `null` if nobody is known to.
    pub owner: Option<String>,
    /// The counter of its epoch.
    pub epoch: u32,
    /// Its virtual IPs.
    pub addresses: Vec<String>,
    /// Who may take it over, best first.
    pub backups: Vec<BackupStatus>,
    /// What it is to this node.
    pub state: ServiceState,
    /// How long this node may still serve it, ms; `null` unless it holds it.
    pub lease_remaining_ms: Option<f64>,
}

/// What a service is to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// This node serves it.
    Serving,
    /// This node claims it and has no majority yet.
    Claiming,
    /// This node owned it until its lease ran out; it answers for it no more.
    Fenced,
    /// Another node serves it.
    Elsewhere,
    /// Nobody is known to serve it.
    Unowned,
}

impl ServiceState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Serving, Self::Claiming, Self::Fenced, Self::Elsewhere, Self::Unowned];

    /// Its name in JSON and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Claiming => "claiming",
            Self::Fenced => "fenced",
            Self::Elsewhere => "elsewhere",
            Self::Unowned => "unowned",
        }
    }
}

/// A backup of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupStatus {
    /// The node.
    pub node: String,
    /// Whether it would take the service over.
    pub available: bool,
    /// Why not.
    pub reasons: Vec<UnavailableReason>,
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A status with one of everything.
    pub(crate) fn example() -> Status {
        Status {
            node: "n4".to_owned(),
            cluster: "edge".to_owned(),
            generation: 1,
            quorum: true,
            lease_remaining_ms: Some(21.4),
            xdp: BTreeMap::from([("eth0".to_owned(), XdpAttachment::Native)]),
            nodes: vec![
                NodeStatus {
                    name: "n1".to_owned(),
                    id: 1,
                    role: Role::Member,
                    alive: true,
                    available: false,
                    reasons: vec![UnavailableReason::Serving],
                    rtt_us: Some(RoundTrip { p50: 9.1, p99: 22.0 }),
                    utilization: Some(Utilization {
                        cpu: 0.12,
                        memory_available_bytes: 8_123_456_789,
                        iops: 310,
                        load: 0.8,
                    }),
                    address: "10.0.0.1".to_owned(),
                    silence_ms: Some(3.2),
                    heartbeats: Some(HeartbeatCount { sent: 5000, answered: 4998 }),
                },
                NodeStatus {
                    name: "n4".to_owned(),
                    id: 4,
                    role: Role::Member,
                    alive: true,
                    available: true,
                    reasons: vec![],
                    rtt_us: None,
                    utilization: None,
                    address: "10.0.0.4".to_owned(),
                    silence_ms: None,
                    heartbeats: None,
                },
            ],
            services: vec![ServiceStatus {
                name: "web-1".to_owned(),
                home: "n1".to_owned(),
                owner: Some("n1".to_owned()),
                epoch: 7,
                addresses: vec!["10.0.0.101/24".to_owned()],
                backups: vec![
                    BackupStatus { node: "n4".to_owned(), available: true, reasons: vec![] },
                    BackupStatus {
                        node: "n5".to_owned(),
                        available: false,
                        reasons: vec![UnavailableReason::Dead, UnavailableReason::Drained],
                    },
                ],
                state: ServiceState::Elsewhere,
                lease_remaining_ms: None,
            }],
            version: "0.1.0".to_owned(),
            safety: "quorum".to_owned(),
            scheduling: Scheduling::Deadline,
            session: "00c0ffee00c0ffee".to_owned(),
            incarnation: 3,
            uptime_s: 93.5,
            quarantine_remaining_ms: None,
            counters: BTreeMap::from([("probe_answered".to_owned(), 12), ("heartbeat_tag".to_owned(), 0)]),
        }
    }

    /// Whether `whole` has everything that `part` has.
    fn contains(whole: &Value, part: &Value) -> bool {
        match (whole, part) {
            (Value::Object(whole), Value::Object(part)) => {
                part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| contains(whole, part)))
            }
            (Value::Array(whole), Value::Array(part)) => {
                part.iter().zip(whole).all(|(part, whole)| contains(whole, part))
            }
            (whole, part) => whole == part,
        }
    }

    #[test]
    fn the_json_is_that_of_the_design() {
        let design = json!({
            "node": "n4", "cluster": "edge", "generation": 1, "quorum": true, "lease_remaining_ms": 21.4,
            "xdp": {"eth0": "native"},
            "nodes": [{"name": "n1", "id": 1, "role": "member", "alive": true, "available": false,
                "reasons": ["serving"], "rtt_us": {"p50": 9.1, "p99": 22.0},
                "utilization": {"cpu": 0.12, "memory_available_bytes": 8_123_456_789_u64, "iops": 310, "load": 0.8}}],
            "services": [{"name": "web-1", "home": "n1", "owner": "n1", "epoch": 7, "addresses": ["10.0.0.101/24"],
                "backups": [{"node": "n4", "available": true, "reasons": []}]}]
        });
        let json = serde_json::to_value(example()).unwrap();
        assert!(contains(&json, &design), "{json:#}");
        assert_eq!(serde_json::from_value::<Status>(json).unwrap(), example());
    }

    #[test]
    fn names_in_tables_are_those_in_json() {
        for state in ServiceState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        for reason in UnavailableReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
        for role in [Role::Member, Role::Witness, Role::Gateway] {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        for class in [Scheduling::Deadline, Scheduling::Fifo, Scheduling::Normal] {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
        for attachment in [XdpAttachment::Native, XdpAttachment::Generic] {
            assert_eq!(serde_json::to_value(attachment).unwrap(), attachment.name());
        }
    }
}
