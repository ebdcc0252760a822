//! How large a model is and how much may go wrong in it: what bounds the search.

use afc_ebpf::identity::NodeId;

use crate::rule::Rule;

/// Nodes of the largest model.
pub const NODES_MAX: usize = 5;
/// One tick of a clock, ns. Four, so that R/1.25 of a few ticks comes out as one tick less.
pub const TICK_NS: u64 = 4;

/// The voters of one generation: the first two,
pub const TWO: &[Nodes] = &[Nodes::first(2)];
/// three,
pub const THREE: &[Nodes] = &[Nodes::first(3)];
/// four,
pub const FOUR: &[Nodes] = &[Nodes::first(4)];
/// or five.
pub const FIVE: &[Nodes] = &[Nodes::first(5)];
/// A fourth node comes, then the first goes.
pub const MOVING: &[Nodes] = &[Nodes(0b0111), Nodes(0b1111), Nodes(0b1110)];

/// A set of nodes, by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nodes(pub u8);

impl Nodes {
    /// The first so many.
    pub const fn first(count: u8) -> Self {
        Self((1 << count) - 1)
    }

    /// Whether a place is among them.
    pub const fn contains(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, place: usize) -> Self {
        Self(self.0 | 1 << place)
    }

    /// How many.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Every place, in order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..NODES_MAX).filter(move |place| self.contains(*place))
    }
}

/// The node of a place.
pub const fn node(place: usize) -> NodeId {
    NodeId(place as u16 + 1)
}

/// The place of a node; none for no node.
pub const fn place_of(node: NodeId) -> Option<usize> {
    (node.0 as usize).checked_sub(1)
}

/// How often something may happen in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Claims.
    pub claims: u8,
    /// Machines that restart, or sessions that are given up in doubt: memory is gone.
    pub reboots: u8,
    /// Agents that die, at any point of what they do, and come back to maps that survived.
    pub kills: u8,
    /// Holdings given up without cause.
    pub releases: u8,
    /// Requests for a handover.
    pub handovers: u8,
    /// Owners that raise their epoch.
    pub raises: u8,
}

impl Budget {
    /// Nothing.
    pub const NONE: Self = Self { claims: 0, reboots: 0, kills: 0, releases: 0, handovers: 0, raises: 0 };
    /// One claim.
    pub const CLAIM: Self = Self { claims: 1, ..Self::NONE };
    /// Two.
    pub const CLAIMS: Self = Self { claims: 2, ..Self::NONE };
}

/// One model.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its name in reports.
    pub name: &'static str,
    /// The voters of each membership generation.
    pub generations: &'static [Nodes],
    /// Who may claim, ask for a handover and raise.
    pub candidates: Nodes,
    /// Who may lose its memory or its agent.
    pub mortal: Nodes,
    /// `L`, ticks.
    pub lease: u8,
    /// `G`, ticks, with every rule; see [`Shape::guard`].
    pub full_guard: u8,
    /// Clocks that may skip a tick, after each `lease` ticks again.
    pub slow: Nodes,
    /// How much happens.
    pub budget: Budget,
    /// Whether who holds and does not serve may give up at any time, as after a refusal; if not, only what lapsed.
    pub is_fickle: bool,
    /// Whether a majority must come to serve from every state: that takes much longer to see.
    pub must_elect: bool,
    /// Rules that are taken out.
    pub without: &'static [Rule],
}

impl Shape {
    /// So many voters of which any two may claim, L = G = 2, nothing else.
    pub const fn of(name: &'static str, voters: &'static [Nodes]) -> Self {
        Self {
            name,
            generations: voters,
            candidates: Nodes(0b11),
            mortal: Nodes(0b111),
            lease: 2,
            full_guard: 2,
            slow: Nodes(0),
            budget: Budget::CLAIMS,
            is_fickle: false,
            must_elect: false,
            without: &[],
        }
    }

    /// With slow clocks, and the guard that covers them.
    #[must_use]
    pub const fn drifting(self, slow: Nodes) -> Self {
        let full_guard = self.lease + 1;
        Self { slow, full_guard, ..self }
    }

    /// With another lease and guard.
    #[must_use]
    pub const fn with_lease(self, lease: u8, full_guard: u8) -> Self {
        Self { lease, full_guard, ..self }
    }

    /// With other candidates.
    #[must_use]
    pub const fn between(self, candidates: Nodes) -> Self {
        Self { candidates, ..self }
    }

    /// Who holds and does not serve may give up at any time.
    #[must_use]
    pub const fn fickle(self) -> Self {
        Self { is_fickle: true, ..self }
    }

    /// A majority must come to serve from every state.
    #[must_use]
    pub const fn electing(self) -> Self {
        Self { must_elect: true, ..self }
    }

    /// With the shortest lease there is: where what is looked for is no matter of time.
    #[must_use]
    pub const fn brief(self) -> Self {
        self.with_lease(1, 1)
    }

    /// The same without these rules.
    #[must_use]
    pub const fn without(self, rules: &'static [Rule]) -> Self {
        Self { without: rules, ..self }
    }

    /// How long a voter guards a holder, ticks.
    pub fn guard(&self) -> u8 {
        match (self.has(Rule::GuardCoversLease), self.has(Rule::GuardMargin)) {
            (true, true) => self.full_guard,
            (true, false) => self.lease,
            (false, _) => self.lease - 1,
        }
    }

    /// How long a node waits that lost its memory, ticks.
    pub fn quarantine(&self) -> u8 {
        match (self.has(Rule::Quarantine), self.has(Rule::FullQuarantine)) {
            (true, true) => self.full_guard,
            (true, false) => self.full_guard - 1,
            (false, _) => 0,
        }
    }

    /// Whether a rule holds in this model.
    pub fn has(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }

    /// Every node of any generation.
    pub fn nodes(&self) -> Nodes {
        self.generations.iter().fold(Nodes(0), |all, voters| Nodes(all.0 | voters.0))
    }

    /// How many other voters make a majority with a holder: ⌊n/2⌋.
    pub fn majority_of_others(&self, generation: u8) -> usize {
        let needed = self.generations[usize::from(generation)].len() / 2;
        if self.has(Rule::Majority) { needed } else { needed - 1 }
    }
}
