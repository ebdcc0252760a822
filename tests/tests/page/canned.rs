//! What an agent could say, of a cluster that a test makes up.

use afc_agent::{events::EventRecord, lists::ListMatrix, status::Status};
use serde_json::{Value, json};

/// Services and the node that serves each; the nodes are `names`, of which the first is asked.
pub(crate) struct Cluster {
    /// Every node.
    pub(crate) nodes: Vec<String>,
    /// Every service, and its owner by its place among the nodes.
    pub(crate) services: Vec<(String, Option<usize>)>,
}

impl Cluster {
    /// Nodes `n1`, `n2`, .. and services `web-1`, `web-2`, .., the first on the first node and so on, round and round.
    pub(crate) fn of(nodes: usize, services: usize) -> Self {
        Self {
            nodes: (1..=nodes).map(|number| format!("n{number}")).collect(),
            services: (0..services)
                .map(|place| (format!("web-{}", place + 1), Some(place % nodes)))
                .collect(),
        }
    }

    /// As `afc status --json` of the first node.
    pub(crate) fn status(&self) -> Value {
        let nodes: Vec<_> = (0..self.nodes.len()).map(|place| self.node(place)).collect();
        let services: Vec<_> = self.services.iter().map(|(name, owner)| self.service(name, *owner)).collect();
        let status = json!({
            "node": self.nodes[0], "cluster": "edge", "generation": 1, "quorum": true, "lease_remaining_ms": 21.4,
            "xdp": {"eth0": "native"}, "nodes": nodes, "services": services, "version": "0.1.0", "safety": "quorum",
            "scheduling": "deadline", "session": "00c0ffee00c0ffee", "incarnation": 3, "uptime_s": 93.5,
            "quarantine_remaining_ms": null, "counters": {"probe_answered": 12, "heartbeat_tag": 0},
        });
        serde_json::from_value::<Status>(status.clone()).expect("the shape of a status");
        status
    }

    fn node(&self, place: usize) -> Value {
        let answers = place > 0;
        json!({
            "name": self.nodes[place], "id": place + 1, "role": "member", "alive": true, "available": true,
            "reasons": [], "rtt_us": answers.then(|| json!({"p50": 9.1, "p99": 22.0})), "address": "10.0.0.1",
            "utilization": {"cpu": 0.12, "memory_available_bytes": 8_123_456_789_u64, "iops": 310, "load": 0.8},
            "silence_ms": answers.then_some(3.2), "heartbeats": answers.then(|| json!({"sent": 50, "answered": 49})),
        })
    }

    fn service(&self, name: &str, owner: Option<usize>) -> Value {
        let state = match owner {
            Some(0) => "serving",
            Some(_) => "elsewhere",
            None => "unowned",
        };
        json!({
            "name": name, "home": self.nodes[0], "owner": owner.map(|place| &self.nodes[place]), "epoch": 7,
            "addresses": ["10.0.0.101/24"], "backups": self.backups(), "state": state,
            "lease_remaining_ms": (owner == Some(0)).then_some(21.4),
        })
    }

    /// The last two nodes, one of which would not take anything over.
    fn backups(&self) -> Value {
        let backup = |node: &String, reasons: Value| json!({"node": node, "available": reasons == json!([]), "reasons": reasons});
        let [.., one, other] = self.nodes.as_slice() else { panic!("two nodes at least") };
        json!([backup(one, json!([])), backup(other, json!(["memory", "cpu"]))])
    }

    /// As `afc lists --json` of the first node.
    pub(crate) fn lists(&self) -> Value {
        let lists = json!({
            "node": self.nodes[0], "cluster": "edge", "mode": "adaptive", "at": "2023-11-14T22:13:20.000001Z",
            "boot_ns": 5, "inputs": "00000000000000aa", "digest": "00000000000000bb", "differing": [], "nodes": [],
            "lists": [],
        });
        serde_json::from_value::<ListMatrix>(lists.clone()).expect("the shape of lists");
        lists
    }
}

/// As one line of `afc events --json`.
pub(crate) fn event(id: u64, text: &str) -> Value {
    let event = json!({
        "id": id, "at": "2023-11-14T22:13:20.000001Z", "boot_ns": 5, "kind": "owner_changed", "service": null,
        "node": null, "from": null, "to": null, "epoch": null, "reason": null, "text": text,
    });
    serde_json::from_value::<EventRecord>(event.clone()).expect("the shape of an event");
    event
}
