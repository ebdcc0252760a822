//! What the fast path shows of itself: a copy that status readers look at, refreshed every few milliseconds.

use afc_ebpf::identity::NodeId;
use afc_engine::{
    Engine,
    view::{Counters, NodeView, ServiceView},
};

use crate::heartbeat::{scheduling::SchedulingClass, timing::Timings};

/// One moment of the fast path. Created with room for everything, so that a refresh allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// When, BOOTTIME ns; 0 before the first refresh.
    pub at_ns: u64,
    /// How the thread is scheduled.
    pub class: SchedulingClass,
    /// Whether this node and the voters that answer it are a majority.
    pub has_quorum: bool,
    /// The earliest end of the leases that this node serves under, ns.
    pub lowest_lease_until_ns: Option<u64>,
    /// Until when this node neither grants nor claims, ns.
    pub quarantine_until_ns: u64,
    /// Every service, by id.
    pub services: Vec<ServiceView>,
    /// Every node, by number.
    pub nodes: Vec<NodeView>,
    /// Heartbeats with each other node.
    pub heartbeats: Vec<(NodeId, Heartbeats)>,
    /// What the engine ignored.
    pub ignored: Counters,
    /// What went wrong around it.
    pub tally: Tally,
    /// How long things took.
    pub timings: Timings,
}

/// Heartbeats with one node since the start; the difference was lost, or is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heartbeats {
    /// PROBEs sent.
    pub sent: u64,
    /// REPLYs that the kernel recorded.
    pub answered: u64,
}

/// What the fast path lost or could not do, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Datagrams at the heartbeat socket that were no message of this cluster.
    pub refused_datagrams: u64,
    /// Datagrams and gratuitous ARP frames that the kernel would not send.
    pub send_errors: u64,
    /// Reports that found no room on their way to the log.
    pub lost_notices: u64,
    /// The latest that a timer was seen, ns.
    pub worst_lateness_ns: u64,
}

impl View {
    /// An empty view with room for what `engine` will show.
    pub fn with_room_for(engine: &Engine) -> Self {
        // Vectors keep the room that the first copy takes.
        let mut view = Self { heartbeats: Vec::with_capacity(engine.nodes().count()), ..Self::default() };
        view.copy(engine);
        view
    }

    /// Takes over what `engine` shows.
    pub fn copy(&mut self, engine: &Engine) {
        self.has_quorum = engine.has_quorum();
        self.lowest_lease_until_ns = engine.lowest_lease_until_ns();
        self.quarantine_until_ns = engine.quarantine_until_ns();
        self.services.clear();
        self.services.extend(engine.services());
        self.nodes.clear();
        self.nodes.extend(engine.nodes());
        self.ignored = engine.counters();
    }
}
