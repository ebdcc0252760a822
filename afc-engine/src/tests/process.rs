//! The process of one simulated machine: what its runtime does in one run, as the agent's fast path does it.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    wire::Kind,
};

use super::{
    kernel::Notice,
    machine::{Doubting, Machine, Want},
};
use crate::{
    Effect, Engine, Event, Role, Safety,
    effect::{Cause, DropCause, Leases},
    message::Message,
    table::ServiceAt,
};

/// The dead man's time: short, so that runs reach beyond it.
const AGENT_TIMEOUT_NS: u64 = 150_000_000;
/// How far BOOTTIME may run ahead of MONOTONIC before the runtime believes that the machine was suspended.
const SUSPEND_NS: u64 = 1_000_000;

/// Whether a run looks at the clock before it looks into its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockFirst {
    Yes,
    No,
}

impl Machine {
    /// The process runs: what waits in its socket, then the clock (or after a pause the other way round).
    pub(super) fn run(&mut self, clock_first: ClockFirst, world_ns: u64, wants: &mut Vec<Want>) {
        if self.is_in_doubt(world_ns, wants) {
            return;
        }
        self.kernel.agent_until_ns = self.clock.at(world_ns) + AGENT_TIMEOUT_NS;
        if clock_first == ClockFirst::Yes {
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
        while let Some(event) = self.orders.pop_front() {
            self.hand_in(event, world_ns, wants);
        }
        self.look_at_deadline();
        self.tick_if_due(world_ns, wants);
    }

    /// "In doubt, abort": the first thing that each run looks at. Whether the process ended itself.
    fn is_in_doubt(&mut self, world_ns: u64, wants: &mut Vec<Want>) -> bool {
        if self.clock.ahead_ns() <= self.ahead_ns + SUSPEND_NS {
            return false;
        }
        self.ahead_ns = self.clock.ahead_ns();
        match self.doubting {
            Doubting::Ends => {
                self.kernel.agent_until_ns = 0;
                self.kill();
                wants.push(Want::Start);
                true
            }
            Doubting::GoesOn => {
                let session = self.rng.u64(1..);
                self.renew_session(session);
                self.hand_in(Event::Doubt { session }, world_ns, wants);
                false
            }
        }
    }

    fn tick_if_due(&mut self, world_ns: u64, wants: &mut Vec<Want>) {
        let now_ns = self.clock.at(world_ns);
        if self.due_ns.is_none_or(|due_ns| now_ns < due_ns) {
            return;
        }
        // What has not changed would be heard in vain.
        while let Some(heard) = self.kernel.next_heard() {
            self.hand_in(Event::Heard(heard), world_ns, wants);
        }
        // A drop on the way moves the list; what is passed over is read at the next tick.
        let mut position = 0;
        while let Some(place) = { self.kernel.held().nth(position) } {
            self.hand_in(self.lease(self.kernel.services[place].id), world_ns, wants);
            position += 1;
        }
        self.hand_in(Event::Tick, world_ns, wants);
        self.look_at_deadline();
    }

    fn lease(&self, service: ServiceId) -> Event {
        let entry = &self.kernel.services[self.place(service)];
        Event::Lease { service, word: OwnerWord(entry.holding.word), until_ns: entry.lease_until_ns }
    }

    fn hand_in(&mut self, event: Event, world_ns: u64, wants: &mut Vec<Want>) {
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
            engine.drop_holding(at, DropCause::Refused, now_ns);
        });
    }

    fn force(
        &mut self,
        service: usize,
        world_ns: u64,
        wants: &mut Vec<Want>,
        what: impl Fn(&mut Engine, ServiceAt, u64),
    ) {
        // Who does not run cannot do anything; who runs looks at its clock first.
        if !self.runs(world_ns) || self.is_in_doubt(world_ns, wants) {
            return;
        }
        let now_ns = self.clock.at(world_ns);
        let Some(engine) = self.engine.as_mut() else { return };
        let at = engine.services.find(self.kernel.services[service].id).expect("configured");
        what(engine, at, now_ns);
        self.kernel.flags = engine.flags();
        self.carry_out(world_ns, wants);
        self.look_at_deadline();
    }

    /// Does what the engine asked for.
    pub(super) fn carry_out(&mut self, world_ns: u64, wants: &mut Vec<Want>) {
        let now_ns = self.clock.at(world_ns);
        while let Some(effect) = self.engine.as_mut().and_then(Engine::poll_effect) {
            if self.dies_now() {
                wants.push(Want::Start);
                return self.kill();
            }
            match effect {
                Effect::Send(message) => {
                    let sent_ns = self.sent_ns(message.kind, now_ns);
                    wants.push(Want::Send(Message { sent_ns, ..message }));
                }
                Effect::Hold { service, epoch, leases } => self.hold(service, epoch, leases, now_ns),
                Effect::Drop { service } => self.kernel.drop_holding(self.place(service)),
                Effect::Own { service, word } => self.kernel.own(self.place(service), word),
                Effect::Record { service, record } => {
                    let place = self.place(service);
                    self.kernel.services[place].record = record;
                }
                Effect::ReserveFloor { service, counter } => {
                    self.disk.begin(service, counter);
                    wants.push(Want::WriteFloor(service, counter));
                }
                Effect::GratuitousArp { .. } => self.gratuitous_arps += 1,
                Effect::HandOver { service, next, handover } => {
                    // It leaves through the kernel, which drops.
                    self.kernel.drop_holding(self.place(service));
                    self.kernel.own(self.place(service), next);
                    wants.push(Want::Send(Message { sent_ns: now_ns, ..handover }));
                }
                Effect::Ask { service, word, since_ns } => {
                    let place = self.place(service);
                    let others = self.others(place);
                    self.kernel.ask(place, word, &others, since_ns);
                }
                Effect::Prepare { service, offer } => wants.push(Want::Take(service, offer)),
                Effect::Report(report) => {
                    self.reports.push((world_ns, report));
                    wants.push(Want::Look);
                }
                Effect::Stopped => {
                    self.has_stopped = true;
                    self.kernel = self.blank_kernel();
                    self.kill();
                }
            }
        }
    }

    /// When the engine wants to tick next.
    pub(super) fn look_at_deadline(&mut self) {
        self.due_ns = self.engine.as_ref().and_then(Engine::poll_timeout);
    }

    /// Whether the process gets no further than this effect.
    fn dies_now(&mut self) -> bool {
        let Some(left) = &mut self.dies_after else { return false };
        *left = left.saturating_sub(1);
        *left == 0
    }

    fn hold(&mut self, service: ServiceId, epoch: Epoch, leases: Leases, now_ns: u64) {
        let place = self.place(service);
        assert_eq!(self.setup.role, Role::Member);
        self.kernel.hold(place, epoch, &self.others(place), leases, now_ns);
    }

    /// The voters whose leases count.
    fn others(&self, place: usize) -> Vec<NodeId> {
        let voters = &self.setup.services[place].voters;
        match self.setup.safety {
            Safety::Quorum => voters.iter().copied().filter(|voter| *voter != self.setup.node).collect(),
            Safety::BestEffort => Vec::new(),
        }
    }

    /// PROBEs have strictly increasing times, as the kernel takes only one REPLY for each.
    fn sent_ns(&mut self, kind: Kind, now_ns: u64) -> u64 {
        if kind != Kind::Probe {
            return now_ns;
        }
        self.last_probe_ns = now_ns.max(self.last_probe_ns + 1);
        self.last_probe_ns
    }
}
