//! The holder: claims, gives up, raises its epoch; and its kernel, which collects grants.

use afc_ebpf::identity::{Epoch, OwnerWord};
use afc_engine::record::{self, Ask as Request, Decision, OwnHolding};

use super::Knowledge;
use crate::{
    deed::{Deed, Deeds},
    network::{Ask, Message},
    rule::Rule,
    shape::{Nodes, Shape, TICK_NS, node},
    state::{Agent, Held, NOW_NS, Record, State},
};

impl State {
    /// "Claims with an epoch above all it has seen, its floor persisted first. Its own vote follows the voter's rule."
    pub(crate) fn claim(&self, place: usize, knowledge: Knowledge, shape: &Shape) -> Option<Deeds> {
        let me = &self.nodes[place];
        if self.left.claims == 0 || me.agent?.holds != 0 || !me.voters(shape).contains(place) {
            return None;
        }
        let word = self.word_known(place, knowledge, shape)?;
        let mut deeds = self.vote_for_own(place, word, shape)?;
        let held = match shape.has(Rule::FreshLeases) {
            true => Held::claimed(word),
            false => me.held.carried_over(word),
        };
        deeds.extend([Deed::Remember(Agent { holds: word.0, ..Agent::default() }), Deed::Hold(held)]);
        Some(deeds)
    }

    /// The next word of a node that has heard of so much; none if it makes no difference.
    fn word_known(&self, place: usize, knowledge: Knowledge, shape: &Shape) -> Option<OwnerWord> {
        let own = self.next_word(place, Epoch::ZERO, shape)?;
        match knowledge {
            Knowledge::Own => Some(own),
            Knowledge::Everything => {
                self.next_word(place, self.network.highest(), shape).filter(|word| *word != own)
            }
        }
    }

    fn next_word(&self, place: usize, seen: Epoch, shape: &Shape) -> Option<OwnerWord> {
        let me = node(place);
        let record = self.nodes[place].record.exact();
        let released = OwnerWord(record.word);
        // What it held last.
        if !shape.has(Rule::NeverAgain) && !released.owner().is_some() && released.epoch().claimer() == me {
            return Some(released.epoch().owned_by(me));
        }
        record::next_epoch(record, seen, me).map(|epoch| epoch.owned_by(me))
    }

    pub(crate) fn vote_for_own(&self, place: usize, word: OwnerWord, shape: &Shape) -> Option<Deeds> {
        let me = &self.nodes[place];
        let record = match shape.has(Rule::OwnRecord) {
            true => me.record.real(shape),
            false => record::released(me.record.real(shape)),
        };
        let record = match shape.has(Rule::NeverAgain) {
            true => record,
            false if OwnerWord(record.word).owner().is_some() => record,
            false => afc_ebpf::layout::Record { word: 0, ..record },
        };
        let standing = me.standing(shape, OwnHolding::Nothing);
        match record::decide(record, standing, Request::of(word), NOW_NS) {
            Decision::Grant(granted) | Decision::DropAndGrant(granted) => {
                Some(vec![Deed::Persist(word.epoch()), Deed::Keep(Record::from_real(record::held(granted)))])
            }
            Decision::Refuse(_) => None,
        }
    }

    /// Gives up, or finds that the kernel did.
    pub(crate) fn release(&self, place: usize, shape: &Shape) -> Option<Deeds> {
        let me = &self.nodes[place];
        let may = self.left.releases > 0 || self.gives_up_freely(place, shape);
        (me.agent?.holds != 0 && may).then(|| self.give_up(place))
    }

    /// Whether giving up is no choice that is counted: the kernel dropped it, or it serves nobody.
    pub(crate) fn gives_up_freely(&self, place: usize, shape: &Shape) -> bool {
        let me = &self.nodes[place];
        me.held.word == 0 || (shape.is_fickle && !me.serves(place, shape))
    }

    /// "Raises its own by claiming anew": on its own record and on the wire, not in the kernel yet.
    pub(crate) fn raise(&self, place: usize, knowledge: Knowledge, shape: &Shape) -> Option<Deeds> {
        let agent = self.nodes[place].agent?;
        if self.left.raises == 0 || agent.holds == 0 || agent.raise != 0 {
            return None;
        }
        let word = self.word_known(place, knowledge, shape)?;
        let mut deeds = self.vote_for_own(place, word, shape)?;
        if !shape.has(Rule::RaiseMajority) {
            deeds.extend(self.move_over(place, word));
            return Some(deeds);
        }
        deeds.extend([
            Deed::Remember(Agent { raise: word.0, recorded: Nodes::default(), ..agent }),
            Deed::Send(Message::Ask(self.request(place, word))),
        ]);
        Some(deeds)
    }

    /// "Its leases carry over" once a majority has the higher epoch on record.
    pub(crate) fn hear_recorded(&self, place: usize, by: u8, shape: &Shape) -> Option<Deeds> {
        let me = &self.nodes[place];
        let agent = me.agent?;
        let is_told = |message| message == Message::Recorded { by, word: agent.raise };
        if agent.raise == 0 || !self.network.iter().any(is_told) {
            return None;
        }
        let recorded = agent.recorded.with(usize::from(by));
        if recorded.len() < shape.majority_of_others(me.generation) {
            return Some(vec![Deed::Remember(Agent { recorded, ..agent })]);
        }
        Some(self.move_over(place, OwnerWord(agent.raise)))
    }

    /// The kernel's leases carry over from what it still holds.
    fn move_over(&self, place: usize, word: OwnerWord) -> Deeds {
        let held = match self.nodes[place].held {
            Held { word: 0, .. } => Held::claimed(word),
            before => before.carried_over(word),
        };
        vec![Deed::Remember(Agent { holds: word.0, ..Agent::default() }), Deed::Hold(held)]
    }

    /// A raise that found no majority in time.
    pub(crate) fn start_over(&self, place: usize) -> Option<Deeds> {
        let agent = self.nodes[place].agent.filter(|agent| agent.raise != 0)?;
        Some(vec![
            Deed::Remember(Agent { holds: agent.raise, ..Agent::default() }),
            Deed::Hold(Held::claimed(OwnerWord(agent.raise))),
        ])
    }

    /// The kernel takes a grant in.
    pub(crate) fn receive_grant(&mut self, by: usize, ask: &Ask, age: u8, shape: &Shape) {
        let place = ask.by();
        let is_of_generation = self.is_of_generation(place, ask.generation, shape);
        let me = &mut self.nodes[place];
        if me.session != ask.session || !is_of_generation || me.held.word == 0 {
            return;
        }
        let word = if shape.has(Rule::GrantMatchesEpoch) { ask.word } else { me.held.word };
        let echo_ns = match shape.has(Rule::EchoedClock) {
            true => NOW_NS - u64::from(age) * TICK_NS,
            false => NOW_NS,
        };
        let mut real = me.held.real(place, me.voters(shape));
        let lease_ns = u64::from(shape.lease) * TICK_NS;
        real.grant(word, node(by).0, echo_ns, lease_ns, NOW_NS);
        me.held.take_leases(&real);
    }
}
