//! The voter: what other nodes list and claim, and what this node answers.
//!
//! The rule itself is [`record::decide`]. Everything here keeps one order: the own drop, the record, the
//! grant.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord},
    layout::Record,
    wire::{Kind, flag},
};

use super::{
    Effect, Engine,
    effect::DropCause,
    message::{Message, Refusal, Slot, Slots},
    node::Grants,
    record::{self, Ask, Decision, OwnHolding, Standing},
    table::{NodeAt, ServiceAt},
};

impl Engine {
    /// "The REPLY carries o's session, its clock `o_ts`, and the (service, epoch) pairs it holds: each is a
    /// request to renew." The grants wait for the next PROBE, once.
    pub(super) fn handle_reply(&mut self, from: NodeAt, message: &Message, now_ns: u64) {
        let page = usize::from(message.page);
        if page >= self.nodes[from].grants.len() || message.session == 0 {
            self.counters.malformed += 1;
            return;
        }
        // It waited in a queue for a whole lease: a grant would come too late and only a guard would stay.
        if now_ns.saturating_sub(message.echo_ns) > self.timing.lease_ns {
            self.counters.stale += 1;
            return;
        }
        let node = &mut self.nodes[from];
        if node.session != message.session {
            node.session = message.session;
            node.forget_session();
            node.liveness.restarted(now_ns);
        }
        let more = message.flags & flag::MORE != 0;
        node.pages = if more { node.pages.max((page + 2).min(node.grants.len())) } else { page + 1 };
        self.note_unlisted(message);

        let mut grants = Grants { echo_ns: message.sent_ns, slots: Slots::new() };
        for slot in message.slots.as_slice() {
            let Some(at) = self.listed(message.from, *slot) else {
                continue;
            };
            if !self.is_voter(at) {
                self.note_holder(at, slot.word);
                continue;
            }
            match self.vote(at, Ask::of(slot.word), now_ns) {
                // A REPLY has as many slots as a PROBE, so each finds its place.
                Ok(()) => grants.slots.push(*slot).unwrap_or_default(),
                Err(refusal) => {
                    self.note_holder(at, slot.word);
                    self.refuse(at, message, refusal);
                }
            }
        }
        self.nodes[from].grants[page] = grants;
    }

    /// "A CLAIM is the same request unasked." It is granted at once, in an extra PROBE under the claim's own
    /// session.
    pub(super) fn handle_claim(&mut self, from: NodeAt, message: &Message, now_ns: u64) {
        let mut slots = Slots::new();
        for slot in message.slots.as_slice() {
            let Some(at) = self.listed(message.from, *slot) else {
                continue;
            };
            match self.vote(at, Ask::of(slot.word), now_ns) {
                Ok(()) => slots.push(*slot).unwrap_or_default(),
                Err(refusal) => self.refuse(at, message, refusal),
            }
        }
        if slots.as_slice().is_empty() {
            return;
        }
        let probe = Message {
            session: message.session,
            echo_ns: message.sent_ns,
            slots,
            ..self.message(Kind::Probe, message.from)
        };
        self.outbox.send(probe);
        self.nodes[from].liveness.probed(now_ns, self.timing.interval_ns);
    }

    /// "A candidate first asks with a trial CLAIM, answered statelessly."
    pub(super) fn handle_trial_claim(&mut self, from: NodeAt, message: &Message, now_ns: u64) {
        for slot in message.slots.as_slice() {
            let Some(at) = self.listed(self.nodes.key(from), *slot) else {
                continue;
            };
            match self.try_vote(at, Ask::of(slot.word), now_ns) {
                Ok(()) => {
                    let base = self.message(Kind::Probe, message.from);
                    self.outbox.send(Message {
                        flags: base.flags | flag::TRIAL,
                        session: message.session,
                        echo_ns: message.sent_ns,
                        slots: Slots::one(self.services.key(at), slot.word),
                        ..base
                    });
                }
                Err(refusal) => self.refuse(at, message, refusal),
            }
        }
    }

    /// What the voter's rule says now.
    fn decision(&self, at: ServiceAt, ask: Ask, now_ns: u64) -> Decision {
        if !self.is_voter(at) || !self.services[at].ranking.contains(ask.from) {
            return Decision::Refuse(Refusal::NotAVoter);
        }
        let standing = self.standing(at, self.own_holding(at, now_ns), now_ns);
        record::decide(self.services[at].record, standing, ask, now_ns)
    }

    /// This voter's situation, with what it holds itself.
    pub(super) fn standing(&self, at: ServiceAt, own: OwnHolding, now_ns: u64) -> Standing {
        Standing {
            in_quarantine: self.is_in_quarantine(now_ns),
            own,
            reserved: self.services[at].reserved,
            guard_ns: self.timing.guard_ns,
        }
    }

    /// "It first records (o, e, now + G), then grants."
    fn vote(&mut self, at: ServiceAt, ask: Ask, now_ns: u64) -> Result<(), Refusal> {
        self.services[at].see(ask.epoch);
        let record = match self.decision(at, ask, now_ns) {
            Decision::Grant(record) => record,
            // "Before a node votes for another it must drop its own holding, in the kernel first and for
            // good, and RELEASE it."
            Decision::DropAndGrant(record) => {
                self.drop_holding(at, DropCause::HigherEpoch, now_ns);
                record
            }
            Decision::Refuse(refusal) => {
                self.note_refused(at, ask, refusal);
                return Err(refusal);
            }
        };
        self.set_record(at, record);
        let service = &mut self.services[at];
        service.holder = ask.epoch.owned_by(ask.from);
        service.unlisted = 0;
        service.trial = None;
        service.vacant_since_ns = None;
        self.reserve_ahead(at);
        Ok(())
    }

    /// The same without any trace: a question that raised the epochs seen would let two candidates that ask
    /// in vain count up for ever. But the floor's reservation is asked for, so that the claim behind the
    /// question finds it done.
    fn try_vote(&mut self, at: ServiceAt, ask: Ask, now_ns: u64) -> Result<(), Refusal> {
        match self.decision(at, ask, now_ns) {
            // While a claim of its own runs, a question does not end it; the claim behind a majority of
            // others would.
            Decision::DropAndGrant(_) if self.is_tentative(at) => Err(Refusal::Held),
            Decision::Grant(_) | Decision::DropAndGrant(_) => Ok(()),
            Decision::Refuse(refusal) => {
                self.note_refused(at, ask, refusal);
                Err(refusal)
            }
        }
    }

    fn note_refused(&mut self, at: ServiceAt, ask: Ask, refusal: Refusal) {
        if refusal == Refusal::FloorPending {
            self.reserve(at, ask.epoch.counter());
        }
    }

    /// "With a live lease it refuses instead." What the kernel said too long ago proves no lapse.
    pub(super) fn own_holding(&self, at: ServiceAt, now_ns: u64) -> OwnHolding {
        let Some(holding) = self.services[at].holding else {
            return OwnHolding::Nothing;
        };
        if self.needs_no_grants(at) {
            return OwnHolding::Yielding(holding.epoch);
        }
        let looked_long_ago = now_ns.saturating_sub(holding.looked_ns) > 2 * self.timing.interval_ns;
        if now_ns < holding.until_ns || looked_long_ago {
            return OwnHolding::Protected;
        }
        OwnHolding::Yielding(holding.epoch)
    }

    pub(super) fn set_record(&mut self, at: ServiceAt, record: Record) {
        let id = self.services.key(at);
        if self.services[at].take.is_some_and(|take| !record::allows_taking(record, take.asked, self.me)) {
            self.take_back(at);
        }
        let service = &mut self.services[at];
        service.record = record;
        service.see(OwnerWord(record.word).epoch());
        self.outbox.push(Effect::Record { service: id, record });
    }

    /// "A refusal says why and carries the record and the floor."
    fn refuse(&mut self, at: ServiceAt, asked: &Message, refusal: Refusal) {
        let service = self.services.key(at);
        let record = self.services[at].record;
        let mut slots = Slots::one(service, OwnerWord(record.word));
        slots.push(Slot { service, word: OwnerWord(record.floor) }).unwrap_or_default();
        let base = self.message(Kind::Refuse, asked.from);
        self.outbox.send(Message {
            flags: base.flags | (asked.flags & flag::TRIAL),
            refusal: Some(refusal),
            session: asked.session,
            echo_ns: asked.sent_ns,
            slots,
            ..base
        });
    }

    /// The service of a slot that its sender may list.
    fn listed(&mut self, from: NodeId, slot: Slot) -> Option<ServiceAt> {
        if slot.word.owner() != from || slot.word.epoch() == Epoch::ZERO {
            self.counters.malformed += 1;
            return None;
        }
        let at = self.services.find(slot.service);
        self.counters.unknown_service += u64::from(at.is_none());
        at
    }

    /// A node lists a service: it is the holder if no higher epoch is known, or if the higher one's holder is
    /// gone.
    pub(super) fn note_holder(&mut self, at: ServiceAt, word: OwnerWord) {
        let is_replaced = word.epoch() > self.services[at].holder.epoch() || self.is_holder_gone(at);
        let service = &mut self.services[at];
        service.see(word.epoch());
        if word == service.holder || (is_replaced && word.epoch() != service.holder.epoch()) {
            service.holder = word;
            service.unlisted = 0;
        }
    }

    /// A REPLY without a service that its sender was thought to hold. Restarted, or its RELEASE was lost.
    fn note_unlisted(&mut self, message: &Message) {
        for at in self.services.places() {
            let id = self.services.key(at);
            let service = &mut self.services[at];
            if service.holder.owner() != message.from {
                continue;
            }
            let is_listed = message.slots.as_slice().iter().any(|slot| slot.service == id);
            service.unlisted = if is_listed { 0 } else { service.unlisted.saturating_add(1) };
        }
    }
}
