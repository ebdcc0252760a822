//! Makes plans: a seed is one plan, whose faults are spread over a few leases.

use std::str::FromStr;

use super::{
    clock::RATES,
    fault::{Fault, What, Who},
    plan::{Finale, Plan},
    shape::{INTERVAL, LEASE, MS, Network, Shape},
};
use crate::Role;

/// Which plans to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Nodes claim what is vacant, as the engine does.
    Polite,
    /// Nodes claim and give up whenever they like: safety must not rest on manners.
    Rude,
    /// Rude ones, three nodes and one service: where a broken rule shows soonest. Nothing is healed in the end.
    Tight,
    /// The same, with services that are asked for all the time.
    Moving,
    /// Every node keeps the lists; more nodes, more services, and two failures at once in the end.
    Listed,
}

impl Family {
    /// Seeds go round the families.
    pub(super) fn of(seed: u64) -> Self {
        match seed % 8 {
            0 => Self::Listed,
            1 | 2 => Self::Polite,
            3 => Self::Rude,
            4 => Self::Moving,
            _ => Self::Tight,
        }
    }
}

impl FromStr for Family {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let families = [Self::Polite, Self::Rude, Self::Tight, Self::Moving, Self::Listed];
        families.into_iter().find(|family| format!("{family:?}") == name).ok_or(())
    }
}

/// The plan of a seed, in its family.
pub(super) fn plan(family: Family, seed: u64) -> Plan {
    let mut rng = fastrand::Rng::with_seed(seed);
    let shape = match family {
        Family::Polite | Family::Rude => small_shape(&mut rng),
        Family::Tight | Family::Moving => tight_shape(&mut rng),
        Family::Listed => listed_shape(&mut rng),
    };
    let mut draft =
        Draft { family, now_ns: 0, faults: Vec::new(), has_dead_disk: false, last: Who::Node(1), shape, rng };
    draft.boot();
    draft.storm();
    Plan {
        seed,
        late_ns: if draft.rng.bool() { INTERVAL / 20 } else { 2 * INTERVAL },
        is_rude: matches!(family, Family::Rude | Family::Tight | Family::Moving),
        ends_ns: draft.now_ns,
        finale: match family {
            Family::Polite | Family::Rude => Finale::Settle,
            Family::Tight | Family::Moving => Finale::None,
            Family::Listed => Finale::DoubleFailure,
        },
        faults: draft.faults,
        shape: draft.shape,
    }
}

fn small_shape(rng: &mut fastrand::Rng) -> Shape {
    let members = rng.usize(3..=5);
    let mut roles = vec![Role::Member; members];
    roles.extend(std::iter::repeat_n(Role::Witness, rng.usize(0..=1)));
    roles.extend(std::iter::repeat_n(Role::Gateway, rng.usize(0..=1)));
    let services = (1..=rng.u16(1..=2)).map(|home| candidates(home, members, members, rng)).collect();
    Shape { roles, services, capacity: rng.u32(1..=2), preempt: rng.bool(), ..Shape::five() }
}

/// One service that each of three may hold, or of five: with three, one vote of others is a majority.
fn tight_shape(rng: &mut fastrand::Rng) -> Shape {
    let members: u16 = if rng.u32(0..3) == 0 { 5 } else { 3 };
    let roles = vec![Role::Member; usize::from(members)];
    Shape { roles, services: vec![(1..=members).collect()], ..Shape::five() }
}

/// Enough nodes for two failures at once.
fn listed_shape(rng: &mut fastrand::Rng) -> Shape {
    let members = rng.usize(5..=7);
    let homes = rng.u16(2..=4);
    let services = (1..=homes).map(|home| {
        let count = rng.usize(3..=members);
        candidates(home, members, count, rng)
    });
    let services = services.collect();
    let roles = vec![Role::Member; members];
    Shape { roles, services, capacity: rng.u32(1..=2), keeps_lists: true, ..Shape::five() }
}

fn candidates(home: u16, members: usize, count: usize, rng: &mut fastrand::Rng) -> Vec<u16> {
    let mut candidates: Vec<u16> = (1..=members as u16).filter(|node| *node != home).collect();
    rng.shuffle(&mut candidates);
    candidates.insert(0, home);
    candidates.truncate(count);
    candidates
}

fn network(rng: &mut fastrand::Rng) -> Network {
    match rng.u32(0..6) {
        0 => Network::GOOD,
        1 => Network { lost: 100, doubled: 50, ..Network::GOOD },
        2 | 3 => Network { lost: 20, doubled: 20, held_up: 50, held_up_ns: 3 * LEASE, ..Network::GOOD },
        _ => Network { lost: 50, jitter_ns: 2 * INTERVAL, ..Network::GOOD },
    }
}

/// A plan that is being made.
struct Draft {
    family: Family,
    shape: Shape,
    now_ns: u64,
    faults: Vec<Fault>,
    has_dead_disk: bool,
    last: Who,
    rng: fastrand::Rng,
}

impl Draft {
    /// Most nodes start, one after another.
    fn boot(&mut self) {
        for node in 1..=self.shape.roles.len() as u16 {
            if self.rng.u32(0..10) > 0 {
                self.add(Who::Node(node), What::Start);
            }
            self.now_ns += self.rng.u64(0..10 * MS);
        }
        self.now_ns += self.rng.u64(0..3 * LEASE);
    }

    fn storm(&mut self) {
        let network = network(&mut self.rng);
        self.add(Who::Node(1), What::Network(network));
        let strikes = if matches!(self.family, Family::Tight | Family::Moving) { 10..80 } else { 5..40 };
        for _ in 0..self.rng.u32(strikes) {
            self.strike();
            // Two at once, now and then: to two nodes that serve, more often than not.
            if self.rng.u32(0..8) == 0 {
                self.strike();
            }
            self.now_ns += match self.rng.u32(0..3) {
                0 => self.rng.u64(0..INTERVAL),
                1 => self.rng.u64(0..3 * LEASE / 2),
                _ => self.rng.u64(0..LEASE / 2),
            };
        }
    }

    fn add(&mut self, who: Who, what: What) {
        self.faults.push(Fault { at_ns: self.now_ns, who, what });
    }

    fn node(&mut self) -> u16 {
        self.rng.u16(1..=self.shape.roles.len() as u16)
    }

    /// One thing that goes wrong, or comes back: half of the time to a node that serves.
    fn strike(&mut self) {
        let (any, service) = (self.node(), self.rng.usize(0..self.shape.services.len()));
        if self.rng.u32(0..16) == 0 {
            return self.strike_half_way(any);
        }
        let server = Who::ServerOf(service, any);
        let rude_of_four = match self.family {
            Family::Rude | Family::Tight => 2,
            Family::Moving => 1,
            Family::Polite | Family::Listed => 0,
        };
        if self.rng.u32(0..4) < rude_of_four {
            return match self.rng.u32(0..3) {
                0 => self.add(Who::Node(any), What::GiveUp { service }),
                1 => self.add(server, What::Claim { service }),
                _ => self.add(Who::Node(any), What::Claim { service }),
            };
        }
        let one_in = if self.family == Family::Moving { 3 } else { 16 };
        if self.rng.u32(0..one_in) == 0 {
            return self.add(Who::Node(any), What::Take { service });
        }
        // Whoever was struck is struck again, now and then: what is half-way through is where rules matter.
        let who = match self.rng.u32(0..8) {
            0 => self.last,
            1..5 => server,
            _ => Who::Node(any),
        };
        self.last = who;
        let what = match self.rng.u32(0..16) {
            0..4 => self.of_links(),
            4..11 => self.of_power(),
            11..13 => self.of_time(),
            13 => self.of_disks(),
            _ => self.of_people(service),
        };
        self.add(who, what);
    }

    /// A node comes up anew, and its agent starts again before the quarantine is over.
    fn strike_half_way(&mut self, node: u16) {
        self.add(Who::Node(node), What::PowerCycle);
        self.now_ns += self.rng.u64(0..LEASE);
        self.add(Who::Node(node), What::Restart);
    }

    fn of_links(&mut self) -> What {
        let to = self.node();
        match self.rng.u32(0..8) {
            0 | 1 => What::Cut { to },
            2 | 3 => What::Isolate,
            4 => What::Flap {
                to,
                half_ns: self.rng.u64(INTERVAL / 2..2 * LEASE),
                for_ns: self.rng.u64(0..8 * LEASE),
            },
            _ => What::Heal,
        }
    }

    fn of_power(&mut self) -> What {
        match self.rng.u32(0..14) {
            0 => What::Kill,
            1 if self.rng.bool() => What::Restart,
            1 => What::Crash { after: self.rng.u32(1..12) },
            2 => What::PowerOff,
            3 | 4 => What::PowerCycle,
            5 => What::Stop,
            6..9 => What::Pause { for_ns: self.rng.u64(0..4 * LEASE) },
            9 | 10 => What::StartAll,
            11 => What::Slow { late_ns: self.rng.u64(0..6 * INTERVAL), for_ns: self.rng.u64(0..8 * LEASE) },
            _ => What::Start,
        }
    }

    fn of_time(&mut self) -> What {
        match self.rng.u32(0..5) {
            0 => What::Suspend { for_ns: self.rng.u64(0..4 * LEASE) },
            // The smallest are not even noticed.
            1 => What::Jump {
                by_ns: if self.rng.bool() { self.rng.u64(0..MS) } else { self.rng.u64(0..400 * MS) },
            },
            2 => What::Doubt { session: self.rng.u64(1..) },
            _ => What::Drift { per_mille: [1000, 1110, self.rng.u64(RATES)][self.rng.usize(0..3)] },
        }
    }

    fn of_disks(&mut self) -> What {
        match self.rng.u32(0..6) {
            0 => What::DiskLost,
            // One disk for good, at most: a majority of floors must go on.
            1 if !std::mem::replace(&mut self.has_dead_disk, true) => What::DiskFails { for_ns: u64::MAX },
            1 | 2 => What::DiskFails { for_ns: self.rng.u64(0..8 * LEASE) },
            3 => What::PowerCycle,
            _ => What::Start,
        }
    }

    fn of_people(&mut self, service: usize) -> What {
        match self.rng.u32(0..4) {
            0 => What::Short(self.rng.bool()),
            1 => What::Drain(self.rng.bool()),
            2 if !self.shape.keeps_lists => self.order_of(service),
            _ => What::Start,
        }
    }

    /// Any order of any nodes, candidates or not: lists of different nodes may differ for a while.
    fn order_of(&mut self, service: usize) -> What {
        let mut order: Vec<i16> = (1..=self.shape.roles.len() as i16 + 1).collect();
        self.rng.shuffle(&mut order);
        order.truncate(self.rng.usize(0..=order.len()));
        for node in &mut order {
            *node = if self.rng.bool() { *node } else { -*node };
        }
        What::Rank { service, order }
    }
}
