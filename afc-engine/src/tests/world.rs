//! A cluster on one virtual clock: machines, a network that loses, delays, doubles, reorders and cuts, and a
//! checker that looks at the promise after every step.

use afc_ebpf::identity::{Epoch, NodeId, ServiceId};

use super::{
    machine::{Clock, Machine, Want},
    queue::Queue,
    shape::{Bug, MS, Network, Shape},
};
use crate::{Engine, Event, Role, ServiceSetup, Setup, message::Message};

enum What {
    Deliver(Message),
    Run(usize),
    FloorWritten(usize, ServiceId, u32),
}

/// The simulated cluster.
pub(super) struct World {
    pub(super) now_ns: u64,
    pub(super) machines: Vec<Machine>,
    pub(super) network: Network,
    /// `cut[from][to]`.
    cut: Vec<Vec<bool>>,
    queue: Queue<What>,
    /// World time of each machine's next planned run; later ones in the queue are void.
    planned: Vec<u64>,
    pub(super) rng: fastrand::Rng,
    /// Scheduling delay of a run, at most.
    pub(super) late_ns: u64,
    highest_served: Vec<Epoch>,
    last_server: Vec<NodeId>,
    /// How often a service came to another node.
    pub(super) moves: u64,
    pub(super) steps: u64,
    wants: Vec<Want>,
    /// The promise is broken: how.
    pub(super) broken: Option<String>,
    pub(super) bug: Option<Bug>,
    /// In best effort two owners are no breach.
    pub(super) allows_two: bool,
}

impl World {
    pub(super) fn new(shape: &Shape, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let nodes: Vec<(NodeId, Role)> =
            shape.roles.iter().enumerate().map(|(place, role)| (NodeId(place as u16 + 1), *role)).collect();
        let voters: Vec<NodeId> =
            nodes.iter().filter(|(_, role)| *role != Role::Gateway).map(|(id, _)| *id).collect();
        let services: Vec<ServiceSetup> = shape
            .services
            .iter()
            .enumerate()
            .map(|(place, candidates)| ServiceSetup {
                id: ServiceId(1000 + place as u32),
                home: NodeId(candidates[0]),
                candidates: candidates.iter().map(|node| NodeId(*node)).collect(),
                voters: voters.clone(),
                preempt: shape.preempt,
            })
            .collect();
        let machine = |(id, role): &(NodeId, Role)| {
            let setup = Setup {
                node: *id,
                role: *role,
                safety: shape.safety,
                session: 0,
                lease_ns: shape.lease_ns,
                interval_ns: shape.interval_ns,
                nodes: nodes.clone(),
                services: services.clone(),
                capacity: shape.capacity,
                start_grace_ns: shape.start_grace_ns,
                seed: rng.u64(..),
            };
            let clock = Clock {
                offset_ns: rng.u64(1..1_000_000_000_000),
                per_mille: [1000, 1110, rng.u64(1000..=1110)][rng.usize(0..3)],
                boot_ns: 0,
            };
            Machine::new(setup, clock)
        };
        let machines: Vec<Machine> = nodes.iter().map(machine).collect();
        let count = machines.len();
        Self {
            now_ns: 0,
            machines,
            network: Network::GOOD,
            cut: vec![vec![false; count]; count],
            queue: Queue::new(),
            planned: vec![u64::MAX; count],
            rng,
            late_ns: 100_000,
            highest_served: vec![Epoch::ZERO; services.len()],
            last_server: vec![NodeId::NONE; services.len()],
            moves: 0,
            steps: 0,
            wants: Vec::new(),
            broken: None,
            bug: None,
            allows_two: false,
        }
    }

    /// A cluster whose machines have all started and, where a majority lives, whose services are served.
    pub(super) fn settled(shape: &Shape, seed: u64) -> Self {
        let mut world = Self::new(shape, seed);
        for node in 1..=shape.roles.len() as u16 {
            world.start(node);
        }
        world.run_for(150 * MS);
        world
    }

    fn place(node: u16) -> usize {
        usize::from(node) - 1
    }

    pub(super) fn machine(&self, node: u16) -> &Machine {
        &self.machines[Self::place(node)]
    }

    pub(super) fn engine(&self, node: u16) -> &Engine {
        self.machine(node).engine.as_ref().expect("the agent runs")
    }

    /// Powers a machine on if need be, and starts its agent.
    pub(super) fn start(&mut self, node: u16) {
        let place = Self::place(node);
        let session = self.rng.u64(1..);
        let machine = &mut self.machines[place];
        machine.bug = self.bug;
        if !machine.is_powered {
            machine.clock.boot_ns = self.now_ns;
            machine.clock.offset_ns = self.rng.u64(1..1_000_000_000_000);
        }
        machine.start(session, self.now_ns, &mut self.wants);
        self.settle(place);
    }

    pub(super) fn power_off(&mut self, node: u16) {
        self.machines[Self::place(node)].power_off();
    }

    pub(super) fn kill(&mut self, node: u16) {
        self.machines[Self::place(node)].kill();
    }

    pub(super) fn pause(&mut self, node: u16, for_ns: u64) {
        let place = Self::place(node);
        self.machines[place].paused_until_ns = self.now_ns + for_ns;
        self.plan(place, self.now_ns + for_ns);
    }

    pub(super) fn stop(&mut self, node: u16) {
        self.event(node, Event::Stop);
    }

    pub(super) fn event(&mut self, node: u16, event: Event) {
        let place = Self::place(node);
        self.machines[place].hand_in(event, self.now_ns, &mut self.wants);
        self.settle(place);
    }

    /// The runtime finds its machine in doubt: it zeroes the kernel's leases itself, then tells the engine.
    pub(super) fn doubt(&mut self, node: u16, session: u64) {
        self.machines[Self::place(node)].renew_session(session);
        self.event(node, Event::Doubt { session });
    }

    /// A node claims although nothing is vacant.
    pub(super) fn claim(&mut self, node: u16, service: usize) {
        let place = Self::place(node);
        self.machines[place].claim(service, self.now_ns, &mut self.wants);
        self.settle(place);
    }

    /// A node drops and releases what it holds.
    pub(super) fn give_up(&mut self, node: u16, service: usize) {
        let place = Self::place(node);
        self.machines[place].give_up(service, self.now_ns, &mut self.wants);
        self.settle(place);
    }

    pub(super) fn cut(&mut self, from: u16, to: u16, is_cut: bool) {
        self.cut[Self::place(from)][Self::place(to)] = is_cut;
    }

    pub(super) fn isolate(&mut self, node: u16) {
        for other in 1..=self.machines.len() as u16 {
            self.cut(node, other, true);
            self.cut(other, node, true);
        }
    }

    pub(super) fn heal(&mut self) {
        for row in &mut self.cut {
            row.fill(false);
        }
    }

    /// Who serves a service now.
    pub(super) fn server(&self, service: usize) -> Option<u16> {
        self.all_servers(service).first().copied()
    }

    pub(super) fn all_servers(&self, service: usize) -> Vec<u16> {
        let now_ns = |machine: &Machine| machine.clock.at(self.now_ns);
        let serves = |machine: &&Machine| machine.kernel.serves(service, now_ns(machine)).is_some();
        self.machines.iter().filter(serves).map(|machine| machine.id().0).collect()
    }

    pub(super) fn services(&self) -> usize {
        self.highest_served.len()
    }

    pub(super) fn servers(&self) -> Vec<Option<u16>> {
        (0..self.highest_served.len()).map(|service| self.server(service)).collect()
    }

    /// What the machines reported, in the order of time, for a failing seed.
    pub(super) fn story(&self) -> String {
        let told = |machine: &Machine| {
            let id = machine.id().0;
            machine
                .reports
                .iter()
                .map(move |(at_ns, report)| (*at_ns, id, format!("{report:?}")))
                .collect::<Vec<_>>()
        };
        let mut lines: Vec<(u64, u16, String)> = self.machines.iter().flat_map(told).collect();
        lines.sort();
        let line = |(at_ns, id, what): &(u64, u16, String)| {
            format!("{:10.3} ms n{id} {what}\n", *at_ns as f64 / MS as f64)
        };
        lines.iter().map(line).collect()
    }

    pub(super) fn run_for(&mut self, for_ns: u64) {
        let end_ns = self.now_ns + for_ns;
        while self.broken.is_none() && self.step(end_ns) {}
        self.now_ns = end_ns;
    }

    /// Runs until a condition holds; after how long it did.
    pub(super) fn run_until(&mut self, at_most_ns: u64, holds: impl Fn(&Self) -> bool) -> Option<u64> {
        let start_ns = self.now_ns;
        loop {
            if holds(self) {
                return Some(self.now_ns - start_ns);
            }
            if self.broken.is_some() || !self.step(start_ns + at_most_ns) {
                return None;
            }
        }
    }

    fn step(&mut self, end_ns: u64) -> bool {
        let Some((at_ns, what)) = self.queue.pop_by(end_ns) else {
            return false;
        };
        self.now_ns = at_ns;
        self.steps += 1;
        let place = match what {
            What::Deliver(message) => {
                let place = Self::place(message.to.0);
                self.machines[place].receive(&message, at_ns, &mut self.wants);
                place
            }
            What::Run(place) => {
                if self.planned[place] != at_ns {
                    return true;
                }
                self.planned[place] = u64::MAX;
                if self.machines[place].runs(at_ns) {
                    let clock_first = self.rng.bool();
                    self.machines[place].run(clock_first, at_ns, &mut self.wants);
                }
                place
            }
            What::FloorWritten(place, service, counter) => {
                if self.machines[place].engine.is_some() {
                    self.machines[place].floor_written(service, counter);
                    let event = Event::FloorReserved { service, counter };
                    self.machines[place].hand_in(event, at_ns, &mut self.wants);
                }
                place
            }
        };
        self.settle(place);
        true
    }

    /// After a machine did something: its wishes, its next run, and the promise.
    fn settle(&mut self, place: usize) {
        let mut wants = std::mem::take(&mut self.wants);
        for want in wants.drain(..) {
            match want {
                Want::Send(message) => self.send(message),
                Want::WriteFloor(service, counter) => {
                    let took_ns = self.rng.u64(MS / 10..2 * MS);
                    self.queue.push(self.now_ns + took_ns, What::FloorWritten(place, service, counter));
                }
            }
        }
        self.wants = wants;
        let machine = &self.machines[place];
        if let Some(due_ns) = machine.engine.as_ref().and_then(|engine| engine.poll_timeout()) {
            let due_ns = machine.clock.world(due_ns).max(self.now_ns).max(machine.paused_until_ns);
            if self.planned[place] > due_ns + self.late_ns || self.planned[place] <= self.now_ns {
                let late_ns = self.rng.u64(0..=self.late_ns);
                self.plan(place, due_ns + late_ns);
            }
        }
        self.check();
    }

    fn plan(&mut self, place: usize, at_ns: u64) {
        self.planned[place] = at_ns;
        self.queue.push(at_ns, What::Run(place));
    }

    fn send(&mut self, message: Message) {
        let (from, to) = (Self::place(message.from.0), Self::place(message.to.0));
        if self.cut[from][to] || self.rng.u32(0..1000) < self.network.lost {
            return;
        }
        let copies = if self.rng.u32(0..1000) < self.network.doubled { 2 } else { 1 };
        for _ in 0..copies {
            let mut delay_ns = self.network.delay_ns + self.rng.u64(0..=self.network.jitter_ns);
            if self.rng.u32(0..1000) < self.network.held_up {
                delay_ns += self.rng.u64(0..=self.network.held_up_ns);
            }
            self.queue.push(self.now_ns + delay_ns, What::Deliver(message));
        }
    }

    /// "At most one node serves a service at any instant", and epochs served never go back.
    fn check(&mut self) {
        if self.broken.is_some() || self.allows_two {
            return;
        }
        for service in 0..self.highest_served.len() {
            let mut server: Option<NodeId> = None;
            for machine in &self.machines {
                let Some(epoch) = machine.kernel.serves(service, machine.clock.at(self.now_ns)) else {
                    continue;
                };
                let now_ms = self.now_ns as f64 / MS as f64;
                if let Some(other) = server {
                    self.broken =
                        Some(format!("at {now_ms:.3} ms {} and {} serve {service}", other.0, machine.id().0));
                    return;
                }
                server = Some(machine.id());
                if epoch < self.highest_served[service] {
                    let highest = self.highest_served[service];
                    self.broken =
                        Some(format!("at {now_ms:.3} ms {service} goes back from {highest:?} to {epoch:?}"));
                    return;
                }
                self.highest_served[service] = epoch;
            }
            if let Some(server) = server.filter(|server| self.last_server[service] != *server) {
                self.moves += u64::from(self.last_server[service].is_some());
                self.last_server[service] = server;
            }
        }
    }
}
