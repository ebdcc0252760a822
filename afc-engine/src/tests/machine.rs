//! One simulated machine: a clock of its own, a kernel that goes on by itself, a process that may pause, be slow or die,
//! a disk.

use std::collections::VecDeque;

use afc_ebpf::identity::{Epoch, NodeId, OwnerWord, ServiceId};

use super::{
    clock::Clock,
    disk::Disk,
    keeper::Keeper,
    kernel::{Kernel, Notice},
    process::ClockFirst,
};
use crate::{
    Adopted, Engine, Event, Floor, Restored, Setup,
    effect::{Offer, Report},
    message::Message,
};

/// One machine.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) setup: Setup,
    pub(super) clock: Clock,
    pub(super) kernel: Kernel,
    pub(super) disk: Disk,
    pub(super) keeper: Keeper,
    pub(super) is_powered: bool,
    pub(super) engine: Option<Engine>,
    /// Counts the processes that ran here.
    pub(super) incarnation: u64,
    /// The process is stopped (SIGSTOP, a busy machine) until then, in world time;
    pub(super) paused_until_ns: u64,
    /// the whole machine, its kernel too, until then.
    pub(super) asleep_until_ns: u64,
    /// Each wake-up is late by up to this, until then.
    pub(super) late_ns: u64,
    pub(super) late_until_ns: u64,
    pub(super) doubting: Doubting,
    /// The process dies after so many more effects.
    pub(super) dies_after: Option<u32>,
    /// How far the clock was ahead when the process started.
    pub(super) ahead_ns: u64,
    /// When the engine wants to tick, by its clock: as of the last thing that it did.
    pub(super) due_ns: Option<u64>,
    pub(super) inbox: VecDeque<Message>,
    pub(super) orders: VecDeque<Event>,
    pub(super) notices: Vec<Notice>,
    pub(super) last_probe_ns: u64,
    /// What the engine reported, and when in world time.
    pub(super) reports: Vec<(u64, Report)>,
    pub(super) gratuitous_arps: u64,
    pub(super) has_stopped: bool,
    pub(super) rng: fastrand::Rng,
}

/// What the runtime does when it finds its clock in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubting {
    /// As the agent does: the kernel no longer speaks for it, it ends, and is started again.
    Ends,
    /// It goes on with a new session.
    GoesOn,
}

/// What a machine wants of the world.
#[derive(Clone, Debug)]
pub(super) enum Want {
    Send(Message),
    WriteFloor(ServiceId, u32),
    /// To be told to take a service once it is ready to serve it.
    Take(ServiceId, Offer),
    /// To be started again: it ended itself.
    Start,
    /// That its list keeper looks at what its engine reported.
    Look,
}

impl Machine {
    pub(super) fn new(setup: Setup, per_mille: u64) -> Self {
        let ids: Vec<ServiceId> = setup.services.iter().map(|service| service.id).collect();
        Self {
            kernel: Kernel::new(setup.node, setup.lease_ns, &ids, setup.nodes.len()),
            disk: Disk::new(ids.iter().copied()),
            keeper: Keeper::new(setup.node),
            rng: fastrand::Rng::with_seed(setup.seed),
            doubting: if setup.seed.is_multiple_of(2) { Doubting::Ends } else { Doubting::GoesOn },
            setup,
            clock: Clock::new(per_mille),
            is_powered: false,
            engine: None,
            incarnation: 0,
            paused_until_ns: 0,
            asleep_until_ns: 0,
            late_ns: 0,
            late_until_ns: 0,
            dies_after: None,
            ahead_ns: 0,
            due_ns: None,
            inbox: VecDeque::new(),
            orders: VecDeque::new(),
            notices: Vec::new(),
            last_probe_ns: 0,
            reports: Vec::new(),
            gratuitous_arps: 0,
            has_stopped: false,
        }
    }

    pub(super) fn id(&self) -> NodeId {
        self.setup.node
    }

    /// Whether the process gets to run now.
    pub(super) fn runs(&self, world_ns: u64) -> bool {
        self.is_powered && self.engine.is_some() && world_ns >= self.wakes_ns()
    }

    /// From when on the process can run, in world time.
    pub(super) fn wakes_ns(&self) -> u64 {
        self.paused_until_ns.max(self.asleep_until_ns)
    }

    pub(super) fn is_slow(&self, world_ns: u64) -> bool {
        world_ns < self.late_until_ns
    }

    /// Whether packets for a service are served here now, and under which epoch.
    pub(super) fn serves(&self, service: usize, world_ns: u64) -> Option<Epoch> {
        let is_awake = world_ns >= self.asleep_until_ns;
        is_awake.then(|| self.kernel.serves(service, self.clock.at(world_ns))).flatten()
    }

    /// Services of other homes that its kernel lists.
    pub(super) fn held_of_others(&self) -> usize {
        let is_foreign = |place: &usize| {
            let is_held = self.kernel.services[*place].holding.is_held();
            is_held && self.setup.services[*place].home != self.setup.node
        };
        self.kernel.held().filter(is_foreign).count()
    }

    /// Everything in memory is gone.
    pub(super) fn power_off(&mut self) {
        self.kernel = self.blank_kernel();
        self.is_powered = false;
        self.last_probe_ns = 0;
        self.asleep_until_ns = 0;
        self.kill();
    }

    pub(super) fn blank_kernel(&self) -> Kernel {
        let ids: Vec<ServiceId> = self.setup.services.iter().map(|service| service.id).collect();
        Kernel::new(self.setup.node, self.setup.lease_ns, &ids, self.setup.nodes.len())
    }

    /// The process dies, the kernel goes on.
    pub(super) fn kill(&mut self) {
        self.engine = None;
        self.due_ns = None;
        self.inbox.clear();
        self.orders.clear();
        self.notices.clear();
        self.paused_until_ns = 0;
        self.dies_after = None;
        self.disk.crash(&mut self.rng);
    }

    /// The agent starts: within the dead man's time it adopts the maps, else it starts a session.
    pub(super) fn start(&mut self, session: u64, world_ns: u64, wants: &mut Vec<Want>) {
        let now_ns = self.clock.at(world_ns);
        let adopts = self.kernel.session != 0 && now_ns < self.kernel.agent_until_ns;
        let floors = self.disk.floors().iter();
        let restored = Restored {
            floors: floors.map(|(service, reserved)| Floor::from_reserved(*service, *reserved)).collect(),
            adopted: adopts.then(|| self.adopted()),
        };
        if !adopts {
            self.kernel = self.blank_kernel();
            self.setup.session = session;
        }
        self.is_powered = true;
        self.has_stopped = false;
        self.incarnation += 1;
        self.ahead_ns = self.clock.ahead_ns();
        self.keeper.restart(world_ns);
        self.kernel.forget_looks();
        self.engine = Some(Engine::new(self.setup.clone(), restored, now_ns));
        self.carry_out(world_ns, wants);
        self.look_at_deadline();
        // "Its first effects must be done before the kernel answers probes under its session."
        if self.engine.is_some() {
            self.kernel.session = self.setup.session;
        }
    }

    /// A new session; the runtime zeroes the kernel's leases itself.
    pub(super) fn renew_session(&mut self, session: u64) {
        self.setup.session = session;
        self.kernel.session = session;
        for entry in &mut self.kernel.services {
            entry.lease_until_ns = 0;
        }
    }

    fn adopted(&self) -> Vec<Adopted> {
        self.kernel
            .services
            .iter()
            .map(|entry| Adopted {
                service: entry.id,
                record: entry.record,
                holding: OwnerWord(entry.holding.word),
                window_until_ns: entry.holding.window_until_ns,
                owner: entry.word,
            })
            .collect()
    }

    /// A packet arrives: the kernel first, whatever the process does.
    pub(super) fn receive(&mut self, message: &Message, world_ns: u64, wants: &mut Vec<Want>) {
        if !self.is_powered || world_ns < self.asleep_until_ns {
            return;
        }
        let outcome = self.kernel.receive(message, self.clock.at(world_ns));
        wants.extend(outcome.answer.map(Want::Send));
        if self.engine.is_none() {
            return;
        }
        self.notices.extend(outcome.notices);
        if outcome.to_agent {
            self.inbox.push_back(*message);
        }
        if self.has_waiting() && self.runs(world_ns) && !self.is_slow(world_ns) {
            self.run(ClockFirst::No, world_ns, wants);
        }
    }

    /// Whether the process has something to do.
    pub(super) fn has_waiting(&self) -> bool {
        !self.inbox.is_empty() || !self.orders.is_empty() || !self.notices.is_empty()
    }

    /// Something for the engine from the slow path: heard in the process's next run.
    pub(super) fn order(&mut self, event: Event) {
        if self.engine.is_some() {
            self.orders.push_back(event);
        }
    }

    pub(super) fn place(&self, service: ServiceId) -> usize {
        self.kernel.services.binary_search_by_key(&service, |entry| entry.id).expect("configured")
    }
}
