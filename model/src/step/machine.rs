//! Machines and time: ticks, agents that come back, memory that is lost, membership.

use afc_ebpf::identity::{Epoch, OwnerWord};
use afc_engine::record::{self, Adoption};

use super::{End, Step};
use crate::{
    network::Message,
    rule::Rule,
    shape::{Nodes, Shape, TICK_NS, node, place_of},
    state::{Agent, Held, NOW_NS, Node, Record, State},
};

impl State {
    pub(crate) fn machine_steps(&self, shape: &Shape, steps: &mut Vec<Step>) {
        steps.push(Step::Tick { skipping: Nodes(0) });
        for skipping in (1..=shape.slow.0).map(Nodes).filter(|some| some.0 & !shape.slow.0 == 0) {
            if skipping.iter().all(|slow| self.nodes[slow].since_skip >= shape.lease) {
                steps.push(Step::Tick { skipping });
            }
        }
        for at in shape.nodes().iter() {
            let (node, place) = (&self.nodes[at], at as u8);
            if node.agent.is_none() {
                steps.push(Step::Adopt { place });
            }
            if self.left.reboots > 0 && shape.mortal.contains(at) {
                steps.extend([End::Stop, End::Crash].map(|end| Step::Reboot { place, end }));
            }
            if self.may_enter(at, shape) {
                steps.push(Step::Enter { place });
            }
        }
    }

    pub(crate) fn tick(&mut self, skipping: Nodes, shape: &Shape) {
        let ticking = Nodes(shape.nodes().0 & !skipping.0);
        for place in ticking.iter() {
            self.nodes[place].tick(place, shape);
        }
        for place in skipping.iter() {
            self.nodes[place].since_skip = 0;
        }
        let nodes = self.nodes;
        self.network.age(ticking, shape.lease, &nodes.map(|node| node.session), |ask| {
            let holder = &nodes[ask.by()];
            let asks = [holder.held.word, holder.agent.map_or(0, |agent| agent.raise)];
            let is_now = holder.session == ask.session && holder.generation == ask.generation;
            is_now && asks.contains(&ask.word)
        });
    }

    /// "An agent that restarts sooner adopts the pinned programs and maps."
    pub(crate) fn adopt(&mut self, place: usize, shape: &Shape) {
        let me = &mut self.nodes[place];
        me.agent = Some(Agent::default());
        me.life += 1;
        if !shape.has(Rule::RecordsAdopted) && me.held.word == 0 {
            me.record.word = 0;
        }
        match record::adoption(me.record.exact(), OwnerWord(me.held.word), node(place)) {
            Adoption::Drop => me.held = Held::NOTHING,
            Adoption::Hold(epoch) => {
                me.agent = Some(Agent { holds: epoch.owned_by(node(place)).0, ..Agent::default() });
            }
            Adoption::Release(epoch) => {
                let word = epoch.owned_by(node(place)).0;
                me.agent = Some(Agent { holds: word, ..Agent::default() });
                for deed in self.give_up(place) {
                    self.carry_out(place, deed, shape);
                }
            }
        }
    }

    /// "New session, empty memory; for G the node neither grants nor claims. What survives is the floor." Its clock starts
    /// anew: what an old boot stamped may look like of just now.
    pub(crate) fn reboot(&mut self, place: usize, end: End, shape: &Shape) {
        self.left.reboots -= 1;
        let me = &mut self.nodes[place];
        let quarantine = shape.quarantine();
        let floor = match (shape.has(Rule::FloorSurvives), end) {
            (true, End::Stop) => me.disk,
            (true, End::Crash) => record::floor_from_disk(me.disk.counter()),
            (false, _) => Epoch::ZERO,
        };
        let until_ns = NOW_NS + u64::from(quarantine) * TICK_NS;
        *me = Node {
            session: me.session + 1,
            life: me.life + 1,
            quarantine,
            record: Record::from_real(record::forgotten(floor, until_ns)),
            agent: Some(Agent::default()),
            held: Held::NOTHING,
            ..*me
        };
        let keeps_handovers = !shape.has(Rule::HandoverSession);
        self.network.retain_mut(|message| match message {
            // No kernel takes what was granted to another session.
            Message::Grant { ask, .. } => ask.by() != place,
            Message::Handover { to, age, .. } if usize::from(*to) == place => {
                *age = 0;
                keeps_handovers
            }
            Message::Ask(ask) if ask.by() == place => {
                (ask.young, ask.old) = (shape.lease, shape.lease);
                true
            }
            Message::Ask(_)
            | Message::Recorded { .. }
            | Message::Release { .. }
            | Message::Take { .. }
            | Message::Handover { .. }
            | Message::Transfer { .. } => true,
        });
    }

    /// Takes away messages that can change nothing any more, whenever they come: so that equal futures are equal states.
    pub(crate) fn forget_what_is_over(&mut self, shape: &Shape) {
        let nodes = self.nodes;
        let floors_hold = shape.has(Rule::Floor) && shape.has(Rule::FloorSurvives);
        let floor = |place: usize| nodes[place].disk.min(OwnerWord(nodes[place].record.floor).epoch());
        let lowest = shape.nodes().iter().map(floor).min().unwrap_or(Epoch::ZERO);
        // Every voter refuses it, also after a restart, and none has it on record.
        let is_over = |word: u64| {
            let is_recorded = shape.nodes().iter().any(|place| nodes[place].record.word == word);
            floors_hold && OwnerWord(word).epoch() < lowest && !is_recorded
        };
        let oldest = shape.nodes().iter().map(|place| nodes[place].generation).min().unwrap_or_default();
        let is_left = |generation: u8| generation < oldest && shape.has(Rule::OneGeneration);
        let exact = shape.has(Rule::GrantMatchesEpoch) && shape.has(Rule::NeverAgain);
        self.network.retain_mut(|message| match message {
            Message::Ask(ask) => !is_over(ask.word) && !is_left(ask.generation),
            Message::Grant { ask, .. } => {
                let holder = &nodes[ask.by()];
                let raises = holder.agent.is_some_and(|agent| agent.raise == ask.word);
                let is_awaited = holder.held.word == ask.word || raises || !exact;
                is_awaited && (holder.generation == ask.generation || !shape.has(Rule::OneGeneration))
            }
            Message::Recorded { word, .. } => {
                let holder = place_of(OwnerWord(*word).owner()).and_then(|place| nodes[place].agent);
                holder.is_some_and(|agent| agent.raise == *word)
            }
            Message::Release { word } | Message::Transfer { word, .. } => !is_over(*word),
            Message::Handover { to, word, .. } => {
                let next = OwnerWord(*word).epoch().next_hop().unwrap_or(Epoch::ZERO);
                let is_taken = floor(usize::from(*to)) >= next;
                !is_taken
                    || !shape.has(Rule::TakeAboveFloor)
                    || !shape.has(Rule::HandoverOnce)
                    || !floors_hold
            }
            Message::Take { .. } => true,
        });
    }

    /// "Membership changes one node at a time, agreed by a majority of the old set."
    fn may_enter(&self, place: usize, shape: &Shape) -> bool {
        let generation = self.nodes[place].generation;
        let has_next = usize::from(generation) + 1 < shape.generations.len();
        has_next && self.agreed_floor(generation, shape).is_some()
    }

    /// The floor that a majority of a generation tells, once it has been there for G: of all majorities the one that knows
    /// least.
    fn agreed_floor(&self, generation: u8, shape: &Shape) -> Option<u64> {
        let present = shape.generations[usize::from(generation)];
        let settled = present.iter().map(|voter| &self.nodes[voter]).filter(|voter| {
            let is_settled = voter.generation == generation && voter.settling == 0;
            is_settled || voter.generation > generation || !shape.has(Rule::GenerationAgreed)
        });
        let mut floors: Vec<u64> = settled.map(|voter| voter.record.floor).collect();
        floors.sort_unstable();
        floors.get(present.len() / 2).copied()
    }

    /// A voter keeps its record, a holder what a majority let it hold; who is a voter no more drops what it holds.
    pub(crate) fn enter(&mut self, place: usize, shape: &Shape) {
        let left_ns = self.nodes[place].lease_left_ns(place, shape);
        let floor = self.agreed_floor(self.nodes[place].generation, shape).unwrap_or(0);
        let me = &mut self.nodes[place];
        if shape.has(Rule::GenerationFloors) {
            me.record.floor = me.record.floor.max(floor);
            me.disk = me.disk.max(OwnerWord(me.record.floor).epoch());
        }
        if shape.has(Rule::LeaseCarriesOver) {
            me.held = me.held.in_next_generation(left_ns);
        }
        me.generation += 1;
        me.settling = if shape.has(Rule::GenerationSettles) { shape.guard() } else { 0 };
        let holds = me.agent.map_or(0, |agent| agent.holds);
        if !me.voters(shape).contains(place) {
            if holds != 0 {
                for deed in self.give_up(place) {
                    self.carry_out(place, deed, shape);
                }
            }
            self.nodes[place].held = Held::NOTHING;
        } else if let Some(word) =
            Some(OwnerWord(me.held.word)).filter(|word| place_of(word.owner()).is_some())
        {
            self.ask(place, word);
        }
    }
}
