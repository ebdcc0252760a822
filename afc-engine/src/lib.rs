//! The failover engine: what this node votes, holds, claims and drops (design.md section 2).
//!
//! Sans-IO: [`Engine::handle`] takes an [`Event`] and the time, [`Engine::poll_effect`] gives the [`Effect`]s
//! in the order in which they must be done, [`Engine::poll_timeout`] says when to tick next. It names no
//! clock, socket, task or lock, and cannot fail. Two engines fed the same events at the same times do the
//! same things.
//!
//! What the caller owes, for the promise to hold:
//! - `now_ns` is read *after* the event came in (a guard counts from it), and never goes back;
//! - every effect is carried out, in order, before the next event is handed in;
//! - [`Engine::flags`] is in the kernel's REPLYs before the effects of the same event are done;
//! - [`Event::Heard`] and [`Event::Lease`] come before each [`Event::Tick`], and [`Event::Lease`] as soon as the kernel
//!   reports a majority or a lapse.
//!
//! | file | subject |
//! |---|---|
//! | [`record`] | the voter's rule, pure |
//! | `voter` | REPLYs and claims heard: records, grants, refusals |
//! | `candidate` | when to claim: vacancy, rank, trial |
//! | `offer` | services that their owner gives away, and whose turn it is to come for them |
//! | `holder` | claims, serves, drops |
//! | `handover` | a service goes to the node that asks for it, without a gap |
//! | `raise` | moves an owner to a higher epoch without a gap |
//! | `announce` | ANNOUNCE, RELEASE, gratuitous ARP |
//! | `probing`, `suspicion` | whom to probe, whom to suspect |
//! | `restore` | the start of a session: adoption, quarantine |
//! | [`availability`], [`priority`] | who is a backup, and the lists of all services, pure |
//! | [`ranking`] | what the lists say of one service's candidates |
//! | `floor` | the block of epochs that is safe on disk |
//! | `setup`, `event`, `message`, `effect`, [`view`] | what goes in and comes out |
//! | [`recording`] | what went in and came out, line by line, and its replay |

mod announce;
pub mod availability;
mod candidate;
pub mod effect;
pub mod event;
mod floor;
mod handover;
mod holder;
pub mod message;
mod node;
mod offer;
mod outbox;
pub mod priority;
mod probing;
mod raise;
pub mod ranking;
pub mod record;
pub mod recording;
mod restore;
mod service;
pub mod setup;
mod suspicion;
mod table;
#[cfg(test)]
mod tests;
pub mod view;
mod voter;

pub use effect::Effect;
pub use event::Event;
pub use setup::{Adopted, Floor, Restored, Role, Safety, ServiceSetup, Setup};

use afc_ebpf::{
    identity::{NodeId, OwnerWord, ServiceId},
    lease::guard_ns,
    wire::{Kind, flag},
};

use effect::{DropCause, Report};
use message::{Message, Slots};
use node::Node;
use outbox::Outbox;
use service::Service;
use table::{ServiceAt, Table};
use view::Counters;

/// The failover engine of one node.
#[derive(Clone, Debug)]
pub struct Engine {
    me: NodeId,
    role: Role,
    safety: Safety,
    session: u64,
    timing: Timing,
    capacity: usize,
    /// The runtime's word: no threshold is exceeded.
    is_available: bool,
    /// The operator's word: nothing is taken over, and what is held goes to whoever comes for it.
    is_drained: bool,
    phase: Phase,
    quarantine_until_ns: u64,
    started_ns: u64,
    next_probes_ns: u64,
    probe_rounds: u64,
    last_tick_ns: u64,
    /// The time of the last event.
    now_ns: u64,
    /// Services held, and those of them whose home is another node.
    held: usize,
    held_away: usize,
    /// Something changed that may let this node claim another service at once.
    reconsider: bool,
    nodes: Table<NodeId, Node>,
    services: Table<ServiceId, Service>,
    outbox: Outbox,
    counters: Counters,
    rng: fastrand::Rng,
}

/// The times of the protocol, ns.
#[derive(Clone, Copy, Debug)]
struct Timing {
    lease_ns: u64,
    guard_ns: u64,
    interval_ns: u64,
    start_grace_ns: u64,
}

/// Whether the engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// [`Event::Stop`] was handled: nothing is held, nothing is granted any more.
    Stopped,
}

impl Engine {
    /// An engine at the start of its session, or, with adopted maps, as after a long pause.
    ///
    /// Its first effects must be done before the kernel answers probes under `setup.session`.
    pub fn new(setup: Setup, restored: Restored, now_ns: u64) -> Self {
        let setup = setup.normalised();
        let held_by =
            |node| setup.services.iter().filter(|service| service.candidates.contains(&node)).count();
        let mut engine = Self {
            me: setup.node,
            role: setup.role,
            safety: setup.safety,
            session: setup.session,
            timing: Timing {
                lease_ns: setup.lease_ns,
                guard_ns: guard_ns(setup.lease_ns),
                interval_ns: setup.interval_ns,
                start_grace_ns: setup.start_grace_ns,
            },
            capacity: setup.capacity as usize,
            is_available: setup.role == Role::Member,
            is_drained: false,
            phase: Phase::Running,
            quarantine_until_ns: 0,
            started_ns: now_ns,
            next_probes_ns: now_ns,
            probe_rounds: 0,
            last_tick_ns: now_ns,
            now_ns,
            held: 0,
            held_away: 0,
            reconsider: false,
            nodes: Table::new(
                setup.nodes.iter().map(|(id, role)| (*id, Node::new(*role, held_by(*id)))).collect(),
            ),
            services: Table::new(
                setup.services.into_iter().map(|service| (service.id, Service::new(service))).collect(),
            ),
            outbox: Outbox::new(),
            counters: Counters::default(),
            rng: fastrand::Rng::with_seed(setup.seed),
        };
        engine.restore(&restored, now_ns);
        engine
    }

    /// Takes one event in. `now_ns` is `CLOCK_BOOTTIME`, read after the event came.
    pub fn handle(&mut self, event: Event, now_ns: u64) {
        self.now_ns = now_ns;
        // "Drop first, then tell all": after that a stopped engine says nothing.
        if self.phase == Phase::Stopped {
            return;
        }
        match event {
            Event::Received(message) => self.handle_message(&message, now_ns),
            Event::Heard(heard) => self.handle_heard(&heard, now_ns),
            Event::Lease { service, word, until_ns } => match self.services.find(service) {
                Some(at) => self.handle_lease(at, word, until_ns, now_ns),
                None => self.counters.unknown_service += 1,
            },
            Event::Adopted { service, word } => match self.services.find(service) {
                Some(at) => self.learn_owner(at, word, now_ns),
                None => self.counters.unknown_service += 1,
            },
            Event::FloorReserved { service, counter } => self.handle_floor_reserved(service, counter),
            Event::Available(is_available) => {
                self.is_available = is_available && self.role == Role::Member;
            }
            Event::Drained(is_drained) => {
                self.is_drained = is_drained;
                self.forget_given_away();
            }
            Event::Ranked { service, ranking } => match self.services.find(service) {
                Some(at) => self.services[at].rank(&ranking),
                None => self.counters.unknown_service += 1,
            },
            Event::Take { service, offer } => match self.services.find(service) {
                Some(at) => self.start_take(at, offer, now_ns),
                None => self.counters.unknown_service += 1,
            },
            Event::Doubt { session } => self.handle_doubt(session, now_ns),
            Event::Stop => self.handle_stop(now_ns),
            Event::Tick => self.handle_tick(now_ns),
        }
        if std::mem::take(&mut self.reconsider) && self.phase == Phase::Running {
            self.consider_all(now_ns);
        }
    }

    /// The next effect to carry out.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.outbox.pop()
    }

    /// When to hand in the next [`Event::Tick`], ns; none once stopped. It may lie in the past: then now.
    pub fn poll_timeout(&self) -> Option<u64> {
        match self.phase {
            Phase::Running => Some(self.next_deadline_ns()),
            Phase::Stopped => None,
        }
    }

    fn handle_message(&mut self, message: &Message, now_ns: u64) {
        let Some(from) = self.nodes.find(message.from).filter(|_| message.from != self.me) else {
            self.counters.unknown_node += 1;
            return;
        };
        if message.to != self.me {
            self.counters.malformed += 1;
            return;
        }
        // "One candidate claims one and announces N with that claim, so the next candidate takes the other
        // without waiting for a timer."
        self.reconsider |= self.nodes[from].note_flags(message);
        let is_trial = message.flags & flag::TRIAL != 0;
        let is_unasked = message.flags & flag::UNASKED != 0;
        match message.kind {
            Kind::Probe if is_trial => self.handle_trial_yes(message, now_ns),
            // The kernel answers those.
            Kind::Probe => self.counters.unexpected += 1,
            Kind::Reply if is_unasked && is_trial => self.handle_trial_claim(from, message, now_ns),
            Kind::Reply if is_unasked => self.handle_claim(from, message, now_ns),
            Kind::Reply => self.handle_reply(from, message, now_ns),
            Kind::Refuse => self.handle_refuse(message, now_ns),
            Kind::Announce => self.handle_announce(message, now_ns),
            Kind::Release => self.handle_release(message),
            Kind::Take => self.handle_take(message, now_ns),
            Kind::Handover => self.handle_handover(message, now_ns),
            Kind::Transfer => self.handle_transfer(message, now_ns),
        }
    }

    /// "In doubt, abort: all leases to zero, new session." Records may rest on a clock that jumped: "new
    /// session, empty memory; for G the node neither grants nor claims."
    fn handle_doubt(&mut self, session: u64, now_ns: u64) {
        self.quarantine_until_ns = now_ns.saturating_add(self.timing.guard_ns);
        for at in self.services.places() {
            self.drop_holding(at, DropCause::Doubt, now_ns);
        }
        self.session = session;
        self.started_ns = now_ns;
        self.next_probes_ns = now_ns;
        self.probe_rounds = 0;
        for node in self.nodes.rows_mut() {
            node.forget();
        }
        self.enter_quarantine(now_ns);
    }

    fn handle_stop(&mut self, now_ns: u64) {
        self.phase = Phase::Stopped;
        for at in self.services.places() {
            self.drop_holding(at, DropCause::Stopped, now_ns);
        }
        self.outbox.push(Effect::Stopped);
    }

    /// A message of this node with everything that does not depend on its kind.
    fn message(&self, kind: Kind, to: NodeId) -> Message {
        Message {
            kind,
            flags: self.flags(),
            from: self.me,
            to,
            refusal: None,
            page: 0,
            session: self.session,
            sent_ns: 0,
            echo_ns: 0,
            remaining_ns: 0,
            slots: Slots::new(),
        }
    }

    fn report(&mut self, report: Report) {
        self.outbox.push(Effect::Report(report));
    }

    /// Whether this node may hold a service at all.
    fn is_candidate(&self, at: ServiceAt) -> bool {
        self.services[at].ranking.contains(self.me)
    }

    /// Whether this node votes for a service.
    fn is_voter(&self, at: ServiceAt) -> bool {
        self.services[at].voters.contains(&self.me)
    }

    /// "Best-effort mode gives it up openly"; and the only voter is its own majority. No grant is waited for.
    fn needs_no_grants(&self, at: ServiceAt) -> bool {
        self.safety == Safety::BestEffort || self.services[at].majority_of_others() == 0
    }

    fn is_in_quarantine(&self, now_ns: u64) -> bool {
        now_ns < self.quarantine_until_ns
    }

    /// "Userspace then RELEASEs it and waits a random time."
    fn random_wait_ns(&mut self) -> u64 {
        let least = self.timing.interval_ns;
        self.rng.u64(least..=least.max(self.timing.lease_ns / 2))
    }

    fn word(&self, at: ServiceAt) -> OwnerWord {
        self.services[at].holding.map_or(OwnerWord::NONE, |holding| holding.epoch.owned_by(self.me))
    }
}
