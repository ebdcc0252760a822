//! What `afc status` shows: the fast path's view, the kernel's counters and the configuration, put together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use afc_ebpf::{
    identity::{Epoch, NodeId},
    rtt,
};

use super::start::Agent;
use crate::{
    clock,
    config::{Config, NodeConfig, Role, Safety, ServiceConfig},
    control::server::StatusSource,
    datapath::{self, Counters, InterfaceMode, Mode},
    engine::view::{HolderState, NodeView, ServiceView},
    events::EventLog,
    heartbeat::{scheduling::SchedulingClass, view::View},
    status::{
        BackupStatus, HeartbeatCount, NodeStatus, RoundTrip, Scheduling, ServiceState, ServiceStatus, Status,
        UnavailableReason, XdpAttachment,
    },
};

/// Everything a status is made from. Shared with the control socket.
pub(super) struct AgentStatus {
    pub(super) config: Arc<Config>,
    pub(super) view: Arc<Mutex<View>>,
    pub(super) maps: datapath::View,
    pub(super) counters: Arc<Counters>,
    pub(super) events: Arc<EventLog>,
    pub(super) interfaces: Vec<InterfaceMode>,
    pub(super) session: u64,
    pub(super) incarnation: u64,
    pub(super) started_ns: u64,
}

impl Agent {
    pub(super) fn status_source(&self) -> AgentStatus {
        AgentStatus {
            config: Arc::clone(&self.config),
            view: Arc::clone(&self.view),
            maps: self.maps.clone(),
            counters: self.datapath.counters(),
            events: Arc::clone(&self.events),
            interfaces: self.datapath.modes().to_vec(),
            session: self.session,
            incarnation: self.disk.incarnation,
            started_ns: self.started_ns,
        }
    }
}

impl StatusSource for AgentStatus {
    fn events(&self) -> &EventLog {
        &self.events
    }

    fn status(&self) -> Status {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.refresh_leases(&mut view);
        let now_ns = clock::boottime_ns();
        let config = &self.config;
        let remaining = |until_ns: u64| until_ns.saturating_sub(now_ns) as f64 / 1e6;
        Status {
            node: config.this_node().name.clone(),
            cluster: config.cluster.name.clone(),
            generation: config.cluster.generation,
            quorum: view.has_quorum,
            lease_remaining_ms: view.lowest_lease_until_ns.map(remaining),
            xdp: self
                .interfaces
                .iter()
                .map(|interface| (interface.name.clone(), attachment(interface.mode)))
                .collect(),
            nodes: config.nodes.iter().map(|node| self.node(node, &view, now_ns)).collect(),
            services: config.services.iter().map(|service| self.service(service, &view, now_ns)).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            safety: safety(config.cluster.safety).to_owned(),
            scheduling: scheduling(view.class),
            session: format!("{:016x}", self.session),
            incarnation: self.incarnation,
            uptime_s: now_ns.saturating_sub(self.started_ns) as f64 / 1e9,
            quarantine_remaining_ms: (view.quarantine_until_ns > now_ns)
                .then(|| remaining(view.quarantine_until_ns)),
            counters: self.counters(&view),
        }
    }
}

impl AgentStatus {
    /// The view is some milliseconds old, about as long as a lease lives: leases are read from the maps.
    fn refresh_leases(&self, view: &mut View) {
        for (index, service) in (0..).zip(&self.config.services) {
            let seen = view.services.iter_mut().find(|seen| seen.id == service.id);
            if let Some(seen) = seen.filter(|seen| seen.epoch != Epoch::ZERO) {
                (_, seen.lease_until_ns) = self.maps.serving(index);
            }
        }
        let owned = view
            .services
            .iter()
            .filter(|seen| matches!(seen.state, HolderState::Owner | HolderState::Raising));
        view.lowest_lease_until_ns = owned.map(|seen| seen.lease_until_ns).min();
    }

    fn node(&self, node: &NodeConfig, view: &View, now_ns: u64) -> NodeStatus {
        let seen = view.nodes.iter().find(|seen| seen.id == node.id);
        let is_me = node.id == self.config.agent.node;
        let round_trips = self.maps.round_trips(node.id);
        let quantile = |per_mille| rtt::quantile_ns(&round_trips, per_mille).map(|ns| ns as f64 / 1e3);
        let rtt_us = quantile(500).zip(quantile(990)).map(|(p50, p99)| RoundTrip { p50, p99 });
        let heard_ns = self.maps.heard(node.id).heard_ns;
        let silence_ms = (!is_me && heard_ns != 0).then(|| now_ns.saturating_sub(heard_ns) as f64 / 1e6);
        let heartbeats = view.heartbeats.iter().find(|(other, _)| *other == node.id);
        let alive = seen.is_some_and(|seen| is_alive(seen, silence_ms, &self.config));
        let reasons = reasons(node.role, seen.filter(|_| alive));
        NodeStatus {
            name: node.name.clone(),
            id: node.id.0,
            role: node.role,
            alive,
            available: node.role == Role::Member && reasons.is_empty(),
            reasons,
            rtt_us,
            utilization: None,
            address: node.address.to_string(),
            silence_ms,
            heartbeats: heartbeats
                .map(|(_, count)| HeartbeatCount { sent: count.sent, answered: count.answered }),
        }
    }

    fn service(&self, service: &ServiceConfig, view: &View, now_ns: u64) -> ServiceStatus {
        let seen = view.services.iter().find(|seen| seen.id == service.id);
        let name = |node: NodeId| self.config.node_name(node);
        let owner = seen.map(|seen| seen.owner).filter(|word| word.owner().is_some());
        let backups = service.candidates.iter().skip(1).filter_map(|id| self.config.node(*id));
        let backup = |node: &NodeConfig| {
            let status = self.node(node, view, now_ns);
            BackupStatus { node: status.name, available: status.available, reasons: status.reasons }
        };
        ServiceStatus {
            name: service.name.clone(),
            home: name(service.home),
            owner: owner.map(|word| name(word.owner())),
            epoch: owner.map_or(0, |word| word.epoch().counter()),
            addresses: service.addresses.iter().map(ToString::to_string).collect(),
            backups: backups.map(backup).collect(),
            state: seen.map_or(ServiceState::Unowned, |seen| state(seen, now_ns)),
            lease_remaining_ms: seen
                .filter(|seen| seen.state != HolderState::Idle && seen.state != HolderState::Asking)
                .map(|seen| seen.lease_until_ns.saturating_sub(now_ns) as f64 / 1e6),
        }
    }

    fn counters(&self, view: &View) -> BTreeMap<String, u64> {
        let kernel = self.counters.read().unwrap_or_default();
        let mut counters: BTreeMap<_, _> =
            kernel.into_iter().map(|(reason, count)| (reason.name().to_owned(), count)).collect();
        let agent = [
            ("agent_refused_datagrams", view.tally.refused_datagrams),
            ("agent_send_errors", view.tally.send_errors),
            ("agent_lost_notices", view.tally.lost_notices),
            ("agent_worst_lateness_ns", view.tally.worst_lateness_ns),
            ("engine_unknown_node", view.ignored.unknown_node),
            ("engine_unknown_service", view.ignored.unknown_service),
            ("engine_malformed", view.ignored.malformed),
            ("engine_wrong_session", view.ignored.wrong_session),
            ("engine_stale", view.ignored.stale),
            ("engine_unexpected", view.ignored.unexpected),
            ("engine_dropped_messages", view.ignored.dropped_messages),
            ("engine_late_ticks", view.ignored.late_ticks),
        ];
        counters.extend(agent.map(|(name, count)| (name.to_owned(), count)));
        counters
    }
}

/// Nobody probes witnesses and gateways: they live as long as they are heard.
fn is_alive(seen: &NodeView, silence_ms: Option<f64>, config: &Config) -> bool {
    let is_probed = match config.node(seen.id).map(|node| node.role) {
        Some(Role::Member) => true,
        Some(Role::Witness | Role::Gateway) | None => false,
    };
    let limit_ms = config.agent.agent_timeout.as_secs_f64() * 1e3;
    seen.is_alive || (!is_probed && silence_ms.is_some_and(|silence_ms| silence_ms < limit_ms))
}

/// Why a node is not available; `seen` is nothing for one that does not live.
fn reasons(role: Role, seen: Option<&NodeView>) -> Vec<UnavailableReason> {
    match seen {
        None => vec![UnavailableReason::Dead],
        Some(seen) if role != Role::Member || seen.is_available => Vec::new(),
        Some(seen) if seen.is_draining => vec![UnavailableReason::Drained],
        Some(_) => vec![UnavailableReason::Serving],
    }
}

fn state(seen: &ServiceView, now_ns: u64) -> ServiceState {
    match seen.state {
        HolderState::Owner | HolderState::Raising if seen.lease_until_ns > now_ns => ServiceState::Serving,
        HolderState::Owner | HolderState::Raising => ServiceState::Fenced,
        HolderState::Tentative | HolderState::Asking => ServiceState::Claiming,
        HolderState::Idle if seen.owner.owner().is_some() => ServiceState::Elsewhere,
        HolderState::Idle => ServiceState::Unowned,
    }
}

fn attachment(mode: Mode) -> XdpAttachment {
    match mode {
        Mode::Native => XdpAttachment::Native,
        Mode::Generic => XdpAttachment::Generic,
    }
}

fn scheduling(class: SchedulingClass) -> Scheduling {
    match class {
        SchedulingClass::Deadline => Scheduling::Deadline,
        SchedulingClass::Fifo => Scheduling::Fifo,
        SchedulingClass::Normal => Scheduling::Normal,
    }
}

fn safety(safety: Safety) -> &'static str {
    match safety {
        Safety::Quorum => "quorum",
        Safety::BestEffort => "best-effort",
    }
}
