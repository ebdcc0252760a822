//! What `afc status` shows: the fast path's view, the kernel's counters and the configuration, put together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use afc_ebpf::identity::{Epoch, NodeId};
use afc_engine::view::{HolderState, NodeView, ServiceView, Watch};
use tokio::sync::watch;

use super::{
    lists::{self, Board, Posted},
    start::Agent,
};
use crate::{
    clock,
    cluster::{ClusterHandle, Command, assessment::NodeAssessment},
    config::{Config, NodeConfig, Role, Safety, ServiceConfig},
    control::{Duty, server::ControlSource},
    datapath::{self, Counters, InterfaceMode, Mode},
    events::EventLog,
    heartbeat::{scheduling::SchedulingClass, view::View},
    lists::{Explanation, ListMatrix},
    repository::Repository,
    status::{
        BackupStatus, HeartbeatCount, NodeStatus, RoundTrip, Scheduling, ServiceState, ServiceStatus, Status,
        UnavailableReason, Utilization, XdpAttachment,
    },
};

/// How long another node may take for a command: less than the client waits.
const COMMAND_PATIENCE: Duration = Duration::from_secs(4);

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
    /// The same by the wall clock, which may be set since.
    pub(super) started_at: SystemTime,
    pub(super) board: Arc<Board>,
    pub(super) cluster: ClusterHandle,
    pub(super) repository: Arc<Repository>,
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
            started_at: SystemTime::now(),
            board: Arc::clone(&self.discovery.board),
            cluster: self.discovery.cluster.clone(),
            repository: Arc::clone(&self.disk.repository),
        }
    }
}

impl ControlSource for AgentStatus {
    fn events(&self) -> &EventLog {
        &self.events
    }

    fn lists(&self) -> ListMatrix {
        lists::matrix(&self.config, &self.board.posted())
    }

    fn subscribe_lists(&self) -> watch::Receiver<u64> {
        self.board.versions()
    }

    fn explain(&self, service: &str) -> Result<Explanation, String> {
        let explained = lists::explanation(&self.config, &self.board.posted(), service, clock::boottime_ns());
        explained.ok_or_else(|| unknown_service(&self.config, service))
    }

    async fn move_service(&self, service: &str, node: &str) -> Result<String, String> {
        let known = self.member(node)?;
        let services = &self.config.services;
        let Some(wanted) = services.iter().find(|known| known.name == service) else {
            return Err(unknown_service(&self.config, service));
        };
        let command = Command::Take { service: wanted.id };
        let done = self.cluster.command(known.id, command, COMMAND_PATIENCE).await;
        done.map_err(|error| format!("{node} did not take it: {error}"))?;
        Ok(format!("{node} serves {service}"))
    }

    async fn set_duty(&self, node: &str, duty: Duty) -> Result<String, String> {
        let known = self.member(node)?;
        let drained = duty == Duty::Drained;
        let command = Command::Drain { node: known.id, drained };
        let done = self.cluster.command(known.id, command, COMMAND_PATIENCE).await;
        done.map_err(|error| format!("{node} did not take it: {error}"))?;
        Ok(match duty {
            Duty::Drained => {
                format!("{node} takes nothing over any more, and gives away what others can serve")
            }
            Duty::InService => format!("{node} is in service again"),
        })
    }

    fn status(&self) -> Status {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.refresh_leases(&mut view);
        let now_ns = clock::boottime_ns();
        let config = &self.config;
        let posted = self.board.posted();
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
            nodes: config.nodes.iter().map(|node| self.node(node, &view, &posted, now_ns)).collect(),
            services: config
                .services
                .iter()
                .map(|service| self.service(service, &view, &posted, now_ns))
                .collect(),
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
    /// A node that an operator named.
    fn member(&self, name: &str) -> Result<&NodeConfig, String> {
        let members = || self.config.nodes.iter().filter(|known| known.role == Role::Member);
        members().find(|known| known.name == name).ok_or_else(|| {
            let names: Vec<_> = members().map(|known| known.name.as_str()).collect();
            format!("there is no member {name:?}: name one of {}", names.join(", "))
        })
    }

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

    fn node(&self, node: &NodeConfig, view: &View, posted: &Posted, now_ns: u64) -> NodeStatus {
        let seen = view.nodes.iter().find(|seen| seen.id == node.id);
        let is_me = node.id == self.config.agent.node;
        let round_trips = self.maps.round_trips(node.id);
        let quantile = |per_mille| round_trips.quantile_ns(per_mille).map(|ns| ns as f64 / 1e3);
        let rtt_us = quantile(500).zip(quantile(990)).map(|(p50, p99)| RoundTrip { p50, p99 });
        let heard_ns = self.maps.heard(node.id).heard_ns;
        let silence_ms = (!is_me && heard_ns != 0).then(|| now_ns.saturating_sub(heard_ns) as f64 / 1e6);
        let heartbeats = view.heartbeats.iter().find(|(other, _)| *other == node.id);
        let assessed = posted.assessment.nodes.get(&node.id);
        let alive = seen.is_some_and(|seen| is_alive(seen, silence_ms, assessed, &self.config));
        let reasons = reasons(node.role, seen.filter(|_| alive), assessed);
        let state = posted.records.get(&node.id).map(|known| &known.record.state);
        NodeStatus {
            name: node.name.clone(),
            id: node.id.0,
            role: node.role,
            alive,
            available: node.role == Role::Member && reasons.is_empty(),
            reasons,
            rtt_us,
            utilization: state.and_then(|state| state.utilization).map(|used| Utilization {
                cpu: used.cpu,
                memory_available_bytes: used.memory_available_bytes,
                iops: used.iops,
                load: used.load,
            }),
            address: node.address.to_string(),
            silence_ms,
            heartbeats: heartbeats
                .map(|(_, count)| HeartbeatCount { sent: count.sent, answered: count.answered }),
        }
    }

    fn service(&self, service: &ServiceConfig, view: &View, posted: &Posted, now_ns: u64) -> ServiceStatus {
        let seen = view.services.iter().find(|seen| seen.id == service.id);
        let name = |node: NodeId| self.config.node_name(node);
        let owner = seen.map(|seen| seen.owner).filter(|word| word.owner().is_some());
        // In the order of the lists, once there are lists.
        let listed: Vec<_> = match posted.lists.service(service.id) {
            Some(list) => list.backups.iter().map(|backup| backup.node).collect(),
            None => service.candidates.iter().skip(1).copied().collect(),
        };
        let backup = |node: &NodeConfig| {
            let status = self.node(node, view, posted, now_ns);
            BackupStatus { node: status.name, available: status.available, reasons: status.reasons }
        };
        ServiceStatus {
            name: service.name.clone(),
            home: name(service.home),
            owner: owner.map(|word| name(word.owner())),
            epoch: owner.map_or(0, |word| word.epoch().counter()),
            addresses: service.addresses.iter().map(ToString::to_string).collect(),
            backups: listed.into_iter().filter_map(|id| self.config.node(id)).map(backup).collect(),
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
        let (discovery, disk) = (&self.cluster.snapshot().discovery, self.repository.stats());
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
            ("lists_differing", self.board.posted().differing.len() as u64),
            ("discovery_acknowledged", discovery.buckets.iter().sum()),
            ("discovery_worst_ns", discovery.worst_ns),
            ("repository_bytes", disk.file_bytes),
            ("repository_commits", disk.commits),
            ("repository_failed_commits", disk.failed_commits),
            ("repository_worst_sync_ns", disk.worst_sync.as_nanos() as u64),
            ("repository_damaged_files", disk.damaged_files),
            ("repository_set_aside", disk.set_aside),
        ];
        let controller = self.cluster.counters().iter();
        counters.extend(agent.into_iter().chain(controller).map(|(name, count)| (name.to_owned(), count)));
        counters
    }
}

fn unknown_service(config: &Config, name: &str) -> String {
    let known: Vec<_> = config.services.iter().map(|known| known.name.as_str()).collect();
    format!("there is no service {name:?}: name one of {}", known.join(", "))
}

/// What heartbeats say of those that this node probes. Of the others, what it hears of their own probes, and what the
/// cluster makes of them: they live as long as somebody hears them.
fn is_alive(
    seen: &NodeView,
    silence_ms: Option<f64>,
    assessed: Option<&NodeAssessment>,
    config: &Config,
) -> bool {
    let limit_ms = config.agent.agent_timeout.as_secs_f64() * 1e3;
    let is_heard = || silence_ms.is_some_and(|silence_ms| silence_ms < limit_ms);
    let is_known = || assessed.is_some_and(|node| node.version.is_some() && !node.is_dead());
    match seen.watch {
        Some(Watch::Alive) => true,
        Some(Watch::Suspected) => false,
        None => seen.is_alive || is_heard() || is_known(),
    }
}

/// Why a node is not available; `seen` is nothing for one that does not live. Until its record has come, its heartbeats
/// say.
fn reasons(role: Role, seen: Option<&NodeView>, assessed: Option<&NodeAssessment>) -> Vec<UnavailableReason> {
    let Some(seen) = seen else {
        return vec![UnavailableReason::Dead];
    };
    if role != Role::Member {
        return Vec::new();
    }
    if let Some(node) = assessed.filter(|node| node.version.is_some()) {
        return node.reasons.without(UnavailableReason::Dead).iter().collect();
    }
    match (seen.is_available, seen.is_draining) {
        (true, _) => Vec::new(),
        (false, true) => vec![UnavailableReason::Drained],
        (false, false) => vec![UnavailableReason::Serving],
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
