//! A cluster for the tests, and for the picture in the documentation: as many nodes and services as wanted, moment by
//! moment.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use afc_engine::priority::Headroom;

use super::{
    model::{HISTORY, Model},
    sampler::Sample,
};
use crate::{
    config::{ListMode, Role},
    events::{EventBatch, EventKind, EventRecord, Happening},
    lists::{BackupList, ListMatrix, ListedBackup, ListedNode},
    status::{
        BackupStatus, HeartbeatCount, NodeStatus, RoundTrip, Scheduling, ServiceState, ServiceStatus, Status,
        UnavailableReason, Utilization, XdpAttachment,
    },
};

/// Between two samples.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);

/// So many services, `web-1` at home on `n1` and so on, the first of which was taken over by the first spare node; and one
/// gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster {
    pub(super) services: usize,
    pub(super) spares: usize,
}

/// The five nodes of the documentation.
pub(super) const FIVE: Cluster = Cluster { services: 3, spares: 2 };

impl Cluster {
    /// What is known after so many samples, the last of them now.
    pub(super) fn model(self, now: Instant, samples: usize) -> Model {
        let at = |n: usize| now - INTERVAL * (samples - 1 - n) as u32;
        let mut model = Model::new(self.sample(at(0), 0), INTERVAL);
        for n in 1..samples {
            model.handle_sample(self.sample(at(n), n));
        }
        model
    }

    /// What the agent says at moment `n`.
    pub(super) fn sample(self, at: Instant, n: usize) -> Sample {
        let events = if n == 0 { self.events() } else { Vec::new() };
        Sample {
            at,
            status: self.status(n),
            events: EventBatch { events, missed: 0 },
            lists: (n == 0).then(|| self.lists()),
        }
    }

    fn members(self) -> usize {
        self.services + self.spares
    }

    /// The node that took `web-1` over.
    fn successor(self) -> String {
        format!("n{}", self.services + 1)
    }

    fn reasons(self, member: usize) -> Vec<UnavailableReason> {
        match member {
            1 if self.spares > 0 => vec![UnavailableReason::Dead],
            member if member <= self.services + 1 => vec![UnavailableReason::Serving],
            _ => vec![],
        }
    }

    fn owner(self, service: usize) -> String {
        if service == 1 && self.spares > 0 { self.successor() } else { format!("n{service}") }
    }

    fn status(self, n: usize) -> Status {
        let members = (1..=self.members()).map(|member| self.node(member, n));
        let gateway = NodeStatus {
            role: Role::Gateway,
            reasons: vec![],
            available: false,
            utilization: None,
            name: "gw".to_owned(),
            ..self.node(self.members() + 1, n)
        };
        Status {
            node: self.successor(),
            cluster: "edge".to_owned(),
            generation: 1,
            quorum: true,
            lease_remaining_ms: (self.services > 0).then(|| lease(n)),
            xdp: BTreeMap::from([("eth0".to_owned(), XdpAttachment::Native)]),
            nodes: members.chain([gateway]).collect(),
            services: (1..=self.services).map(|service| self.service(service, n)).collect(),
            version: "0.1.0".to_owned(),
            safety: "quorum".to_owned(),
            scheduling: Scheduling::Deadline,
            session: "00c0ffee00c0ffee".to_owned(),
            incarnation: 3,
            uptime_s: 93.5 + n as f64 / 2.0,
            quarantine_remaining_ms: None,
            counters: BTreeMap::from([
                ("probe_answered".to_owned(), 4000 + 310 * n as u64),
                ("reply_recorded".to_owned(), 3000 + 100 * n as u64),
                ("vip_redirected".to_owned(), 12),
                ("heartbeat_tag".to_owned(), 0),
            ]),
        }
    }

    fn node(self, member: usize, n: usize) -> NodeStatus {
        let reasons = self.reasons(member);
        let is_this = member == self.services + 1;
        let alive = !reasons.contains(&UnavailableReason::Dead);
        let wave = ((n * 7 + member * 13) % 23) as f64;
        NodeStatus {
            name: format!("n{member}"),
            id: member as u16,
            role: Role::Member,
            alive,
            available: reasons.is_empty(),
            reasons,
            rtt_us: (!is_this).then_some(RoundTrip { p50: 9.0 + wave / 2.0, p99: 40.0 + wave }),
            utilization: Some(Utilization {
                cpu: 0.02 + wave / 100.0,
                memory_available_bytes: (8 << 30) - (member as u64 % 40) * (150 << 20),
                iops: 300 + member as u64,
                load: 0.4 + wave / 20.0,
            }),
            address: format!("10.0.0.{member}"),
            silence_ms: (!is_this).then_some(if alive {
                2.5 + wave / 10.0
            } else {
                4000.0 + 500.0 * n as f64
            }),
            heartbeats: (!is_this).then(|| {
                let sent = 5000 + 100 * n as u64;
                HeartbeatCount { sent, answered: sent - if alive { member as u64 % 3 } else { 37 } }
            }),
        }
    }

    fn service(self, service: usize, n: usize) -> ServiceStatus {
        let owner = self.owner(service);
        let is_ours = owner == self.successor();
        ServiceStatus {
            name: format!("web-{service}"),
            home: format!("n{service}"),
            owner: Some(owner),
            epoch: if is_ours { 2 } else { 1 },
            addresses: vec![format!("10.0.{}.{}/24", service / 200, 101 + service % 100)],
            backups: self
                .backups()
                .map(|(node, reasons)| BackupStatus { node, available: reasons.is_empty(), reasons })
                .collect(),
            state: if is_ours { ServiceState::Serving } else { ServiceState::Elsewhere },
            lease_remaining_ms: is_ours.then(|| lease(n)),
        }
    }

    fn backups(self) -> impl Iterator<Item = (String, Vec<UnavailableReason>)> {
        let spares = (self.services + 1)..=self.members();
        // At most six, the available ones first.
        spares.rev().take(6).map(move |spare| (format!("n{spare}"), self.reasons(spare)))
    }

    fn lists(self) -> ListMatrix {
        let nodes = (1..=self.members()).map(|member| {
            let reasons = self.reasons(member);
            ListedNode { name: format!("n{member}"), available: reasons.is_empty(), reasons }
        });
        let list = |member: usize| {
            let has_service = member <= self.services;
            let backups = self.backups().map(|(node, reasons)| ListedBackup {
                node,
                available: reasons.is_empty(),
                reasons,
                headroom: Headroom::Ample,
            });
            BackupList {
                node: format!("n{member}"),
                service: has_service.then(|| format!("web-{member}")),
                owner: has_service.then(|| self.owner(member)),
                backups: backups.collect(),
            }
        };
        ListMatrix {
            node: self.successor(),
            cluster: "edge".to_owned(),
            mode: ListMode::Adaptive,
            at: "2023-11-14T22:13:20.000001Z".to_owned(),
            boot_ns: 5,
            inputs: "00000000000000aa".to_owned(),
            digest: "00000000000000bb".to_owned(),
            differing: vec![],
            nodes: nodes.collect(),
            lists: (1..=self.members()).map(list).collect(),
        }
    }

    fn events(self) -> Vec<EventRecord> {
        if self.spares == 0 || self.services == 0 {
            return Vec::new();
        }
        let this = self.successor();
        let told = [
            (EventKind::Started, "started with a new session".to_owned()),
            (EventKind::OwnerChanged, "n1 serves web-1 under epoch 1 of n1".to_owned()),
            (EventKind::Lists, format!("web-1 is backed up by {this} A, n{} A", self.members())),
            (EventKind::Suspected, "n1 is suspected dead: silent for 25.5 ms".to_owned()),
            (EventKind::Claimed, format!("claiming web-1 under epoch 2 of {this}: owner_silent")),
            (EventKind::Served, format!("this node serves web-1 under epoch 2 of {this}, before it n1")),
            (EventKind::Availability, "n1 is not available: dead (it does not answer)".to_owned()),
            (EventKind::Lists, format!("web-2 is backed up by n{} A, {this} N", self.members())),
        ];
        (1..).zip(told).map(|(id, (kind, text))| event(id, kind, &text)).collect()
    }
}

/// An event, a quarter of a second after the one before.
pub(super) fn event(id: u64, kind: EventKind, text: &str) -> EventRecord {
    let at = Duration::from_millis(1_700_000_000_000 + id * 250);
    let at = humantime::format_rfc3339_micros(std::time::SystemTime::UNIX_EPOCH + at).to_string();
    EventRecord { id, at, boot_ns: id * 250_000_000, happening: Happening::new(kind, text) }
}

/// As many samples as the widest screen has room for.
pub(super) const LONG: usize = HISTORY + 5;

fn lease(n: usize) -> f64 {
    24.0 - ((n * 5) % 9) as f64
}
