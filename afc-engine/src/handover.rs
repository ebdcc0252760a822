//! Planned handover: a service goes to the node that asks for it, without a gap ("planned handover is pulled").
//!
//! The taker asks (TAKE) once its tasks run; the owner drops the holding and gives what remains of its lease (HANDOVER);
//! the voters go on guarding, for the taker (TRANSFER). Whatever of it is lost, the guards are not: then the taker claims
//! as any candidate would, and nobody else before them.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    lease::window_until_ns,
    wire::Kind,
};

use super::{
    Effect, Engine,
    effect::{Cause, DropCause, Leases, Offer, Report},
    message::{Message, Slot, Slots},
    record::{self, OwnHolding},
    service::{Holding, Stage, Take},
    table::ServiceAt,
};

/// Leases for which a taker asks.
const ASK_LEASES: u64 = 20;

impl Engine {
    /// The runtime is ready to serve.
    pub(super) fn start_take(&mut self, at: ServiceAt, offer: Option<Offer>, now_ns: u64) {
        let until_ns = now_ns.saturating_add(self.timing.lease_ns.saturating_mul(ASK_LEASES));
        // Asked again, an answer that is on its way still counts.
        let before = self.services[at].take;
        let since_ns = before.map_or(now_ns, |take| take.since_ns);
        let asked = before.map_or(OwnerWord::NONE, |take| take.asked);
        self.services[at].take = Some(Take { since_ns, next_ns: now_ns, until_ns, offer, asked });
        self.tick_take(at, now_ns);
    }

    /// Asks no more. What the kernel may just have taken is dropped.
    pub(super) fn end_take(&mut self, at: ServiceAt) {
        self.take_back(at);
        self.services[at].take = None;
    }

    /// The kernel must not take what this node's vote does not allow any more: "before a node votes for another, it must
    /// drop".
    pub(super) fn take_back(&mut self, at: ServiceAt) {
        let service = self.services.key(at);
        if let Some(take) = &mut self.services[at].take
            && !std::mem::replace(&mut take.asked, OwnerWord::NONE).is_none()
        {
            self.outbox.push(Effect::Drop { service });
        }
    }

    /// Has the kernel take the owner's answer, if this node's vote allows that whenever it comes: it stands for the owner.
    fn ask_kernel(&mut self, at: ServiceAt, owner: OwnerWord) {
        let service = self.services.key(at);
        let Some(take) = self.services[at].take.filter(|take| take.asked != owner) else {
            return;
        };
        self.take_back(at);
        if record::allows_taking(self.services[at].record, owner, self.me) {
            self.services[at].take = Some(Take { asked: owner, ..take });
            self.outbox.push(Effect::Ask { service, word: owner, since_ns: take.since_ns });
        }
    }

    /// "c sends TAKE(s, its session, its clock `c_ts`)", each interval until the owner answers.
    pub(super) fn tick_take(&mut self, at: ServiceAt, now_ns: u64) {
        let service = self.services.key(at);
        let Some(take) = self.services[at].take.filter(|take| now_ns >= take.next_ns) else {
            return;
        };
        let is_void = take.offer.is_some() && take.offer != self.offer(at, now_ns);
        if now_ns > take.until_ns || is_void || !self.may_take(at, now_ns) {
            self.end_take(at);
            self.report(Report::NotHandedOver { service });
            return;
        }
        let next_ns = now_ns.saturating_add(self.timing.interval_ns);
        self.services[at].take = Some(Take { next_ns, ..take });
        let owner = self.services[at].owner;
        // "Its floor persisted first."
        if owner.epoch().counter() > self.services[at].reserved {
            self.reserve(at, owner.epoch().counter());
            return;
        }
        self.ask_kernel(at, owner);
        self.outbox.send(Message {
            session: self.session,
            slots: Slots::one(service, owner),
            ..self.message(Kind::Take, owner.owner())
        });
    }

    /// Whether this node may ask for a service, with what else it asks for.
    pub(super) fn may_take(&self, at: ServiceAt, now_ns: u64) -> bool {
        let service = &self.services[at];
        let has_owner = service.owner.owner().is_some() && service.owner.owner() != self.me;
        has_owner
            && service.holding.is_none()
            && self.is_candidate(at)
            && self.has_room(at)
            && (service.home == self.me || self.held_away + self.asked_for_besides(at) < self.capacity)
            && !self.is_drained
            && !self.is_in_quarantine(now_ns)
    }

    /// Services of others that this node asks for, this one not counted. What is handed over finds room, or nobody has it.
    fn asked_for_besides(&self, at: ServiceAt) -> usize {
        let id = self.services.key(at);
        let asked_for = self.services.iter().filter(|(_, service)| service.take.is_some());
        asked_for.filter(|(other, service)| *other != id && service.home != self.me).count()
    }

    /// "o, with R left on its lease, drops the holding, sets its own record to (c, e, now + G), and answers HANDOVER, once;
    /// to the voters TRANSFER."
    pub(super) fn handle_take(&mut self, message: &Message, now_ns: u64) {
        let Some((at, slot)) = self.only_slot(message) else {
            return;
        };
        // It asks for what this node no longer holds, or not yet under this epoch.
        if slot.word != self.word(at) || slot.word.is_none() {
            self.counters.stale += 1;
            return;
        }
        let Some((next, remaining_ns)) = self.can_hand_over(at, message.from, now_ns) else {
            self.counters.stale += 1;
            return;
        };
        // The record first: whatever becomes of this process then, the vote stands for the taker.
        let guard_until_ns = now_ns.saturating_add(self.timing.guard_ns);
        let handed = record::handed_over(self.services[at].record, message.from, guard_until_ns);
        self.set_record(at, handed);
        let handover = Message {
            session: message.session,
            echo_ns: message.sent_ns,
            remaining_ns,
            slots: Slots::one(slot.service, slot.word),
            ..self.message(Kind::Handover, message.from)
        };
        self.hand_over(at, next, handover, now_ns);
        self.send_transfer(at, slot.word, next);
        self.report(Report::Dropped {
            service: slot.service,
            epoch: slot.word.epoch(),
            cause: DropCause::HandedOver,
        });
    }

    /// The word that the taker will hold, and R, if this node owns the service with enough of its lease left. An epoch without
    /// a hop left is raised first.
    fn can_hand_over(&mut self, at: ServiceAt, to: NodeId, now_ns: u64) -> Option<(OwnerWord, u64)> {
        let service = &self.services[at];
        let holding = service.holding.filter(|holding| {
            holding.stage == Stage::Owner && !holding.awaits_grants() && service.ranking.contains(to)
        })?;
        let remaining_ns = holding.until_ns.saturating_sub(now_ns).min(self.timing.lease_ns);
        let Some(next) = holding.epoch.next_hop().map(|epoch| epoch.owned_by(to)) else {
            if service.trial.is_none() {
                self.start_trial(at, Cause::RaiseEpoch, now_ns);
            }
            return None;
        };
        // The taker must have its majority before the window ends. It asks again, and a renewal is on its way.
        (remaining_ns >= self.timing.lease_ns / 4).then_some((next, remaining_ns))
    }

    /// Drops what is held, and sends what still arrives here to the taker.
    fn hand_over(&mut self, at: ServiceAt, next: OwnerWord, handover: Message, now_ns: u64) {
        let id = self.services.key(at);
        self.forget_holding(at, now_ns);
        let service = &mut self.services[at];
        service.see(next.epoch());
        service.owner = next;
        service.holder = next;
        service.trial = None;
        service.is_given_away = !self.is_drained;
        self.outbox.push(Effect::HandOver { service: id, next, handover });
    }

    fn send_transfer(&mut self, at: ServiceAt, handed: OwnerWord, next: OwnerWord) {
        let service = self.services.key(at);
        let mut slots = Slots::one(service, handed);
        slots.push(Slot { service, word: next }).unwrap_or_default();
        for place in 0..self.services[at].voters.len() {
            let voter = self.services[at].voters[place];
            if voter != self.me {
                let message = Message { slots, ..self.message(Kind::Transfer, voter) };
                self.outbox.send(message);
            }
        }
    }

    /// "Record exactly (o, e) becomes holder c, the guard's end unchanged."
    pub(super) fn handle_transfer(&mut self, message: &Message, now_ns: u64) {
        let [handed, next] = message.slots.as_slice() else {
            self.counters.malformed += 1;
            return;
        };
        let is_next = handed.word.epoch().next_hop() == Some(next.word.epoch());
        if handed.word.owner() != message.from || handed.service != next.service || !is_next {
            self.counters.malformed += 1;
            return;
        }
        let Some(at) = self.services.find(handed.service) else {
            self.counters.unknown_service += 1;
            return;
        };
        if !self.is_voter(at) || !self.services[at].ranking.contains(next.word.owner()) {
            self.counters.malformed += 1;
            return;
        }
        if let Some(record) = record::after_transfer(self.services[at].record, handed.word, next.word.owner())
        {
            self.set_record(at, record);
        }
        let service = &mut self.services[at];
        service.see(next.word.epoch());
        if service.holder == handed.word {
            service.holder = next.word;
            service.unlisted = 0;
            // The HANDOVER is on its way to the taker; without it, it claims.
            service.not_before_ns = service.not_before_ns.max(now_ns.saturating_add(self.timing.interval_ns));
        }
    }

    /// "c takes it only under that session, if it holds nothing of s, ... It serves at once, and claims that epoch
    /// meanwhile."
    pub(super) fn handle_handover(&mut self, message: &Message, now_ns: u64) {
        let Some((at, slot)) = self.only_slot(message) else {
            return;
        };
        if slot.word.owner() != message.from {
            self.counters.malformed += 1;
            return;
        }
        if message.session != self.session || message.echo_ns > now_ns {
            self.counters.wrong_session += 1;
            return;
        }
        let is_answer = self.services[at].take.is_some_and(|take| message.echo_ns >= take.since_ns);
        if !is_answer || self.services[at].holding.is_some() {
            self.counters.stale += 1;
            return;
        }
        let standing = self.standing(at, OwnHolding::Nothing, now_ns);
        let taken = record::taken(self.services[at].record, standing, slot.word, self.me, now_ns);
        // Capacity is a limit for what is asked for, too; a failure may have used it up since.
        let Some((epoch, record)) = taken.filter(|_| self.has_room(at)) else {
            self.end_take(at);
            self.report(Report::NotHandedOver { service: slot.service });
            return;
        };
        // The kernel has taken it already, if it was asked to.
        self.services[at].take = None;
        self.set_record(at, record);
        self.reserve_ahead(at);
        let until_ns = window_until_ns(message.echo_ns, message.remaining_ns.min(self.timing.lease_ns));
        self.hold_window(at, epoch, until_ns, now_ns);
    }

    /// The one slot of a TAKE or HANDOVER, and its service.
    fn only_slot(&mut self, message: &Message) -> Option<(ServiceAt, Slot)> {
        let [slot] = message.slots.as_slice() else {
            self.counters.malformed += 1;
            return None;
        };
        let at = self.services.find(slot.service);
        self.counters.unknown_service += u64::from(at.is_none());
        at.map(|at| (at, *slot))
    }

    fn hold_window(&mut self, at: ServiceAt, epoch: Epoch, until_ns: u64, now_ns: u64) {
        let id: ServiceId = self.services.key(at);
        let service = &mut self.services[at];
        service.holding = Some(Holding {
            until_ns,
            window_until_ns: until_ns,
            ..Holding::claimed(epoch, now_ns, self.timing.interval_ns)
        });
        service.holder = epoch.owned_by(self.me);
        service.trial = None;
        service.vacant_since_ns = None;
        service.is_given_away = false;
        self.count_held();
        self.outbox.push(Effect::Hold { service: id, epoch, leases: Leases::HandedOver { until_ns } });
        self.send_claim(at, 0);
        self.report(Report::Claimed { service: id, epoch, cause: Cause::Handover });
        if now_ns < until_ns || self.needs_no_grants(at) {
            self.serve(at, now_ns);
        }
        self.reconsider = true;
    }
}
