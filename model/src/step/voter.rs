//! The voter: requests, releases, transfers.

use afc_ebpf::identity::OwnerWord;
use afc_engine::record::{self, Ask as Request, Decision, OwnHolding};

use crate::{
    deed::{Deed, Deeds},
    network::{Ask, Message},
    rule::Rule,
    shape::{Shape, node},
    state::{Agent, NOW_NS, Record, State},
};

impl State {
    /// "It first records (o, e, now + G), then grants." What it holds itself, it gives up before.
    pub(crate) fn vote(&self, place: usize, ask: Ask, shape: &Shape) -> Option<Deeds> {
        let me = &self.nodes[place];
        let is_voter = me.voters(shape).contains(place) && me.voters(shape).contains(ask.by());
        if ask.by() == place || !is_voter || !self.is_of_generation(place, ask.generation, shape) {
            return None;
        }
        let holds = OwnerWord(me.agent?.holds);
        let own = match holds.is_none() || !shape.has(Rule::DropBeforeVote) {
            true => OwnHolding::Nothing,
            // It may believe that a live lease has lapsed: what it saw of the kernel is old.
            false => OwnHolding::Yielding(holds.epoch()),
        };
        let record = match shape.has(Rule::DropBeforeVote) {
            true => me.record.real(shape),
            false if me.record.owner_word().owner() == node(place) => record::released(me.record.real(shape)),
            false => me.record.real(shape),
        };
        let request = Request::of(ask.owner_word());
        let mut deeds = Deeds::new();
        let granted = match record::decide(record, me.standing(shape, own), request, NOW_NS) {
            Decision::Grant(granted) => granted,
            Decision::DropAndGrant(granted) => {
                deeds.extend(self.give_up(place));
                granted
            }
            Decision::Refuse(_) => return None,
        };
        let ages =
            (ask.young..=ask.old).filter(|age| *age < shape.lease).fold(0, |ages, age| ages | 1 << age);
        deeds.extend([
            Deed::Persist(request.epoch),
            Deed::Keep(Record::from_real(granted)),
            Deed::Send(Message::Grant { by: place as u8, ask: ask.ageless(), ages }),
        ]);
        Some(deeds)
    }

    /// "Drop first, then tell all": of a raise that was not finished, both epochs.
    pub(crate) fn give_up(&self, place: usize) -> Deeds {
        let me = &self.nodes[place];
        let holds = me.agent.map_or(0, |agent| agent.holds);
        let mut deeds = vec![
            Deed::Drop,
            Deed::Remember(Agent::default()),
            Deed::Keep(Record::from_real(record::released(me.record.exact()))),
            Deed::Send(Message::Release { word: holds }),
        ];
        if me.record.word != holds && me.record.owner_word().owner() == node(place) {
            deeds.push(Deed::Send(Message::Release { word: me.record.word }));
        }
        deeds
    }

    /// Its REFUSE tells the holder that its raised epoch is on record.
    pub(crate) fn refuse_renewal(&self, place: usize) -> Option<Deeds> {
        let recorded = self.nodes[place].record.owner_word();
        let is_raised = |agent: Agent| agent.raise == recorded.0;
        let holder = crate::shape::place_of(recorded.owner()).filter(|holder| *holder != place)?;
        self.nodes[holder].agent.filter(|agent| is_raised(*agent))?;
        Some(vec![Deed::Send(Message::Recorded { by: place as u8, word: recorded.0 })])
    }

    /// "It counts only for exactly that holder and epoch."
    pub(crate) fn hear_release(&self, place: usize, word: u64, shape: &Shape) -> Option<Deeds> {
        let me = &self.nodes[place];
        let mut word = OwnerWord(word);
        if !shape.has(Rule::ReleaseExact) && me.record.owner_word().owner() == word.owner() {
            word = me.record.owner_word();
        }
        // What it holds itself ends with its own drop.
        if word.owner() == node(place) {
            return None;
        }
        let released = record::after_release(me.record.exact(), word)?;
        Some(vec![Deed::Keep(Record::from_real(released))])
    }

    /// "Record exactly (o, e) becomes holder c, the guard's end unchanged."
    pub(crate) fn hear_transfer(&self, place: usize, word: u64, to: u8, shape: &Shape) -> Option<Deeds> {
        let me = &self.nodes[place];
        let mut word = OwnerWord(word);
        if !shape.has(Rule::TransferExact) && me.record.owner_word().owner() == word.owner() {
            word = me.record.owner_word();
        }
        let mut record = record::after_transfer(me.record.exact(), word, node(usize::from(to)))?;
        if !shape.has(Rule::TransferKeepsGuard) {
            record = record::released(record);
        }
        Some(vec![Deed::Keep(Record::from_real(record))])
    }
}
