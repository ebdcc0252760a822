//! A cluster on one virtual clock: machines, the links between them, and what is still to happen. After every step the
//! [promise](super::promise) is looked at.

use std::{collections::BTreeMap, sync::Arc};

use afc_ebpf::{
    identity::{NodeId, ServiceId},
    wire::Kind,
};

use super::{
    clock::RATES,
    keeper::Record,
    links::Links,
    machine::{Machine, Want},
    process::ClockFirst,
    promise::{Breach, Promise},
    queue::Queue,
    shape::{LEASE, MS, Shape},
};
use crate::{
    Engine, Event, Role, Setup,
    effect::Offer,
    message::Message,
    priority::{Digest, tests::check},
};

/// How often a list keeper looks at what wakes it by nothing else, and repeats what it knows to another node.
const KEEP_NS: u64 = 2 * LEASE;

enum What {
    Deliver(Message),
    Run(usize),
    /// To the process of this incarnation.
    FloorWritten(usize, u64, ServiceId, u32),
    /// The process of this incarnation is ready to serve.
    Prepared(usize, u64, ServiceId, Offer),
    Start(usize),
    Keep(usize),
    Tell(usize, Arc<[Arc<Record>]>),
}

/// The simulated cluster.
pub(super) struct World {
    pub(super) now_ns: u64,
    pub(super) machines: Vec<Machine>,
    pub(super) links: Links,
    queue: Queue<What>,
    /// World time of each machine's next planned run; later ones in the queue are void.
    planned: Vec<u64>,
    /// The same for its list keeper.
    kept: Vec<u64>,
    pub(super) rng: fastrand::Rng,
    /// Scheduling delay of a run, at most.
    pub(super) late_ns: u64,
    pub(super) promise: Promise,
    pub(super) steps: u64,
    /// Messages of the engines and their kernels that were sent, by kind and flags.
    sent: BTreeMap<(Kind, u16), u64>,
    wants: Vec<Want>,
    keeps_lists: bool,
    lists_of: BTreeMap<Digest, Digest>,
    /// Something that must hold does not: how.
    pub(super) broken: Option<Breach>,
}

impl World {
    pub(super) fn new(shape: &Shape, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let nodes: Vec<(NodeId, Role)> =
            shape.roles.iter().enumerate().map(|(place, role)| (NodeId(place as u16 + 1), *role)).collect();
        let services = shape.service_setups(&nodes);
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
            let per_mille = [*RATES.start(), *RATES.end(), rng.u64(RATES)][rng.usize(0..3)];
            Machine::new(setup, per_mille)
        };
        let machines: Vec<Machine> = nodes.iter().map(machine).collect();
        let count = machines.len();
        Self {
            now_ns: 0,
            machines,
            links: Links::new(count),
            queue: Queue::new(),
            planned: vec![u64::MAX; count],
            kept: vec![u64::MAX; count],
            rng,
            late_ns: 100_000,
            promise: Promise::new(services.len()),
            steps: 0,
            sent: BTreeMap::new(),
            wants: Vec::new(),
            keeps_lists: shape.keeps_lists,
            lists_of: BTreeMap::new(),
            broken: None,
        }
    }

    /// A cluster whose machines have all started and, where a majority lives, whose services are served.
    pub(super) fn settled(shape: &Shape, seed: u64) -> Self {
        let mut world = Self::new(shape, seed);
        world.start_all();
        world.run_for(150 * MS);
        world
    }

    pub(super) fn place(node: u16) -> usize {
        usize::from(node) - 1
    }

    pub(super) fn machine(&self, node: u16) -> &Machine {
        &self.machines[Self::place(node)]
    }

    pub(super) fn engine(&self, node: u16) -> &Engine {
        self.machine(node).engine.as_ref().expect("the agent runs")
    }

    /// Who serves a service now.
    pub(super) fn server(&self, service: usize) -> Option<u16> {
        self.machines.iter().find(|machine| machine.serves(service, self.now_ns).is_some()).map(|m| m.id().0)
    }

    /// How many messages of a kind were sent.
    pub(super) fn sent(&self, kind: Kind) -> u64 {
        self.sent.iter().filter(|((sent, _), _)| *sent == kind).map(|(_, count)| count).sum()
    }

    /// How many messages were sent, by kind and flags.
    pub(super) const fn tally(&self) -> &BTreeMap<(Kind, u16), u64> {
        &self.sent
    }

    pub(super) fn keeps_lists(&self) -> bool {
        self.keeps_lists
    }

    pub(super) fn services(&self) -> usize {
        self.machines[0].setup.services.len()
    }

    pub(super) fn servers(&self) -> Vec<Option<u16>> {
        (0..self.services()).map(|service| self.server(service)).collect()
    }

    /// What the machines reported, in the order of time, for a failing plan.
    pub(super) fn story(&self) -> String {
        let told = |machine: &Machine| {
            let id = machine.id().0;
            let line = move |(at_ns, report): &(u64, _)| (*at_ns, id, format!("{report:?}"));
            machine.reports.iter().map(line).collect::<Vec<_>>()
        };
        let mut lines: Vec<(u64, u16, String)> = self.machines.iter().flat_map(told).collect();
        lines.sort();
        let line = |(at_ns, id, what): &(u64, u16, String)| {
            format!("{:10.3} ms n{id} {what}\n", *at_ns as f64 / MS as f64)
        };
        lines.iter().map(line).collect()
    }

    pub(super) fn run_for(&mut self, for_ns: u64) {
        self.run_to(self.now_ns + for_ns);
    }

    pub(super) fn run_to(&mut self, end_ns: u64) {
        while self.broken.is_none() && self.step(end_ns) {}
        self.now_ns = self.now_ns.max(end_ns);
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
        match what {
            What::Deliver(message) => {
                let place = Self::place(message.to.0);
                self.machines[place].receive(&message, at_ns, &mut self.wants);
                self.settle(place);
            }
            What::Run(place) if self.planned[place] == at_ns => {
                self.planned[place] = u64::MAX;
                if self.machines[place].runs(at_ns) {
                    let clock_first = if self.rng.bool() { ClockFirst::Yes } else { ClockFirst::No };
                    self.machines[place].run(clock_first, at_ns, &mut self.wants);
                }
                self.settle(place);
            }
            What::Run(_) => {}
            What::FloorWritten(place, incarnation, service, counter) => {
                self.floor_written((place, incarnation), service, counter);
            }
            What::Prepared(place, incarnation, service, offer) => {
                let machine = &mut self.machines[place];
                if machine.incarnation == incarnation && machine.engine.is_some() {
                    machine.order(Event::Take { service, offer: Some(offer) });
                    self.wake(place as u16 + 1);
                }
            }
            What::Start(place) => self.start(place as u16 + 1),
            What::Keep(place) if self.kept[place] == at_ns => self.keep(place),
            What::Keep(_) => {}
            What::Tell(place, records) => {
                if self.machines[place].runs(at_ns) && self.machines[place].keeper.hear(&records) {
                    self.plan_keep(place, at_ns + MS / 10);
                }
            }
        }
        true
    }

    /// Powers a machine on if need be, and starts its agent. One that is asleep starts it when it wakes up.
    pub(super) fn start(&mut self, node: u16) {
        let place = Self::place(node);
        let (session, shows_ns) = (self.rng.u64(1..), self.rng.u64(1..1_000_000_000_000));
        let machine = &mut self.machines[place];
        if machine.engine.is_some() {
            return;
        }
        if self.now_ns < machine.asleep_until_ns {
            return self.queue.push(machine.asleep_until_ns, What::Start(place));
        }
        if !machine.is_powered {
            machine.clock.boot(shows_ns, self.now_ns);
        }
        machine.start(session, self.now_ns, &mut self.wants);
        self.settle(place);
        if self.keeps_lists {
            self.plan_keep(place, self.now_ns + MS);
        }
    }

    /// The process runs as soon as it can.
    pub(super) fn wake(&mut self, node: u16) {
        let place = Self::place(node);
        if self.machines[place].runs(self.now_ns) && !self.machines[place].is_slow(self.now_ns) {
            self.machines[place].run(ClockFirst::No, self.now_ns, &mut self.wants);
        }
        self.settle(place);
    }

    /// Something of a machine's engine is forced.
    pub(super) fn force(&mut self, node: u16, what: impl FnOnce(&mut Machine, u64, &mut Vec<Want>)) {
        let place = Self::place(node);
        what(&mut self.machines[place], self.now_ns, &mut self.wants);
        self.settle(place);
    }

    fn floor_written(&mut self, (place, incarnation): (usize, u64), service: ServiceId, counter: u32) {
        let machine = &mut self.machines[place];
        // Who asked for it is gone, and what became of it was decided then.
        if machine.incarnation != incarnation || machine.engine.is_none() {
            return;
        }
        if self.now_ns < machine.disk.fails_until_ns() {
            let again = What::FloorWritten(place, incarnation, service, counter);
            return self.queue.push(self.now_ns + LEASE, again);
        }
        machine.disk.finish(service, counter);
        machine.order(Event::FloorReserved { service, counter });
        self.wake(place as u16 + 1);
    }

    /// The list keeper looks around.
    fn keep(&mut self, place: usize) {
        self.kept[place] = u64::MAX;
        let now_ns = self.now_ns;
        let machine = &mut self.machines[place];
        let Some(engine) = &machine.engine else { return };
        self.queue.push(now_ns + KEEP_NS, What::Keep(place));
        self.kept[place] = now_ns + KEEP_NS;
        if !machine.runs(now_ns) {
            return;
        }
        let look = machine.keeper.look(engine, &machine.setup, machine.clock.at(now_ns));
        for order in look.orders {
            machine.order(order);
        }
        if look.has_made {
            self.check_lists(place);
        }
        let others: Vec<usize> = (0..self.machines.len()).filter(|other| *other != place).collect();
        if let Some(record) = look.told {
            for other in &others {
                self.tell(place, *other, vec![Arc::clone(&record)].into());
            }
        }
        if let Some(other) = self.rng.choice(&others) {
            self.tell(place, *other, self.machines[place].keeper.records().into());
        }
        self.wake(place as u16 + 1);
    }

    fn tell(&mut self, from: usize, to: usize, records: Arc<[Arc<Record>]>) {
        for at_ns in self.links.carry(from, to, self.now_ns, &mut self.rng).into_iter().flatten() {
            self.queue.push(at_ns, What::Tell(to, Arc::clone(&records)));
        }
    }

    fn check_lists(&mut self, place: usize) {
        let node = self.machines[place].id().0;
        let Some((inputs, lists)) = &self.machines[place].keeper.made else { return };
        if let Err(why) = check::all(inputs, lists) {
            self.broken.get_or_insert(Breach::BadLists { node, why });
        }
        if *self.lists_of.entry(lists.inputs_digest).or_insert(lists.digest) != lists.digest {
            self.broken.get_or_insert(Breach::ListsDiffer { node });
        }
    }

    /// After a machine did something: its wishes, its next run, and the promise.
    fn settle(&mut self, place: usize) {
        let mut wants = std::mem::take(&mut self.wants);
        for want in wants.drain(..) {
            match want {
                Want::Send(message) => self.send(message),
                Want::WriteFloor(service, counter) => {
                    let done_ns = self.now_ns + self.rng.u64(MS / 10..2 * MS);
                    let incarnation = self.machines[place].incarnation;
                    self.queue.push(done_ns, What::FloorWritten(place, incarnation, service, counter));
                }
                Want::Take(service, offer) => {
                    let ready_ns = self.now_ns + self.rng.u64(MS / 10..LEASE);
                    let incarnation = self.machines[place].incarnation;
                    self.queue.push(ready_ns, What::Prepared(place, incarnation, service, offer));
                }
                Want::Start => {
                    let at_ns = self.now_ns + self.rng.u64(MS..2 * LEASE);
                    self.queue.push(at_ns, What::Start(place));
                }
                Want::Look if self.keeps_lists => self.plan_keep(place, self.now_ns + MS / 10),
                Want::Look => {}
            }
        }
        self.wants = wants;
        self.plan_run(place);
        if self.broken.is_none() {
            self.broken = self.promise.look(&self.machines, place, self.now_ns).err();
        }
    }

    fn plan_run(&mut self, place: usize) {
        let machine = &self.machines[place];
        let Some(due_ns) = machine.due_ns else { return };
        let mut due_ns = machine.clock.world(due_ns).max(self.now_ns);
        if machine.has_waiting() {
            due_ns = self.now_ns;
        }
        due_ns = due_ns.max(machine.wakes_ns());
        let late_ns = if machine.is_slow(due_ns) { machine.late_ns } else { self.late_ns };
        if self.planned[place] > due_ns + late_ns || self.planned[place] <= self.now_ns {
            let at_ns = due_ns + self.rng.u64(0..=late_ns);
            self.planned[place] = at_ns;
            self.queue.push(at_ns, What::Run(place));
        }
    }

    fn plan_keep(&mut self, place: usize, at_ns: u64) {
        if at_ns < self.kept[place] {
            self.kept[place] = at_ns;
            self.queue.push(at_ns, What::Keep(place));
        }
    }

    fn send(&mut self, message: Message) {
        *self.sent.entry((message.kind, message.flags)).or_default() += 1;
        let (from, to) = (Self::place(message.from.0), Self::place(message.to.0));
        for at_ns in self.links.carry(from, to, self.now_ns, &mut self.rng).into_iter().flatten() {
            self.queue.push(at_ns, What::Deliver(message));
        }
    }
}
