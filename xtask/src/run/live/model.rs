//! What the view shows, in words: put together from the agents' answers and what the clients see.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use afc_lab::{Scene, agent::Activity, clock::now_ns, report::millis, spec::Role, status};
use serde_json::Value;

use super::{hands::Hands, poller::Statuses};

/// The clients' gaps are those of the last moments, but not of the time before the first answer.
const GAP_WINDOW: Duration = Duration::from_secs(10);
/// A new owner is seen within a frame or two, so this is the gap of its takeover.
const TAKEOVER_WINDOW: Duration = Duration::from_secs(2);
/// Who serves is who answered last, of late.
const SERVED_WINDOW: Duration = Duration::from_millis(500);
/// Lines that the log keeps.
const LOG_LINES: usize = 200;

/// One moment of the cluster.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) services: Vec<ServiceRow>,
    pub(super) nodes: Vec<NodeRow>,
}

/// A service in words.
#[derive(Debug)]
pub(super) struct ServiceRow {
    pub(super) name: String,
    pub(super) home: String,
    /// Who answers the clients.
    pub(super) served_by: Option<String>,
    pub(super) epoch: String,
    pub(super) lease: String,
    pub(super) backups: String,
    /// Longest gaps of late: gateway, direct, HTTP.
    pub(super) gaps: [Duration; 3],
    /// The longest gap of the last moment: gateway.
    pub(super) last_gap: Duration,
}

/// A node in words.
#[derive(Debug)]
pub(super) struct NodeRow {
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) agent: &'static str,
    pub(super) wire: &'static str,
    pub(super) state: String,
    pub(super) rtt: String,
}

impl Model {
    /// Reads the moment. Gaps are counted from `since_ns` on.
    pub(super) fn read(scene: &Scene, statuses: &Statuses, hands: &Hands, since_ns: u64) -> Self {
        let spec = scene.lab.spec();
        let services = spec
            .services
            .iter()
            .map(|service| service_row(scene, statuses, &service.name, since_ns))
            .collect();
        let nodes = spec.nodes.iter().map(|node| NodeRow {
            name: node.name.clone(),
            role: node.role.name(),
            agent: match scene.lab.activity(&node.name) {
                Some(Activity::Running) => "runs",
                Some(Activity::Frozen) => "frozen",
                None => "dead",
            },
            wire: hands.wire(&node.name).name(),
            state: match node.role {
                Role::Member => state_of(statuses, &node.name),
                // Nobody probes them, so nobody can say.
                Role::Witness | Role::Gateway => "–".to_owned(),
            },
            rtt: rtt_of(statuses, &node.name),
        });
        Self { services, nodes: nodes.collect() }
    }
}

/// One service: the clients' view, and that of its owner.
fn service_row(scene: &Scene, statuses: &Statuses, name: &str, since_ns: u64) -> ServiceRow {
    let now = now_ns();
    let last = |window: Duration| now.saturating_sub(window.as_nanos() as u64).max(since_ns)..now;
    let sight = scene.sight(name, &last(GAP_WINDOW));
    let served_by = scene.owners(name, &last(SERVED_WINDOW)).pop();
    let spec = scene.lab.spec().service(name);
    let teller = served_by.as_deref().unwrap_or(&spec.home);
    let told = statuses.get(teller).or_else(|| statuses.values().next());
    let epoch = told.and_then(|told| status::epoch(told, name));
    let lease = told.filter(|_| served_by.is_some()).and_then(|told| told["lease_remaining_ms"].as_f64());
    ServiceRow {
        name: name.to_owned(),
        home: spec.home.clone(),
        epoch: epoch.map_or("–".into(), |epoch| epoch.to_string()),
        lease: lease.map_or("–".into(), |lease| format!("{lease:.1} ms")),
        backups: told.and_then(|told| status::service(told, name)).map(backups_of).unwrap_or_default(),
        gaps: [sight.gateway.gap.duration(), sight.direct.gap.duration(), sight.http.duration()],
        last_gap: scene.sight(name, &last(TAKEOVER_WINDOW)).gateway.gap.duration(),
        served_by,
    }
}

/// A backup list: each node with A, or N and why.
fn backups_of(service: &Value) -> String {
    let one = |backup: &Value| {
        let node = backup["node"].as_str().unwrap_or("?");
        match backup["available"].as_bool() {
            Some(true) => format!("{node} A"),
            Some(false) => format!("{node} N {}", reasons_of(backup)),
            None => format!("{node} ?"),
        }
    };
    let backups = service["backups"].as_array().map(Vec::as_slice).unwrap_or_default();
    backups.iter().map(one).map(|backup| backup.trim_end().to_owned()).collect::<Vec<_>>().join(", ")
}

/// Reasons, joined.
fn reasons_of(entry: &Value) -> String {
    let reasons = entry["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    reasons.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("+")
}

/// What the others say of a node: the first that says anything.
fn said_of<'a>(statuses: &'a Statuses, node: &str) -> Option<&'a Value> {
    let others = statuses.iter().filter(|(teller, _)| *teller != node);
    others.filter_map(|(_, told)| told["nodes"].as_array()).flatten().find(|said| said["name"] == node)
}

/// A node's state as the others see it.
fn state_of(statuses: &Statuses, node: &str) -> String {
    let Some(said) = said_of(statuses, node) else {
        return "–".to_owned();
    };
    match (said["alive"].as_bool(), said["available"].as_bool()) {
        (Some(false), _) => "dead".to_owned(),
        (_, Some(true)) => "A".to_owned(),
        (_, Some(false)) => format!("N {}", reasons_of(said)),
        (_, None) => "–".to_owned(),
    }
}

/// Heartbeat round trips to a node, as another measures them.
fn rtt_of(statuses: &Statuses, node: &str) -> String {
    let tellers = statuses.values().filter_map(|told| told["nodes"].as_array()).flatten();
    let mut measured = tellers
        .filter(|said| said["name"] == node)
        .filter_map(|said| Some((said["rtt_us"]["p50"].as_f64()?, said["rtt_us"]["p99"].as_f64()?)));
    measured.next().map_or("–".into(), |(p50, p99)| format!("{p50:.0} / {p99:.0} µs"))
}

/// What happened, newest last.
#[derive(Debug)]
pub(super) struct Log {
    started: Instant,
    lines: VecDeque<String>,
    owners: BTreeMap<String, String>,
}

impl Log {
    pub(super) const fn new(started: Instant) -> Self {
        Self { started, lines: VecDeque::new(), owners: BTreeMap::new() }
    }

    /// Adds a line; the oldest makes room.
    pub(super) fn note(&mut self, what: String) {
        if self.lines.len() == LOG_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>8.1} s  {what}", self.started.elapsed().as_secs_f64()));
    }

    /// Adds a line for each service that another node serves since the last moment.
    pub(super) fn note_owners(&mut self, model: &Model) {
        for service in &model.services {
            let Some(owner) = &service.served_by else { continue };
            let before = self.owners.insert(service.name.clone(), owner.clone());
            if before.as_ref() != Some(owner) {
                let from =
                    before.map(|before| format!(" after {before}, gap {} ms", millis(service.last_gap)));
                self.note(format!("{owner} serves {}{}", service.name, from.unwrap_or_default()));
            }
        }
    }

    /// The last lines, oldest first.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = &str> {
        self.lines.iter().skip(self.lines.len().saturating_sub(count)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backup_list_says_who_is_available_and_why_others_are_not() {
        let service = json!({"backups": [
            {"node": "n4", "available": false, "reasons": ["serving", "load"]},
            {"node": "n5", "available": true, "reasons": []},
        ]});
        assert_eq!(backups_of(&service), "n4 N serving+load, n5 A");
        assert_eq!(backups_of(&json!({})), "");
    }

    #[test]
    fn a_node_is_described_by_the_others() {
        let told = |alive| {
            json!({"nodes": [{"name": "n1", "alive": alive, "available": true, "reasons": [],
            "rtt_us": {"p50": 9.1, "p99": 22.0}}]})
        };
        let statuses = Statuses::from([("n1".into(), told(true)), ("n2".into(), told(false))]);
        assert_eq!(state_of(&statuses, "n1"), "dead");
        assert_eq!(rtt_of(&statuses, "n1"), "9 / 22 µs");
        assert_eq!(state_of(&statuses, "n9"), "–");
    }
}
