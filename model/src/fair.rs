//! What a fair world makes of a state: from every state that can be reached, a connected majority must come to serve.
//!
//! In a fair world nothing more goes wrong, and what is still under way is lost. The agents of a majority live, hear each other at once, and have manners: who
//! holds a live lease refuses others, who lapsed gives up, a candidate asks before it claims. What is outside of that
//! majority is as bad as can be: no agent, but a kernel that goes on asking those of the majority that it still reaches.

use afc_ebpf::identity::{Epoch, OwnerWord};
use afc_engine::record::{self, Ask as Request, Decision, OwnHolding};

use crate::{
    deed::{Deed, Deeds},
    promise,
    rule::Rule,
    shape::{Nodes, Shape, node},
    state::{Agent, Held, NOW_NS, Record, State},
};

/// Ticks after which the majority must serve: quarantine, guards and two attempts.
const TICKS: u8 = 16;
/// Ticks for which it must go on.
const STEADY: u8 = 3;

/// Who is well, and whom the others reach.
#[derive(Clone, Copy, Debug)]
struct World {
    majority: Nodes,
    reached: Nodes,
}

/// Whether every majority comes to serve, whatever the rest still reaches of it.
pub fn elects(shape: &Shape, state: &State) -> bool {
    let voters = shape.generations[0];
    let majorities = (1..=voters.0).map(Nodes).filter(|some| {
        let is_part = some.0 & !voters.0 == 0;
        is_part && some.len() > voters.len() / 2 && some.0 & shape.candidates.0 != 0
    });
    majorities.into_iter().all(|majority| {
        let others = voters.0 & !majority.0;
        let links = (0..=majority.0).map(Nodes).filter(|some| some.0 & !majority.0 == 0);
        links
            .filter(|some| others != 0 || some.is_empty())
            .all(|reached| state.comes_to_serve(World { majority, reached }, shape))
    })
}

impl State {
    fn comes_to_serve(&self, world: World, shape: &Shape) -> bool {
        let mut state = self.clone();
        for place in shape.nodes().iter() {
            match (world.majority.contains(place), state.nodes[place].agent) {
                (true, None) => state.adopt(place, shape),
                (true, Some(agent)) => {
                    // It asks no more, and has its kernel drop what that may have taken.
                    let node = &mut state.nodes[place];
                    node.agent = Some(Agent { has_asked: false, asked: 0, ..agent });
                    if agent.holds == 0 {
                        node.held = Held::NOTHING;
                    }
                }
                (false, _) => state.nodes[place].agent = None,
            }
        }
        let mut steady = 0;
        for _ in 0..TICKS {
            state.meet(world, shape);
            steady = if promise::servers(shape, &state).is_empty() { 0 } else { steady + 1 };
            if steady > STEADY {
                return true;
            }
            state.tick(Nodes(0), shape);
        }
        false
    }

    /// Everything that is said and done within one tick.
    fn meet(&mut self, world: World, shape: &Shape) {
        for place in world.majority.iter() {
            let agent = self.nodes[place].agent.unwrap_or_default();
            if agent.raise != 0 {
                self.all(place, self.start_over(place).unwrap_or_default(), shape);
            }
            if agent.holds != 0 && self.nodes[place].held.word == 0 {
                self.leave(place, world, shape);
            }
        }
        for holder in shape.nodes().iter() {
            self.renew(holder, world, shape);
        }
        if promise::servers(shape, self).is_empty() {
            for place in world.majority.iter().filter(|place| shape.candidates.contains(*place)) {
                if self.asks_and_claims(place, world, shape) {
                    self.renew(place, world, shape);
                    return;
                }
            }
        }
    }

    /// A holder asks whom it reaches.
    fn renew(&mut self, holder: usize, world: World, shape: &Shape) {
        let is_well = world.majority.contains(holder);
        for voter in world.majority.iter() {
            let word = OwnerWord(self.nodes[holder].held.word);
            if voter == holder || word.is_none() || !(is_well || world.reached.contains(voter)) {
                continue;
            }
            match self.decision(voter, Request::of(word), shape) {
                Decision::Grant(granted) => self.keep(voter, granted, shape),
                Decision::DropAndGrant(granted) => {
                    self.leave(voter, world, shape);
                    self.keep(voter, granted, shape);
                }
                Decision::Refuse(_) => {
                    if is_well {
                        self.learn(holder, voter, world, shape);
                    }
                    continue;
                }
            }
            let request = self.request(holder, word);
            self.receive_grant(voter, &request, 0, shape);
        }
    }

    /// A refusal tells of a higher epoch: without a lease the holder yields to it; with one it raises its own above it,
    /// where nobody else holds it.
    fn learn(&mut self, holder: usize, voter: usize, world: World, shape: &Shape) {
        let (word, recorded) =
            (OwnerWord(self.nodes[holder].held.word), self.nodes[voter].record.owner_word());
        let is_higher = recorded.epoch() > word.epoch() || self.floor_of(voter) > word.epoch();
        let is_held = recorded.owner().is_some() && recorded.owner() != node(holder);
        if !is_higher {
            return;
        }
        if !self.nodes[holder].serves(holder, shape) {
            if is_held && shape.has(Rule::Yields) {
                self.leave(holder, world, shape);
            }
        } else if !is_held {
            self.raise_above(holder, world, shape);
        }
    }

    fn raise_above(&mut self, holder: usize, world: World, shape: &Shape) {
        let Some(word) = self.word_above(holder, world) else {
            return;
        };
        let Some(deeds) = self.vote_for_own(holder, word, shape) else {
            return;
        };
        self.all(holder, deeds, shape);
        let mut recorded = 0;
        for voter in world.majority.iter().filter(|voter| *voter != holder) {
            if let Decision::Grant(granted) = self.decision(voter, Request::of(word), shape) {
                self.keep(voter, granted, shape);
                recorded += 1;
            }
        }
        let held = match recorded >= shape.majority_of_others(self.nodes[holder].generation) {
            true => self.nodes[holder].held.carried_over(word),
            false => Held::claimed(word),
        };
        let agent = Agent { holds: word.0, ..Agent::default() };
        self.all(holder, vec![Deed::Remember(agent), Deed::Hold(held)], shape);
    }

    /// "A candidate whose own record's guard has run out first asks with a trial CLAIM."
    fn asks_and_claims(&mut self, place: usize, world: World, shape: &Shape) -> bool {
        let me = &self.nodes[place];
        let is_free = me.agent.is_some_and(|agent| agent.holds == 0) && me.quarantine == 0;
        if !is_free || record::is_guarded_from(me.record.exact(), node(place), NOW_NS) {
            return false;
        }
        let Some(word) = self.word_above(place, world) else {
            return false;
        };
        let would_grant = |voter: &usize| {
            let decision = self.decision(*voter, Request::of(word), shape);
            matches!(decision, Decision::Grant(_) | Decision::DropAndGrant(_))
        };
        let others = world.majority.iter().filter(|voter| *voter != place);
        let yes = others.filter(would_grant).count();
        if yes < shape.majority_of_others(self.nodes[place].generation) {
            return false;
        }
        let Some(mut deeds) = self.vote_for_own(place, word, shape) else {
            return false;
        };
        let agent = Agent { holds: word.0, ..Agent::default() };
        deeds.extend([Deed::Remember(agent), Deed::Hold(Held::claimed(word))]);
        self.all(place, deeds, shape);
        true
    }

    /// An epoch above everything that the refusals of a majority told.
    fn word_above(&self, place: usize, world: World) -> Option<OwnerWord> {
        let told = world
            .majority
            .iter()
            .map(|voter| self.floor_of(voter).max(self.nodes[voter].record.owner_word().epoch()));
        let seen = told.max().unwrap_or(Epoch::ZERO);
        record::next_epoch(self.nodes[place].record.exact(), seen, node(place))
            .map(|epoch| epoch.owned_by(node(place)))
    }

    fn floor_of(&self, place: usize) -> Epoch {
        OwnerWord(self.nodes[place].record.floor).epoch()
    }

    /// The voter's rule with manners: "with a live lease it refuses instead".
    fn decision(&self, voter: usize, request: Request, shape: &Shape) -> Decision {
        let me = &self.nodes[voter];
        let holds = OwnerWord(me.agent.map_or(0, |agent| agent.holds));
        let own = match (holds.is_none(), me.serves(voter, shape) || !shape.has(Rule::Yields)) {
            (true, _) => OwnHolding::Nothing,
            (false, true) => OwnHolding::Protected,
            (false, false) => OwnHolding::Yielding(holds.epoch()),
        };
        record::decide(me.record.real(shape), me.standing(shape, own), request, NOW_NS)
    }

    fn keep(&mut self, voter: usize, granted: afc_ebpf::layout::Record, shape: &Shape) {
        let deeds =
            vec![Deed::Persist(OwnerWord(granted.word).epoch()), Deed::Keep(Record::from_real(granted))];
        self.all(voter, deeds, shape);
    }

    /// Drops, and all that are well hear the RELEASE.
    fn leave(&mut self, place: usize, world: World, shape: &Shape) {
        let word = OwnerWord(self.nodes[place].agent.map_or(0, |agent| agent.holds));
        let recorded = self.nodes[place].record.owner_word();
        self.all(place, self.give_up(place), shape);
        for voter in world.majority.iter().filter(|voter| *voter != place) {
            for word in [word, recorded] {
                self.all(voter, self.hear_release(voter, word.0, shape).unwrap_or_default(), shape);
            }
        }
    }

    fn all(&mut self, place: usize, deeds: Deeds, shape: &Shape) {
        for deed in deeds {
            self.carry_out(place, deed, shape);
        }
    }
}
