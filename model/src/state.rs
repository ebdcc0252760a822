//! The nodes of a model. Times are kept relative to each node's own clock, so that equal situations are equal states
//! whenever they come; the engine's functions are called with [`NOW_NS`] as the time.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord},
    layout,
    lease::{Holding, MAX_OTHERS},
};
use afc_engine::record::{self, OwnHolding, Standing};

use crate::{
    network::Network,
    rule::Rule,
    shape::{Budget, NODES_MAX, Nodes, Shape, TICK_NS, node},
};

/// What every clock shows when a function of the engine is called.
pub const NOW_NS: u64 = 1_000 * TICK_NS;
/// A guard that ends with the holding, not with a time.
const ENDLESS: u8 = u8::MAX;
/// A lease that nobody granted.
const NEVER: i16 = i16::MIN;

/// Everything there is at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// By place; who is in no generation never does anything.
    pub nodes: [Node; NODES_MAX],
    /// What was sent.
    pub network: Network,
    /// What may still happen.
    pub left: Budget,
    /// The highest epoch ever served.
    pub highest_served: Epoch,
    /// A lower one was served after it.
    pub went_back: bool,
}

/// One machine: its kernel's maps, its agent, its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its session, from 0.
    pub session: u8,
    /// Its membership generation.
    pub generation: u8,
    /// Ticks until it votes and claims again.
    pub quarantine: u8,
    /// Ticks until it has been in its membership generation for a whole guard.
    pub settling: u8,
    /// Ticks since its clock skipped one.
    pub since_skip: u8,
    /// The voter's record, as the kernel's map keeps it.
    pub record: Record,
    /// The floor on its disk.
    pub disk: Epoch,
    /// Agents that it had before this one.
    pub life: u8,
    /// The agent; none while it is dead.
    pub agent: Option<Agent>,
    /// What the kernel holds.
    pub held: Held,
}

/// A voter's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Epoch and holder.
    pub word: u64,
    /// At or above every epoch granted or held.
    pub floor: u64,
    /// Ticks until the guard ends.
    guard: u8,
}

/// What the agent has in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Agent {
    /// What it believes to hold; 0 for nothing.
    pub holds: u64,
    /// The higher epoch that it moves to, and who has that on record; 0 for none.
    pub raise: u64,
    /// See `raise`.
    pub recorded: Nodes,
    /// It asked for a handover,
    pub has_asked: bool,
    /// and had the kernel ask for what this owner hands over; 0 if it did not.
    pub asked: u64,
}

/// The kernel's holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Epoch and this node; 0 for nothing.
    pub word: u64,
    /// While nothing is held: the owner word whose HANDOVER the kernel takes; 0 for none.
    pub asked: u64,
    /// Ticks since it was claimed.
    since: u8,
    /// Ends of the voters' leases, ns from now, by place.
    leases: [i16; NODES_MAX],
    /// End of the window that was handed over, ns from now.
    window: i16,
}

impl State {
    /// Nothing has happened.
    pub fn new(shape: &Shape) -> Self {
        let node = Node {
            session: 0,
            generation: 0,
            quarantine: 0,
            settling: 0,
            since_skip: shape.lease,
            record: Record { word: 0, floor: 0, guard: 0 },
            disk: Epoch::ZERO,
            life: 0,
            agent: Some(Agent::default()),
            held: Held::NOTHING,
        };
        Self {
            nodes: [node; NODES_MAX],
            network: Network::default(),
            left: shape.budget,
            highest_served: Epoch::ZERO,
            went_back: false,
        }
    }
}

impl Node {
    /// Whom it votes with.
    pub fn voters(&self, shape: &Shape) -> Nodes {
        shape.generations[usize::from(self.generation)]
    }

    /// The situation in which it decides.
    pub fn standing(&self, shape: &Shape, own: OwnHolding) -> Standing {
        let guard_ns = u64::from(shape.guard()) * TICK_NS;
        Standing { in_quarantine: self.quarantine > 0, own, reserved: u32::MAX, guard_ns }
    }

    /// A tick of its clock. The kernel drops what lapsed.
    pub fn tick(&mut self, place: usize, shape: &Shape) {
        self.quarantine = self.quarantine.saturating_sub(1);
        self.settling = self.settling.saturating_sub(1);
        self.since_skip = (self.since_skip + 1).min(shape.lease);
        if self.record.guard != ENDLESS {
            self.record.guard = self.record.guard.saturating_sub(1);
        }
        self.held.age(shape.lease);
        if self.held.word != 0 {
            let mut holding = self.held.real(place, self.voters(shape));
            let has_lapsed = holding.drop_if_lapsed(u64::from(shape.lease) * TICK_NS, NOW_NS);
            if has_lapsed && shape.has(Rule::KernelLapses) {
                self.held = Held::NOTHING;
            }
        }
    }

    /// Until when the kernel lets it serve, ns from now.
    pub fn lease_left_ns(&self, place: usize, shape: &Shape) -> u64 {
        if self.held.word == 0 {
            return 0;
        }
        let mut holding = self.held.real(place, self.voters(shape));
        holding.needed = shape.majority_of_others(self.generation) as u32;
        holding.lease_until_ns().saturating_sub(NOW_NS)
    }

    /// Whether its kernel serves.
    pub fn serves(&self, place: usize, shape: &Shape) -> bool {
        self.lease_left_ns(place, shape) > 0
    }
}

impl Record {
    /// As the engine's functions take it, with what a model without some rule does not look at blanked out.
    pub fn real(&self, shape: &Shape) -> layout::Record {
        let owner = OwnerWord(self.word).owner();
        let word = match shape.has(Rule::RecordedEpoch) {
            true => self.word,
            false if owner.is_some() => Epoch::ZERO.owned_by(owner).0,
            false => 0,
        };
        layout::Record {
            word,
            floor: if shape.has(Rule::Floor) { self.floor } else { 0 },
            guard_until_ns: match self.guard {
                ENDLESS => afc_ebpf::lease::FOREVER_NS,
                ticks => NOW_NS + u64::from(ticks) * TICK_NS,
            },
        }
    }

    /// The same for what is compared with a word exactly.
    pub fn exact(&self) -> layout::Record {
        let guard_until_ns = NOW_NS + u64::from(self.guard) * TICK_NS;
        layout::Record { word: self.word, floor: self.floor, guard_until_ns }
    }

    /// What a function of the engine made of it.
    pub fn from_real(real: layout::Record) -> Self {
        let ticks = real.guard_until_ns.saturating_sub(NOW_NS) / TICK_NS;
        Self { word: real.word, floor: real.floor, guard: u8::try_from(ticks).unwrap_or(ENDLESS) }
    }

    /// Epoch and holder.
    pub fn owner_word(&self) -> OwnerWord {
        OwnerWord(self.word)
    }

    /// Whether the guard runs.
    pub fn is_guarded(&self) -> bool {
        record::is_guarded(self.exact(), NOW_NS)
    }
}

impl Held {
    /// Nothing.
    pub const NOTHING: Self = Self { word: 0, asked: 0, since: 0, leases: [NEVER; NODES_MAX], window: NEVER };

    /// A holding of now without leases.
    pub const fn claimed(word: OwnerWord) -> Self {
        Self { word: word.0, ..Self::NOTHING }
    }

    /// Nothing, and a question to the owner of this word.
    pub const fn asking(word: u64) -> Self {
        Self { asked: word, ..Self::NOTHING }
    }

    /// The same with a window that ends so many ns from now.
    #[must_use]
    pub fn with_window(self, until_ns: u64) -> Self {
        Self { window: relative(until_ns), ..self }
    }

    /// A holding of now with the leases of this one.
    #[must_use]
    pub const fn carried_over(self, word: OwnerWord) -> Self {
        Self { word: word.0, since: 0, ..self }
    }

    /// The same in the next membership generation: no vote of the one before counts there, but what a majority of them let
    /// it hold, it may hold to the end.
    #[must_use]
    pub fn in_next_generation(self, left_ns: u64) -> Self {
        let window = if left_ns == 0 { NEVER } else { relative(NOW_NS + left_ns) };
        Self { leases: [NEVER; NODES_MAX], window, ..self }
    }

    /// The kernel's own, for these voters.
    pub fn real(&self, place: usize, voters: Nodes) -> Holding {
        let (mut others, mut count) = ([NodeId::NONE; MAX_OTHERS], 0);
        for other in voters.iter().filter(|other| *other != place) {
            others[count] = node(other);
            count += 1;
        }
        let since_ns = NOW_NS - u64::from(self.since) * TICK_NS;
        let mut real = Holding::claimed(OwnerWord(self.word), &others[..count], since_ns, 0, None);
        for (lease, other) in real.leases.iter_mut().zip(voters.iter().filter(|other| *other != place)) {
            *lease = absolute(self.leases[other]);
        }
        real.window_until_ns = absolute(self.window);
        real
    }

    /// Takes over the leases of the kernel's own.
    pub fn take_leases(&mut self, real: &Holding) {
        for (until_ns, other) in real.leases.iter().zip(real.others) {
            if let Some(place) = crate::shape::place_of(NodeId(other)) {
                self.leases[place] = relative(*until_ns);
            }
        }
    }

    /// Whether it serves on the window that was handed over, and on no majority.
    pub fn is_on_window(&self, place: usize, shape: &Shape, voters: Nodes) -> bool {
        let mut real = self.real(place, voters);
        real.needed = (voters.len() / 2) as u32;
        let with_window = real.lease_until_ns();
        real.window_until_ns = 0;
        self.word != 0 && shape.slow.is_empty() && with_window > NOW_NS && real.lease_until_ns() <= NOW_NS
    }

    fn age(&mut self, lease: u8) {
        // Beyond this age a lease says no more than one that nobody granted.
        let oldest = -((i16::from(lease) + 1) * TICK_NS as i16);
        for until in self.leases.iter_mut().chain([&mut self.window]) {
            let aged = until.saturating_sub(TICK_NS as i16);
            *until = if aged <= oldest { NEVER } else { aged };
        }
        self.since = (self.since + 1).min(lease + 1);
    }
}

fn relative(until_ns: u64) -> i16 {
    if until_ns == 0 { NEVER } else { (until_ns as i64 - NOW_NS as i64) as i16 }
}

fn absolute(left: i16) -> u64 {
    if left == NEVER { 0 } else { NOW_NS.saturating_add_signed(i64::from(left)) }
}
