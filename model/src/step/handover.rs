//! Planned handover: TAKE, HANDOVER, TRANSFER.

use afc_ebpf::{identity::OwnerWord, lease::window_until_ns};
use afc_engine::record::{self, OwnHolding};

use crate::{
    deed::{Deed, Deeds},
    network::Message,
    rule::Rule,
    shape::{Shape, TICK_NS, node},
    state::{Agent, Held, NOW_NS, Record, State},
};

impl State {
    /// "c sends TAKE(s, its session, its clock `c_ts`)."
    pub(crate) fn ask_for_handover(&self, place: usize, shape: &Shape) -> Option<Deeds> {
        let me = &self.nodes[place];
        let agent = me.agent?;
        let may = self.left.handovers > 0 && agent.holds == 0 && me.voters(shape).contains(place);
        let take = Message::Take { by: place as u8, session: me.session, life: me.life, age: 0 };
        let owner = me.record.owner_word();
        let is_allowed =
            owner.owner() != node(place) && record::allows_taking(me.record.exact(), owner, node(place));
        let asked = if is_allowed { owner.0 } else { 0 };
        may.then(|| {
            let mut deeds = vec![Deed::Remember(Agent { has_asked: true, asked, ..agent })];
            deeds.extend(is_allowed.then_some(Deed::Ask(asked)));
            deeds.push(Deed::Send(take));
            deeds
        })
    }

    /// An agent that had its kernel ask takes the question back, and what the kernel may have taken, before it votes for
    /// anybody else.
    pub(crate) fn take_back(&self, place: usize, deeds: &mut Deeds, shape: &Shape) {
        let Some(agent) = self.nodes[place].agent.filter(|agent| agent.asked != 0) else {
            return;
        };
        let asked = OwnerWord(agent.asked);
        let is_allowed = |record: &Record| record::allows_taking(record.exact(), asked, node(place));
        let is_void = |deed: &Deed| matches!(deed, Deed::Keep(record) if !is_allowed(record));
        let holds = deeds.iter().any(|deed| matches!(deed, Deed::Hold(_)));
        if deeds.iter().any(is_void) && !holds && shape.has(Rule::TakenBack) {
            deeds.splice(..0, [Deed::Remember(Agent { asked: 0, ..agent }), Deed::Drop]);
        }
    }

    /// A kernel takes what its agent had it ask for, whether that lives or not.
    pub(crate) fn kernel_takes(&self, place: usize, handover: Message, shape: &Shape) -> Option<Held> {
        let Message::Handover { to, session, life, word, age, remaining } = handover else {
            return None;
        };
        let me = &self.nodes[place];
        let is_asked = me.held.word == 0 && me.held.asked == word && word != 0;
        let is_answer = usize::from(to) == place && session == me.session && life == me.life;
        let until_ns = window(age, remaining, shape);
        let next = OwnerWord(word).epoch().next_hop()?.owned_by(node(place));
        (is_asked && is_answer && until_ns > NOW_NS).then(|| Held::claimed(next).with_window(until_ns))
    }

    /// "o, with R left on its lease, drops the holding, sets its own record to (c, e, now + G), and answers HANDOVER,
    /// once; to the voters TRANSFER."
    pub(crate) fn hand_over(&self, place: usize, take: Message, shape: &Shape) -> Option<Deeds> {
        let Message::Take { by: to, session, life, age } = take else {
            return None;
        };
        let me = &self.nodes[place];
        let agent = me.agent?;
        let remaining = (me.lease_left_ns(place, shape) / TICK_NS) as u8;
        let handover = |word, remaining| Message::Handover { to, session, life, word, age, remaining };
        if usize::from(to) == place {
            return None;
        }
        // Asked again, it answers as before.
        if !shape.has(Rule::HandoverOnce) && agent.holds == 0 {
            return self.network.iter().find_map(|message| {
                let Message::Handover { to: before, word, remaining, .. } = message else {
                    return None;
                };
                let is_own = before == to && OwnerWord(word).owner() == node(place);
                is_own.then(|| vec![Deed::Send(handover(word, remaining))])
            });
        }
        if agent.holds == 0 || agent.raise != 0 || remaining == 0 {
            return None;
        }
        let guard = match shape.has(Rule::HandoverGuard) {
            true => shape.guard(),
            false => remaining,
        };
        let guard_until_ns = NOW_NS + u64::from(guard) * TICK_NS;
        let handed = match shape.has(Rule::HandoverRecords) {
            true => record::handed_over(me.record.exact(), node(usize::from(to)), guard_until_ns),
            false => record::released(me.record.exact()),
        };
        Some(vec![
            Deed::Keep(Record::from_real(handed)),
            Deed::HandOver(handover(agent.holds, remaining)),
            Deed::Remember(Agent::default()),
            Deed::Send(Message::Transfer { word: agent.holds, to }),
        ])
    }

    /// "c takes it only under that session, if it holds nothing of s, the epoch is above its floor, and its own record is
    /// (o, e) or grantable. It serves at once, until `c_ts + R/1.25` at most."
    pub(crate) fn take_over(&self, place: usize, handover: Message, shape: &Shape) -> Option<Deeds> {
        let Message::Handover { to, session, life, word, age, remaining } = handover else {
            return None;
        };
        let me = &self.nodes[place];
        let agent = me.agent?;
        let is_of_session = session == me.session || !shape.has(Rule::HandoverSession);
        let is_answer = match shape.has(Rule::HandoverAnswers) {
            // What another boot's clock stamped may look like of just now.
            true => agent.has_asked && (life == me.life || session != me.session),
            false => true,
        };
        if usize::from(to) != place || !is_of_session || !is_answer || agent.holds != 0 {
            return None;
        }
        let word = OwnerWord(word);
        let exact = me.record.exact();
        let transferred = record::after_transfer(exact, word, node(place)).unwrap_or(exact);
        let mut record = Record::from_real(transferred).real(shape);
        if !shape.has(Rule::TakeAboveFloor) {
            record.floor = 0;
        }
        let handed = match shape.has(Rule::HandoverEpoch) {
            true => word,
            // An epoch as if it had claimed, of which the voters know nothing.
            false => record::next_epoch(record, word.epoch(), node(place))?.owned_by(node(place)),
        };
        let standing = me.standing(shape, OwnHolding::Nothing);
        let (epoch, taken) = record::taken(record, standing, handed, node(place), NOW_NS)?;
        let word = epoch.owned_by(node(place));
        let held = match me.held.word == word.0 {
            // The kernel has taken it.
            true => me.held,
            false => Held::claimed(word).with_window(window(age, remaining, shape)),
        };
        Some(vec![
            Deed::Persist(epoch),
            Deed::Keep(Record::from_real(taken)),
            Deed::Remember(Agent { holds: word.0, ..Agent::default() }),
            Deed::Hold(held),
        ])
    }
}

/// The end of the window, as [`NOW_NS`] counts.
fn window(age: u8, remaining: u8, shape: &Shape) -> u64 {
    let asked_ns = match shape.has(Rule::WindowFromAsk) {
        true => NOW_NS - u64::from(age) * TICK_NS,
        false => NOW_NS,
    };
    let remaining_ns = u64::from(remaining) * TICK_NS;
    // Where no clock is slow, the margin is left out: a longer window is harsher.
    match shape.has(Rule::WindowMargin) && !shape.slow.is_empty() {
        true => window_until_ns(asked_ns, remaining_ns),
        false => asked_ns + remaining_ns,
    }
}
