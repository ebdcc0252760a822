//! What goes wrong in a simulated cluster, or comes back: closed, plain, and written down in plans.

use afc_ebpf::identity::{NodeId, ServiceId};
use serde::{Deserialize, Serialize};

use super::{links::Flap, machine::Machine, shape::Network, world::World};
use crate::{
    Event,
    ranking::{Ranked, Ranking},
};

/// One fault, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fault {
    /// World time, ns.
    pub(super) at_ns: u64,
    pub(super) who: Who,
    pub(super) what: What,
}

/// To whom something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Who {
    Node(u16),
    /// Who serves this service then, else that node.
    ServerOf(usize, u16),
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    /// It powers on if need be, and its agent starts unless it runs.
    Start,
    /// Everybody who is down starts, whoever is named.
    StartAll,
    /// Its agent dies; its kernel goes on.
    Kill,
    /// Its agent dies and starts again.
    Restart,
    /// Its agent dies between two effects, after so many, and starts again.
    Crash { after: u32 },
    /// It goes down with everything in memory.
    PowerOff,
    /// It goes down and comes up at once.
    PowerCycle,
    /// Its agent is told to stop.
    Stop,
    /// Its agent is stopped, as by SIGSTOP; its kernel goes on.
    Pause { for_ns: u64 },
    /// Every run of its agent is late by up to this.
    Slow { late_ns: u64, for_ns: u64 },
    /// The whole machine is suspended; its clock knows afterwards.
    Suspend { for_ns: u64 },
    /// The whole machine stands still, and its clock with it: what no promise covers.
    StandStill { for_ns: u64 },
    /// Its clock steps forward.
    Jump { by_ns: u64 },
    /// Its clock runs at this rate from now on, thousandths of the world's.
    Drift { per_mille: u64 },
    /// Its runtime is in doubt for another reason, as a detached program.
    Doubt { session: u64 },
    /// Its disk answers nothing for so long.
    DiskFails { for_ns: u64 },
    /// It goes down, and its disk is replaced by an empty one.
    DiskLost,
    /// What it sends to another node is lost.
    Cut { to: u16 },
    /// What it sends to another node is lost, and then is not, by turns.
    Flap { to: u16, half_ns: u64, for_ns: u64 },
    /// Nothing goes out and nothing comes in.
    Isolate,
    /// Every link is good again, whoever is named.
    Heal,
    /// From now on the network is like this, whoever is named.
    Network(Network),
    /// Its resources run short, or no longer do.
    Short(bool),
    /// Its operator drains it, or no longer does.
    Drain(bool),
    /// It hears this order of a service's candidates; who is negative is not available.
    Rank { service: usize, order: Vec<i16> },
    /// It is ready to serve and asks the owner for a service.
    Take { service: usize },
    /// It claims although nothing is vacant.
    Claim { service: usize },
    /// It drops and releases what it holds.
    GiveUp { service: usize },
}

impl What {
    /// The service that it names, if it names one.
    pub(super) fn service(&self) -> Option<usize> {
        let (Self::Rank { service, .. }
        | Self::Take { service }
        | Self::Claim { service }
        | Self::GiveUp { service }) = self
        else {
            return None;
        };
        Some(*service)
    }
}

impl World {
    /// Makes it happen, now.
    pub(super) fn suffer(&mut self, who: Who, what: &What) {
        let node = match who {
            Who::Node(node) => node,
            Who::ServerOf(service, node) => self.server(service).unwrap_or(node),
        };
        let now_ns = self.now_ns;
        match what {
            What::Start => self.start(node),
            What::StartAll => self.start_all(),
            What::Kill => self.kill(node),
            What::Restart => self.restart(node),
            What::Crash { after } => self.change(node, |machine| machine.dies_after = Some(*after)),
            What::PowerOff => self.power_off(node),
            What::PowerCycle => self.power_cycle(node),
            What::Stop => self.event(node, Event::Stop),
            What::Pause { for_ns } => self.pause(node, *for_ns),
            What::Slow { late_ns, for_ns } => {
                self.change(node, |machine| {
                    (machine.late_ns, machine.late_until_ns) = (*late_ns, now_ns + for_ns);
                });
            }
            What::Suspend { for_ns } => {
                self.sleep(node, *for_ns, |machine| machine.clock.suspend(*for_ns));
            }
            What::StandStill { for_ns } => {
                let until_ns = now_ns + for_ns;
                self.sleep(node, *for_ns, |machine| machine.clock.stand_still(now_ns, until_ns));
            }
            What::Jump { by_ns } => self.jump(node, *by_ns),
            What::Drift { per_mille } => self.change(node, |machine| machine.clock.drift(*per_mille, now_ns)),
            What::Doubt { session } => self.doubt(node, *session),
            What::DiskFails { for_ns } => {
                self.change(node, |machine| machine.disk.fail_until(now_ns.saturating_add(*for_ns)));
            }
            What::DiskLost => {
                self.power_off(node);
                self.change(node, |machine| machine.disk.lose());
                self.promise.forgives_epochs = true;
            }
            What::Cut { to } => self.links.cut(Self::place(node), Self::place(*to)),
            What::Flap { to, half_ns, for_ns } => {
                let flap = Flap { since_ns: now_ns, half_ns: *half_ns, until_ns: now_ns + for_ns };
                self.links.flap(Self::place(node), Self::place(*to), flap);
            }
            What::Isolate => self.links.isolate(Self::place(node)),
            What::Heal => self.links.heal(),
            What::Network(network) => self.links.network = *network,
            What::Short(is_short) => {
                self.change(node, |machine| machine.keeper.is_short = *is_short);
                self.event(node, Event::Available(!is_short));
            }
            What::Drain(is_drained) => {
                self.change(node, |machine| machine.keeper.is_drained = *is_drained);
                self.event(node, Event::Drained(*is_drained));
            }
            What::Rank { service, order } => self.event(node, ranked(*service, order)),
            What::Take { service } => {
                self.event(node, Event::Take { service: ServiceId(1000 + *service as u32), offer: None });
            }
            What::Claim { service } => {
                self.force(node, |machine, now_ns, wants| machine.claim(*service, now_ns, wants));
            }
            What::GiveUp { service } => {
                self.force(node, |machine, now_ns, wants| machine.give_up(*service, now_ns, wants));
            }
        }
    }

    pub(super) fn start_all(&mut self) {
        for node in 1..=self.machines.len() as u16 {
            self.start(node);
        }
    }

    pub(super) fn kill(&mut self, node: u16) {
        self.change(node, Machine::kill);
    }

    fn restart(&mut self, node: u16) {
        self.kill(node);
        self.start(node);
    }

    fn power_cycle(&mut self, node: u16) {
        self.power_off(node);
        self.start(node);
    }

    pub(super) fn power_off(&mut self, node: u16) {
        self.change(node, Machine::power_off);
    }

    pub(super) fn pause(&mut self, node: u16, for_ns: u64) {
        let until_ns = self.now_ns + for_ns;
        self.change(node, |machine| machine.paused_until_ns = until_ns);
        self.wake(node);
    }

    /// An event from the slow path.
    pub(super) fn event(&mut self, node: u16, event: Event) {
        self.change(node, |machine| machine.order(event));
        self.wake(node);
    }

    /// The runtime finds its machine in doubt: it zeroes the kernel's leases itself, then tells the engine.
    pub(super) fn doubt(&mut self, node: u16, session: u64) {
        if self.machine(node).runs(self.now_ns) {
            self.change(node, |machine| machine.renew_session(session));
            self.event(node, Event::Doubt { session });
        }
    }

    fn sleep(&mut self, node: u16, for_ns: u64, and: impl FnOnce(&mut Machine)) {
        let now_ns = self.now_ns;
        self.change(node, |machine| {
            if machine.is_powered && now_ns >= machine.asleep_until_ns {
                machine.asleep_until_ns = now_ns + for_ns;
                and(machine);
            }
        });
        self.wake(node);
    }

    /// Its next run notices. A jump that no process is there to notice is not covered: an agent that adopts the maps cannot
    /// know of it.
    fn jump(&mut self, node: u16, by_ns: u64) {
        let now_ns = self.now_ns;
        self.change(node, |machine| {
            if machine.engine.is_some() && now_ns >= machine.asleep_until_ns {
                machine.clock.jump(by_ns, now_ns);
            }
        });
    }

    fn change(&mut self, node: u16, what: impl FnOnce(&mut Machine)) {
        what(&mut self.machines[Self::place(node)]);
    }
}

fn ranked(service: usize, order: &[i16]) -> Event {
    let ranked =
        order.iter().map(|node| Ranked { node: NodeId(node.unsigned_abs()), is_available: *node > 0 });
    Event::Ranked { service: ServiceId(1000 + service as u32), ranking: Ranking::new(ranked) }
}
