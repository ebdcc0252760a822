//! The simulated cluster: controllers with clocks of their own, and the network between their addresses.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    net::Ipv4Addr,
    ops::RangeInclusive,
};

use afc_ebpf::identity::NodeId;

use super::{MS, OLD_KEY, SECOND, Session, keys, state};
use crate::{
    cluster::{
        Change, Command, CommandError, Controller, Counter, Output, Randomness, Setup,
        record::{NodeRecord, NodeState, Version},
    },
    key::ClusterKeys,
};

/// The hash of the cluster's name.
pub(super) const CLUSTER: u32 = 0x0102_0304;

/// What a machine is started with.
#[derive(Clone)]
pub(super) struct Spec {
    pub(super) id: u16,
    pub(super) address: Ipv4Addr,
    pub(super) cluster: u32,
    pub(super) keys: ClusterKeys,
    pub(super) incarnation: u64,
    pub(super) peers: BTreeMap<NodeId, Ipv4Addr>,
}

/// A datagram on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flight {
    pub(super) from: Ipv4Addr,
    pub(super) to: Ipv4Addr,
    pub(super) bytes: Vec<u8>,
}

/// A machine that runs a controller.
pub(super) struct Machine {
    pub(super) spec: Spec,
    pub(super) controller: Controller,
    /// Its clock: offset and thousandths of the world's rate.
    clock: (u64, u64),
    pub(super) is_up: bool,
    /// What its agent was told, newest last, with the world's time.
    pub(super) changes: Vec<(u64, Change)>,
    /// Records as its agent was told.
    pub(super) records: BTreeMap<NodeId, NodeRecord>,
    /// Commands that were given to its agent.
    pub(super) commands: Vec<(NodeId, u64, Command)>,
    pub(super) ended: Vec<(u64, Result<(), CommandError>)>,
    planned_ns: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Deliver(Flight),
    Run(usize),
}

/// The cluster.
pub(super) struct World {
    pub(super) now_ns: u64,
    pub(super) machines: Vec<Machine>,
    pub(super) loss_percent: u32,
    pub(super) delay_ns: RangeInclusive<u64>,
    /// Links that carry nothing, from address to address.
    pub(super) cut: BTreeSet<(Ipv4Addr, Ipv4Addr)>,
    /// Everything sent, if it is recorded.
    pub(super) tape: Option<Vec<Flight>>,
    pub(super) sent: u64,
    pub(super) sent_bytes: u64,
    queue: BinaryHeap<Reverse<(u64, u64, What)>>,
    order: u64,
    pub(super) random: fastrand::Rng,
}

pub(super) fn address(id: u16) -> Ipv4Addr {
    let [high, low] = id.to_be_bytes();
    Ipv4Addr::new(10, 0, high, low)
}

impl Spec {
    /// Node `id` of `count`.
    pub(super) fn new(id: u16, count: u16) -> Self {
        let peers = (1..=count).filter(|peer| *peer != id).map(|peer| (NodeId(peer), address(peer)));
        let keys = keys(&[OLD_KEY]);
        let peers = peers.collect();
        Self { id, address: address(id), cluster: CLUSTER, keys, incarnation: 1000, peers }
    }
}

impl World {
    /// Nodes 1 to `count`, started now, each in state 0.
    pub(super) fn new(count: u16, seed: u64) -> Self {
        let mut world = Self::empty(seed);
        for id in 1..=count {
            let machine = world.start(Spec::new(id, count));
            world.set_state(machine, state(0));
        }
        world
    }

    pub(super) fn empty(seed: u64) -> Self {
        Self {
            now_ns: 0,
            machines: Vec::new(),
            loss_percent: 0,
            delay_ns: MS / 10..=MS / 2,
            cut: BTreeSet::new(),
            tape: None,
            sent: 0,
            sent_bytes: 0,
            queue: BinaryHeap::new(),
            order: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Starts a machine; its index.
    pub(super) fn start(&mut self, spec: Spec) -> usize {
        let clock = (self.random.u64(0..=1_000_000 * SECOND), self.random.u64(920..=1080));
        let controller = controller(&spec, &mut self.random, local(clock, self.now_ns));
        self.machines.push(Machine {
            spec,
            controller,
            clock,
            is_up: true,
            changes: Vec::new(),
            records: BTreeMap::new(),
            commands: Vec::new(),
            ended: Vec::new(),
            planned_ns: u64::MAX,
        });
        self.settle(self.machines.len() - 1);
        self.machines.len() - 1
    }

    /// Starts a machine's controller anew, with empty memory.
    pub(super) fn restart(&mut self, machine: usize, incarnation: u64) {
        let now_ns = self.now_ns;
        let at = &mut self.machines[machine];
        at.spec.incarnation = incarnation;
        at.controller = controller(&at.spec, &mut self.random, local(at.clock, now_ns));
        at.is_up = true;
        at.records.clear();
        self.settle(machine);
    }

    pub(super) fn stop(&mut self, machine: usize) {
        self.machines[machine].is_up = false;
    }

    pub(super) fn set_state(&mut self, machine: usize, state: NodeState) {
        self.with(machine, |controller, now_ns| controller.set_own_state(state, now_ns).unwrap());
    }

    /// Does something with a machine's controller at its own time.
    pub(super) fn with<T>(&mut self, machine: usize, act: impl FnOnce(&mut Controller, u64) -> T) -> T {
        let now_ns = self.local_ns(machine);
        let result = act(&mut self.machines[machine].controller, now_ns);
        self.settle(machine);
        result
    }

    pub(super) fn local_ns(&self, machine: usize) -> u64 {
        local(self.machines[machine].clock, self.now_ns)
    }

    /// Hands a datagram to whoever has its address, now.
    pub(super) fn deliver(&mut self, flight: &Flight) {
        let at = |machine: &Machine| machine.is_up && machine.spec.address == flight.to;
        if let Some(machine) = self.machines.iter().position(at) {
            self.with(machine, |controller, now_ns| {
                controller.handle_datagram(flight.from, &flight.bytes, now_ns);
            });
        }
    }

    /// Runs until a condition holds, which it looks at after every step; how long that took.
    pub(super) fn run_until(
        &mut self,
        limit_ns: u64,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) -> Option<u64> {
        let start_ns = self.now_ns;
        while !holds(self) {
            if !self.step(start_ns + limit_ns) {
                return None;
            }
        }
        Some(self.now_ns - start_ns)
    }

    pub(super) fn run_for(&mut self, time_ns: u64) {
        let end_ns = self.now_ns + time_ns;
        while self.step(end_ns) {}
        self.now_ns = end_ns;
    }

    /// Cuts or mends both directions between two groups of machines.
    pub(super) fn part(&mut self, one: &[usize], other: &[usize]) {
        for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
            let (a, b) = (self.machines[a].spec.address, self.machines[b].spec.address);
            self.cut.extend([(a, b), (b, a)]);
        }
    }

    /// Whether every machine that is up was told the newest record of every other.
    pub(super) fn agrees(&mut self) -> bool {
        let up: Vec<_> = self.machines.iter().filter(|machine| machine.is_up).collect();
        let newest =
            |machine: &Machine| machine.records.get(&NodeId(machine.spec.id)).map(|record| record.version);
        up.iter().all(|origin| {
            let (node, version) = (NodeId(origin.spec.id), newest(origin));
            version.is_some()
                && up.iter().all(|machine| machine.records.get(&node).map(|record| record.version) == version)
        })
    }

    /// Whether every machine that is up was told this version of a node's record, or a newer one.
    pub(super) fn all_have(&self, node: NodeId, version: Version) -> bool {
        let has =
            |machine: &Machine| machine.records.get(&node).is_some_and(|record| record.version >= version);
        self.machines.iter().filter(|machine| machine.is_up).all(has)
    }

    pub(super) fn version(&self, machine: usize) -> Version {
        self.machines[machine].records[&NodeId(self.machines[machine].spec.id)].version
    }

    pub(super) fn count(&self, machine: usize, counter: Counter) -> u64 {
        self.machines[machine].controller.counters().get(counter)
    }

    /// The next event before `end_ns`, if there is one.
    fn step(&mut self, end_ns: u64) -> bool {
        let Some(Reverse((at_ns, ..))) = self.queue.peek() else { return false };
        if *at_ns > end_ns {
            return false;
        }
        let Some(Reverse((at_ns, _, what))) = self.queue.pop() else { return false };
        self.now_ns = at_ns;
        match what {
            What::Deliver(flight) => self.deliver(&flight),
            What::Run(machine) if self.machines[machine].planned_ns == at_ns => {
                self.machines[machine].planned_ns = u64::MAX;
                if self.machines[machine].is_up {
                    self.with(machine, |controller, now_ns| controller.handle_timeout(now_ns));
                }
            }
            What::Run(_) => {}
        }
        true
    }

    /// Takes a machine's outputs and plans its next run.
    fn settle(&mut self, machine: usize) {
        while let Some(output) = self.machines[machine].controller.poll_output() {
            let at = &mut self.machines[machine];
            match output {
                Output::Send { to, datagram } => {
                    let flight = Flight { from: at.spec.address, to, bytes: datagram };
                    self.send(flight);
                }
                Output::Change(change) => {
                    match &change {
                        Change::Record { record, .. } => {
                            at.records.insert(record.node, (**record).clone());
                        }
                        Change::AgedOut(node) => drop(at.records.remove(node)),
                        Change::ListsDiffer(_)
                        | Change::ListsAgree(_)
                        | Change::Conflict { .. }
                        | Change::IncarnationLost { .. } => {}
                    }
                    at.changes.push((self.now_ns, change));
                }
                Output::Command { from, id, command } => at.commands.push((from, id, command)),
                Output::CommandEnded { id, outcome } => at.ended.push((id, outcome)),
            }
        }
        let at = &mut self.machines[machine];
        let due_ns = world(at.clock, at.controller.poll_timeout()).max(self.now_ns);
        if due_ns < at.planned_ns {
            at.planned_ns = due_ns;
            self.push(due_ns, What::Run(machine));
        }
    }

    fn send(&mut self, flight: Flight) {
        self.sent += 1;
        self.sent_bytes += flight.bytes.len() as u64;
        if let Some(tape) = &mut self.tape {
            tape.push(flight.clone());
        }
        if self.cut.contains(&(flight.from, flight.to)) || self.random.u32(0..100) < self.loss_percent {
            return;
        }
        let at_ns = self.now_ns + self.random.u64(self.delay_ns.clone());
        self.push(at_ns, What::Deliver(flight));
    }

    fn push(&mut self, at_ns: u64, what: What) {
        self.order += 1;
        self.queue.push(Reverse((at_ns, self.order, what)));
    }
}

fn controller(spec: &Spec, random: &mut fastrand::Rng, now_ns: u64) -> Controller {
    let setup = Setup {
        node: NodeId(spec.id),
        address: spec.address,
        port: 7948,
        cluster: spec.cluster,
        incarnation: spec.incarnation,
        peers: spec.peers.clone(),
    };
    let mut session = Session::default();
    random.fill(&mut session.0);
    Controller::new(&setup, &spec.keys, Randomness { session, seed: random.u64(..) }, now_ns)
}

/// The world's time on a machine's clock.
fn local((offset_ns, rate): (u64, u64), world_ns: u64) -> u64 {
    offset_ns + world_ns / 1000 * rate
}

/// When the world's time has got to a time of a machine's clock.
fn world((offset_ns, rate): (u64, u64), local_ns: u64) -> u64 {
    local_ns.saturating_sub(offset_ns).div_ceil(rate).saturating_mul(1000)
}
