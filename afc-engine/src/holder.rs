//! The holder: claims with a majority behind it, serves while the kernel says so, raises its epoch, drops.
//!
//! Whether to claim is `candidate`'s; who serves a packet is the kernel's alone.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord},
    wire::{Kind, flag},
};

use super::{
    Effect, Engine,
    effect::{Cause, DropCause, Leases, Report},
    message::{Message, Refusal, Slots},
    record::{self, Ask, Decision, OwnHolding},
    service::{Burst, Holding, Stage},
    table::ServiceAt,
};

impl Engine {
    /// "Claims with an epoch above all it has seen." An owner that claims raises its epoch.
    pub(super) fn claim(&mut self, at: ServiceAt, cause: Cause, now_ns: u64) {
        if self.services[at].holding.is_some() && !self.needs_no_grants(at) {
            self.raise(at, now_ns);
        } else if let Some(epoch) = self.vote_for_own(at, now_ns) {
            self.hold(at, epoch, cause, now_ns);
        }
    }

    /// "Its floor persisted first. Its own vote follows the voter's rule." The epoch, once it is on the own
    /// record.
    pub(super) fn vote_for_own(&mut self, at: ServiceAt, now_ns: u64) -> Option<Epoch> {
        let epoch = self.services[at].next_epoch(self.me)?;
        let standing = self.standing(at, OwnHolding::Nothing, now_ns);
        let ask = Ask::of(epoch.owned_by(self.me));
        match record::decide(self.services[at].record, standing, ask, now_ns) {
            Decision::Grant(granted) | Decision::DropAndGrant(granted) => {
                self.set_record(at, record::held(granted));
                self.reserve_ahead(at);
                Some(epoch)
            }
            Decision::Refuse(Refusal::FloorPending) => {
                self.reserve(at, epoch.counter());
                None
            }
            Decision::Refuse(_) => None,
        }
    }

    /// "The grants are its first leases."
    pub(super) fn hold(&mut self, at: ServiceAt, epoch: Epoch, cause: Cause, now_ns: u64) {
        let id = self.services.key(at);
        self.end_take(at);
        let service = &mut self.services[at];
        service.holding = Some(Holding::claimed(epoch, now_ns, self.timing.interval_ns));
        service.holder = epoch.owned_by(self.me);
        service.trial = None;
        service.vacant_since_ns = None;
        self.count_held();
        self.outbox.push(Effect::Hold { service: id, epoch, leases: Leases::Fresh });
        self.send_claim(at, 0);
        self.report(Report::Claimed { service: id, epoch, cause });
        self.reconsider = true;
        if self.needs_no_grants(at) {
            self.serve(at, now_ns);
        }
    }

    /// Sends the CLAIM, or with [`flag::TRIAL`] the question before it, to every other voter.
    pub(super) fn send_claim(&mut self, at: ServiceAt, trial: u16) {
        let id = self.services.key(at);
        let epoch = match self.services[at].holding {
            Some(holding) if trial == 0 => Some(holding.raise.map_or(holding.epoch, |raise| raise.epoch)),
            Some(_) | None => self.services[at].next_epoch(self.me),
        };
        let Some(epoch) = epoch else { return };
        for place in 0..self.services[at].voters.len() {
            let voter = self.services[at].voters[place];
            if voter == self.me {
                continue;
            }
            let base = self.message(Kind::Reply, voter);
            self.outbox.send(Message {
                flags: base.flags | flag::UNASKED | trial,
                slots: Slots::one(id, epoch.owned_by(self.me)),
                ..base
            });
        }
    }

    /// The kernel's word on a holding.
    pub(super) fn handle_lease(&mut self, at: ServiceAt, word: OwnerWord, until_ns: u64, now_ns: u64) {
        let held = self.word(at);
        let Some(holding) = &mut self.services[at].holding else {
            self.counters.stale += u64::from(!word.is_none());
            return;
        };
        // "A holding without a majority for L is dropped by the kernel, for good. Userspace then RELEASEs it
        // and waits a random time."
        if word.is_none() {
            self.drop_holding(at, DropCause::Lapsed, now_ns);
            return;
        }
        if word != held {
            self.counters.stale += 1;
            return;
        }
        holding.until_ns = until_ns;
        holding.looked_ns = now_ns;
        if until_ns > now_ns && holding.stage == Stage::Tentative {
            self.serve(at, now_ns);
        }
    }

    /// "On its majority it flips the owner word in its map, sends gratuitous ARP and ANNOUNCEs."
    pub(super) fn serve(&mut self, at: ServiceAt, now_ns: u64) {
        let service = self.services.key(at);
        let word = self.word(at);
        let previous = std::mem::replace(&mut self.services[at].owner, word).owner();
        let Some(holding) = &mut self.services[at].holding else {
            return;
        };
        let epoch = holding.epoch;
        if std::mem::replace(&mut holding.stage, Stage::Owner) == Stage::Tentative {
            holding.arp = Burst::starting(now_ns);
        }
        self.outbox.push(Effect::Own { service, word });
        self.report(Report::Served { service, epoch, previous });
        self.start_announcing(at, now_ns);
        self.tick_arp(at, now_ns);
    }

    /// "Drop first, then tell all." The own vote is free from then on.
    pub(super) fn drop_holding(&mut self, at: ServiceAt, cause: DropCause, now_ns: u64) {
        self.services[at].trial = None;
        let Some(holding) = self.let_go(at, now_ns) else {
            return;
        };
        self.disown(at);
        let service = &mut self.services[at];
        service.holder = holding.epoch.owned_by(NodeId::NONE);
        let recorded = OwnerWord(service.record.word);
        let released = record::released(service.record);
        self.set_record(at, released);
        self.send_release(at, holding.epoch.owned_by(self.me), recorded);
        self.report(Report::Dropped { service: self.services.key(at), epoch: holding.epoch, cause });
    }

    /// "Drop first, in the kernel and for good": what was held. The record and the owner word still stand.
    pub(super) fn let_go(&mut self, at: ServiceAt, now_ns: u64) -> Option<Holding> {
        let holding = self.forget_holding(at, now_ns)?;
        self.outbox.push(Effect::Drop { service: self.services.key(at) });
        Some(holding)
    }

    /// What was held, which the kernel is told to drop right behind this.
    pub(super) fn forget_holding(&mut self, at: ServiceAt, now_ns: u64) -> Option<Holding> {
        let holding = self.services[at].holding.take()?;
        let wait_ns = self.random_wait_ns();
        let service = &mut self.services[at];
        service.unlisted = 0;
        service.vacant_since_ns = None;
        service.not_before_ns = now_ns.saturating_add(wait_ns);
        self.count_held();
        self.reconsider = true;
        Some(holding)
    }

    /// This node serves no more.
    pub(super) fn disown(&mut self, at: ServiceAt) {
        let id = self.services.key(at);
        let service = &mut self.services[at];
        if service.owner.owner() == self.me {
            let word = service.owner.epoch().owned_by(NodeId::NONE);
            service.owner = word;
            self.outbox.push(Effect::Own { service: id, word });
        }
    }

    /// A voter says no: to a trial, to a claim, or to a renewal.
    pub(super) fn handle_refuse(&mut self, message: &Message, now_ns: u64) {
        let [record, rest @ ..] = message.slots.as_slice() else {
            self.counters.malformed += 1;
            return;
        };
        let (Some(at), Some(refusal)) = (self.services.find(record.service), message.refusal) else {
            self.counters.malformed += 1;
            return;
        };
        let Some(place) = self.services[at].voter_place(message.from) else {
            self.counters.malformed += 1;
            return;
        };
        if message.session != self.session {
            self.counters.wrong_session += 1;
            return;
        }
        let seen_before = self.services[at].seen;
        for slot in std::iter::once(record).chain(rest) {
            self.services[at].see(slot.word.epoch());
        }
        if message.flags & flag::TRIAL != 0 {
            let has_learned = self.services[at].seen > seen_before;
            self.handle_trial_no(at, place);
            if has_learned {
                self.ask_again(at, now_ns);
            }
            return;
        }
        let Some(holding) = self.services[at].holding else {
            return;
        };
        // It answers what an earlier holding asked.
        if message.echo_ns < holding.since_ns || self.needs_no_grants(at) {
            return;
        }
        if !holding.refused.contains(place) {
            self.report(Report::Refused { service: record.service, by: message.from, refusal });
        }
        self.handle_refusal(at, record.word, (place, refusal), now_ns);
    }

    fn handle_refusal(
        &mut self,
        at: ServiceAt,
        word: OwnerWord,
        (place, refusal): (usize, Refusal),
        now_ns: u64,
    ) {
        let needed = self.services[at].majority_of_others();
        let others = self.services[at].voters.len() - 1;
        let me = self.me;
        let yields = matches!(self.own_holding(at, now_ns), OwnHolding::Yielding(_));
        let Some(holding) = &mut self.services[at].holding else {
            return;
        };
        holding.refused.insert(place);
        // "When it learns of a higher epoch while lapsed or tentative, it must drop its own holding."
        if yields && word.owner().is_some() && word.owner() != me && word.epoch() > holding.epoch {
            self.drop_holding(at, DropCause::HigherEpoch, now_ns);
            return;
        }
        if holding.stage == Stage::Tentative {
            // What will be granted when asked again is no refusal.
            if refusal == Refusal::FloorPending {
                holding.refused.remove(place);
            }
            if yields && others - holding.refused.len() < needed {
                self.drop_holding(at, DropCause::Refused, now_ns);
            }
            return;
        }
        self.handle_renewal_refused(at, word, (place, refusal), now_ns);
    }

    pub(super) fn tick_holding(&mut self, at: ServiceAt, now_ns: u64) {
        let lease_ns = self.timing.lease_ns;
        let needs_grants = !self.needs_no_grants(at);
        let Some(holding) = &mut self.services[at].holding else {
            return;
        };
        // The kernel's own rule for a lapse, for a kernel that nobody asked any more.
        let lapse_ns = holding.since_ns.max(holding.until_ns).saturating_add(lease_ns);
        if needs_grants && now_ns > lapse_ns {
            self.drop_holding(at, DropCause::Lapsed, now_ns);
            return;
        }
        if holding.awaits_grants() && now_ns >= holding.resend_ns {
            holding.resend_ns = now_ns.saturating_add(self.timing.interval_ns);
            self.send_claim(at, 0);
        }
        self.tick_raise(at, now_ns);
        self.tick_announce(at, now_ns);
        self.tick_arp(at, now_ns);
    }

    /// Whether a claim of this node waits for its majority.
    pub(super) fn is_tentative(&self, at: ServiceAt) -> bool {
        self.services[at].holding.is_some_and(|holding| holding.stage == Stage::Tentative)
    }
}
