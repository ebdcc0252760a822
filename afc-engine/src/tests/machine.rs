//! One simulated machine: a clock of its own, a kernel that goes on by itself, a process that may pause or
//! die, a disk.

use std::collections::VecDeque;

use afc_ebpf::{
    identity::{NodeId, OwnerWord, ServiceId},
    wire::Kind,
};

use super::{
    kernel::{Kernel, Notice},
    shape::Bug,
};
use crate::{
    Adopted, Effect, Engine, Event, Floor, Restored, Role, Safety, Setup,
    effect::{Cause, DropCause, Leases, Report},
    message::{Message, Slot, Slots},
    table::ServiceAt,
};

/// The dead man's time: short, so that runs reach beyond it.
const AGENT_TIMEOUT_NS: u64 = 150_000_000;

/// One machine.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) setup: Setup,
    pub(super) clock: Clock,
    pub(super) kernel: Kernel,
    pub(super) is_powered: bool,
    pub(super) engine: Option<Engine>,
    /// The process is stopped (SIGSTOP, a busy machine) until then, in world time.
    pub(super) paused_until_ns: u64,
    inbox: VecDeque<Message>,
    notices: Vec<Notice>,
    last_probe_ns: u64,
    /// Counter reserved for each service.
    disk: Vec<u32>,
    /// What the engine reported, and when in world time.
    pub(super) reports: Vec<(u64, Report)>,
    pub(super) gratuitous_arps: u64,
    pub(super) has_stopped: bool,
    pub(super) bug: Option<Bug>,
}

/// A clock that starts anywhere and runs up to 11 % fast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) offset_ns: u64,
    pub(super) per_mille: u64,
    /// World time at boot.
    pub(super) boot_ns: u64,
}

impl Clock {
    pub(super) fn at(&self, world_ns: u64) -> u64 {
        self.offset_ns + (world_ns - self.boot_ns) * self.per_mille / 1000
    }

    /// The first world time at which this clock shows `local_ns` or more.
    pub(super) fn world(&self, local_ns: u64) -> u64 {
        self.boot_ns + (local_ns.saturating_sub(self.offset_ns) * 1000).div_ceil(self.per_mille)
    }
}

/// What a machine wants of the world.
#[derive(Clone, Debug)]
pub(super) enum Want {
    Send(Message),
    WriteFloor(ServiceId, u32),
}

impl Machine {
    pub(super) fn new(setup: Setup, clock: Clock) -> Self {
        let ids: Vec<ServiceId> = setup.services.iter().map(|service| service.id).collect();
        Self {
            kernel: Kernel::new(setup.node, setup.lease_ns, &ids, setup.nodes.len()),
            disk: vec![0; ids.len()],
            setup,
            clock,
            is_powered: false,
            engine: None,
            paused_until_ns: 0,
            inbox: VecDeque::new(),
            notices: Vec::new(),
            last_probe_ns: 0,
            reports: Vec::new(),
            gratuitous_arps: 0,
            has_stopped: false,
            bug: None,
        }
    }

    pub(super) fn id(&self) -> NodeId {
        self.setup.node
    }

    pub(super) fn runs(&self, world_ns: u64) -> bool {
        self.is_powered && self.engine.is_some() && world_ns >= self.paused_until_ns
    }

    /// Everything in memory is gone; in best case the clock starts somewhere else.
    pub(super) fn power_off(&mut self) {
        self.kernel = self.blank_kernel();
        self.is_powered = false;
        self.last_probe_ns = 0;
        self.kill();
    }

    fn blank_kernel(&self) -> Kernel {
        let ids: Vec<ServiceId> = self.setup.services.iter().map(|service| service.id).collect();
        Kernel::new(self.setup.node, self.setup.lease_ns, &ids, self.setup.nodes.len())
    }

    /// The process dies, the kernel goes on.
    pub(super) fn kill(&mut self) {
        self.engine = None;
        self.inbox.clear();
        self.notices.clear();
        self.paused_until_ns = 0;
    }

    /// The agent starts: within the dead man's time it adopts the maps, else it starts a session.
    pub(super) fn start(&mut self, session: u64, world_ns: u64, wants: &mut Vec<Want>) {
        let now_ns = self.clock.at(world_ns);
        let adopts = self.kernel.session != 0 && now_ns < self.kernel.agent_until_ns;
        let floors = self.setup.services.iter().zip(&self.disk);
        let mut restored = Restored {
            floors: floors.map(|(service, reserved)| Floor::from_reserved(service.id, *reserved)).collect(),
            adopted: adopts.then(|| self.adopted()),
        };
        if self.bug == Some(Bug::FloorLost) {
            for floor in &mut restored.floors {
                floor.epoch = afc_ebpf::identity::Epoch::ZERO;
            }
        }
        if self.bug == Some(Bug::RecordsLost) {
            for adopted in restored.adopted.iter_mut().flatten() {
                if adopted.holding.is_none() {
                    adopted.record = afc_ebpf::layout::Record::default();
                }
            }
        }
        if !adopts {
            self.kernel = self.blank_kernel();
            self.setup.session = session;
        }
        self.kernel.bug = self.bug;
        self.is_powered = true;
        self.has_stopped = false;
        let mut engine = Engine::new(self.setup.clone(), restored, now_ns);
        match self.bug {
            Some(Bug::NoQuarantine) => engine.quarantine_until_ns = 0,
            Some(Bug::GuardBelowLease) => engine.timing.guard_ns = self.setup.lease_ns * 3 / 4,
            Some(Bug::GuardWithoutMargin) => engine.timing.guard_ns = self.setup.lease_ns,
            _ => {}
        }
        self.engine = Some(engine);
        self.carry_out(world_ns, wants);
        self.kernel.session = self.setup.session;
    }

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
                owner: entry.word,
            })
            .collect()
    }

    /// A packet arrives: the kernel first, whatever the process does.
    pub(super) fn receive(&mut self, message: &Message, world_ns: u64, wants: &mut Vec<Want>) {
        if !self.is_powered {
            return;
        }
        let outcome = self.kernel.receive(message, self.clock.at(world_ns));
        wants.extend(outcome.answer.map(Want::Send));
        if self.engine.is_none() {
            return;
        }
        self.notices.extend(outcome.notices);
        if outcome.to_agent {
            self.inbox.push_back(self.as_bug_has_it(message));
        }
        if self.runs(world_ns) {
            self.run(false, world_ns, wants);
        }
    }

    fn as_bug_has_it(&self, message: &Message) -> Message {
        if self.bug != Some(Bug::ReleaseOfAnyEpoch) || message.kind != Kind::Release {
            return *message;
        }
        let mut slots = Slots::new();
        for slot in message.slots.as_slice() {
            let recorded = OwnerWord(self.kernel.services[self.place(slot.service)].record.word);
            let word = if recorded.owner() == message.from { recorded } else { slot.word };
            slots.push(Slot { word, ..*slot }).unwrap();
        }
        Message { slots, ..*message }
    }

    /// The process runs: what waits in its socket, then the clock (or after a pause the other way round).
    pub(super) fn run(&mut self, clock_first: bool, world_ns: u64, wants: &mut Vec<Want>) {
        let now_ns = self.clock.at(world_ns);
        self.kernel.agent_until_ns = now_ns + AGENT_TIMEOUT_NS;
        if clock_first {
            self.tick_if_due(world_ns, wants);
        }
        for notice in std::mem::take(&mut self.notices) {
            let event = match notice {
                Notice::Lease(service) => self.lease(service),
                Notice::Adopted(service, word) => Event::Adopted { service, word },
            };
            self.hand_in(event, world_ns, wants);
        }
        while let Some(message) = self.inbox.pop_front() {
            self.hand_in(Event::Received(message), world_ns, wants);
        }
        self.tick_if_due(world_ns, wants);
    }

    fn tick_if_due(&mut self, world_ns: u64, wants: &mut Vec<Want>) {
        let now_ns = self.clock.at(world_ns);
        let due_ns = self.engine.as_ref().and_then(Engine::poll_timeout);
        if due_ns.is_none_or(|due_ns| now_ns < due_ns) {
            return;
        }
        for place in 1..self.kernel.heard.len() {
            self.hand_in(Event::Heard(self.kernel.heard[place]), world_ns, wants);
        }
        for place in 0..self.kernel.services.len() {
            let id = self.kernel.services[place].id;
            self.hand_in(self.lease(id), world_ns, wants);
        }
        self.hand_in(Event::Tick, world_ns, wants);
    }

    fn lease(&self, service: ServiceId) -> Event {
        let entry = self.kernel.services.iter().find(|entry| entry.id == service).expect("configured");
        Event::Lease { service, word: OwnerWord(entry.holding.word), until_ns: entry.lease_until_ns }
    }

    pub(super) fn hand_in(&mut self, event: Event, world_ns: u64, wants: &mut Vec<Want>) {
        let now_ns = self.clock.at(world_ns);
        let Some(engine) = &mut self.engine else { return };
        engine.handle(event, now_ns);
        self.kernel.flags = engine.flags();
        self.carry_out(world_ns, wants);
    }

    /// Claims at once, without vacancy, rank or trial. Only the voter's rule stands in the way.
    pub(super) fn claim(&mut self, service: usize, world_ns: u64, wants: &mut Vec<Want>) {
        self.force(service, world_ns, wants, |engine, at, now_ns| {
            if engine.is_candidate(at) {
                engine.claim(at, Cause::NoOwner, now_ns);
            }
        });
    }

    /// Drops and releases for no reason.
    pub(super) fn give_up(&mut self, service: usize, world_ns: u64, wants: &mut Vec<Want>) {
        self.force(service, world_ns, wants, |engine, at, now_ns| {
            engine.drop_holding(at, DropCause::HandedBack, now_ns);
        });
    }

    fn force(
        &mut self,
        service: usize,
        world_ns: u64,
        wants: &mut Vec<Want>,
        what: impl Fn(&mut Engine, ServiceAt, u64),
    ) {
        let now_ns = self.clock.at(world_ns);
        let Some(engine) = self.engine.as_mut().filter(|_| world_ns >= self.paused_until_ns) else {
            return;
        };
        let at = engine.services.find(self.kernel.services[service].id).expect("configured");
        what(engine, at, now_ns);
        self.kernel.flags = engine.flags();
        self.carry_out(world_ns, wants);
    }

    fn carry_out(&mut self, world_ns: u64, wants: &mut Vec<Want>) {
        let now_ns = self.clock.at(world_ns);
        while let Some(effect) = self.engine.as_mut().and_then(Engine::poll_effect) {
            match effect {
                Effect::Send(message) => {
                    let sent_ns = self.sent_ns(message.kind, now_ns);
                    wants.push(Want::Send(Message { sent_ns, ..message }));
                }
                Effect::Hold { service, epoch, leases } => self.hold(service, epoch, leases, now_ns),
                Effect::Drop { service } => {
                    if self.bug != Some(Bug::DropNotInTheKernel) {
                        self.kernel.drop_holding(self.place(service));
                    }
                }
                Effect::Own { service, word } => {
                    let skipped = self.bug == Some(Bug::DropNotInTheKernel) && !word.owner().is_some();
                    if !skipped {
                        self.kernel.own(self.place(service), word);
                    }
                }
                Effect::Record { service, record } => {
                    let place = self.place(service);
                    self.kernel.services[place].record = record;
                }
                Effect::ReserveFloor { service, counter } => wants.push(Want::WriteFloor(service, counter)),
                Effect::GratuitousArp { .. } => self.gratuitous_arps += 1,
                Effect::Report(report) => self.reports.push((world_ns, report)),
                Effect::Stopped => {
                    self.has_stopped = true;
                    self.kernel = self.blank_kernel();
                    self.kill();
                }
            }
        }
    }

    fn hold(&mut self, service: ServiceId, epoch: afc_ebpf::identity::Epoch, leases: Leases, now_ns: u64) {
        let place = self.place(service);
        let voters = &self.setup.services[place].voters;
        let others: Vec<NodeId> = match self.setup.safety {
            Safety::Quorum => voters.iter().copied().filter(|voter| *voter != self.setup.node).collect(),
            Safety::BestEffort => Vec::new(),
        };
        assert_eq!(self.setup.role, Role::Member);
        self.kernel.hold(place, epoch, &others, leases, now_ns);
    }

    /// PROBEs have strictly increasing times, as the kernel takes only one REPLY for each.
    fn sent_ns(&mut self, kind: Kind, now_ns: u64) -> u64 {
        if kind != Kind::Probe {
            return now_ns;
        }
        self.last_probe_ns = now_ns.max(self.last_probe_ns + 1);
        self.last_probe_ns
    }

    fn place(&self, service: ServiceId) -> usize {
        self.kernel.services.iter().position(|entry| entry.id == service).expect("configured")
    }

    pub(super) fn floor_written(&mut self, service: ServiceId, counter: u32) {
        let place = self.place(service);
        self.disk[place] = self.disk[place].max(counter);
    }
}
