//! Telling and hearing who serves: ANNOUNCE, RELEASE, gratuitous ARP.

use afc_ebpf::{
    identity::{NodeId, OwnerWord},
    wire::Kind,
};

use super::{
    Effect, Engine,
    effect::{DropCause, Report},
    message::{Message, Slot, Slots},
    record,
    service::{Burst, Stage},
    table::{NodeAt, ServiceAt},
};

/// Waits between gratuitous ARPs: at once, +10 ms, +100 ms, +1 s.
const ARP_WAITS_NS: [u64; 3] = [10_000_000, 90_000_000, 900_000_000];
/// Intervals between the first ANNOUNCEs: at once, +1, +5; a lost one is made good soon.
const ANNOUNCE_WAITS: [u64; 2] = [1, 4];
/// Intervals between the later ones, within the bounds below.
const ANNOUNCE_EVERY: u64 = 40;
/// ANNOUNCEs of a steady owner are never closer,
const ANNOUNCE_MIN_NS: u64 = 100_000_000;
/// and never further apart.
const ANNOUNCE_MAX_NS: u64 = 1_000_000_000;
/// Nodes that one of the later ANNOUNCEs goes to, by turns: what a steady owner sends does not grow with the cluster.
const ANNOUNCE_NODES: usize = 32;

impl Engine {
    pub(super) fn start_announcing(&mut self, at: ServiceAt, now_ns: u64) {
        if let Some(holding) = &mut self.services[at].holding {
            holding.announce = Burst::starting(now_ns);
        }
        self.tick_announce(at, now_ns);
    }

    /// "ANNOUNCEs (service, epoch, owner), again now and then while it holds."
    pub(super) fn tick_announce(&mut self, at: ServiceAt, now_ns: u64) {
        let interval_ns = self.timing.interval_ns;
        let needs_no_grants = self.needs_no_grants(at);
        let slots = Slots::one(self.services.key(at), self.word(at));
        let Some(holding) = &mut self.services[at].holding else {
            return;
        };
        if holding.stage != Stage::Owner || !holding.announce.is_due(now_ns) {
            return;
        }
        let every_ns = interval_ns.saturating_mul(ANNOUNCE_EVERY).clamp(ANNOUNCE_MIN_NS, ANNOUNCE_MAX_NS);
        let wait_ns = ANNOUNCE_WAITS
            .get(usize::from(holding.announce.sent))
            .map_or(every_ns, |intervals| interval_ns.saturating_mul(*intervals));
        let is_first = usize::from(holding.announce.sent) <= ANNOUNCE_WAITS.len();
        holding.announce.sent = holding.announce.sent.saturating_add(1);
        holding.announce.next_ns = Some(now_ns.saturating_add(wait_ns));
        // An owner without a live lease serves nobody, so it calls no traffic.
        if !needs_no_grants && now_ns >= holding.until_ns {
            return;
        }
        if is_first {
            self.send_to_all(Kind::Announce, slots);
            return;
        }
        let turn = holding.announce_turn;
        holding.announce_turn = turn.wrapping_add(ANNOUNCE_NODES);
        let nodes = self.nodes.iter().count();
        for at in self.nodes.places().cycle().skip(turn % nodes).take(nodes.min(ANNOUNCE_NODES)) {
            self.send_to(at, Kind::Announce, slots);
        }
    }

    /// "Gratuitous ARP burst (at once, +10 ms, +100 ms, +1 s)."
    pub(super) fn tick_arp(&mut self, at: ServiceAt, now_ns: u64) {
        let service = self.services.key(at);
        let Some(holding) = &mut self.services[at].holding else {
            return;
        };
        if !holding.arp.is_due(now_ns) {
            return;
        }
        holding.arp.next_ns =
            ARP_WAITS_NS.get(usize::from(holding.arp.sent)).map(|wait_ns| now_ns.saturating_add(*wait_ns));
        holding.arp.sent = holding.arp.sent.saturating_add(1);
        self.outbox.push(Effect::GratuitousArp { service });
    }

    /// "RELEASE(s, e): drop first, then tell all." A raise that was not finished gives up both of its epochs.
    pub(super) fn send_release(&mut self, at: ServiceAt, held: OwnerWord, recorded: OwnerWord) {
        let service = self.services.key(at);
        let mut slots = Slots::one(service, held);
        if recorded != held && recorded.owner() == self.me {
            slots.push(Slot { service, word: recorded }).unwrap_or_default();
        }
        self.send_to_all(Kind::Release, slots);
    }

    fn send_to_all(&mut self, kind: Kind, slots: Slots) {
        for at in self.nodes.places() {
            self.send_to(at, kind, slots);
        }
    }

    fn send_to(&mut self, at: NodeAt, kind: Kind, slots: Slots) {
        let to = self.nodes.key(at);
        if to != self.me {
            let message = Message { slots, ..self.message(kind, to) };
            self.outbox.send(message);
        }
    }

    pub(super) fn handle_announce(&mut self, message: &Message, now_ns: u64) {
        for slot in message.slots.as_slice() {
            if slot.word.owner() != message.from {
                self.counters.malformed += 1;
                continue;
            }
            match self.services.find(slot.service) {
                Some(at) => self.learn_owner(at, slot.word, now_ns),
                None => self.counters.unknown_service += 1,
            }
        }
    }

    /// "Whoever hears a higher epoch adopts it", and does not serve under a lower one.
    pub(super) fn learn_owner(&mut self, at: ServiceAt, word: OwnerWord, now_ns: u64) {
        let service = self.services.key(at);
        if word.owner() == self.me {
            return;
        }
        self.services[at].see(word.epoch());
        if let Some(held) = self.services[at].holding.map(|holding| holding.epoch) {
            self.meet_announcer(at, word, now_ns);
            if word.epoch() <= held {
                return;
            }
            self.drop_holding(at, DropCause::HigherEpoch, now_ns);
        }
        let known = self.services[at].owner;
        // A late ANNOUNCE of what was released since: "e is never held again".
        let was_released = !known.owner().is_some() && known.epoch() == word.epoch() && !known.is_none();
        if was_released {
            self.outbox.push(Effect::Own { service, word: known });
            return;
        }
        if word > known {
            self.services[at].owner = word;
            self.outbox.push(Effect::Own { service, word });
            if word.owner() != known.owner() {
                self.report(Report::OwnerChanged { service, word });
            }
        }
        self.note_holder(at, word);
    }

    /// Two nodes announce one service. "Again after any episode with two announcers": the higher one calls
    /// its traffic back, once a lease at most.
    fn meet_announcer(&mut self, at: ServiceAt, word: OwnerWord, now_ns: u64) {
        let (service, me, lease_ns) = (self.services.key(at), self.me, self.timing.lease_ns);
        let Some(holding) = &mut self.services[at].holding else {
            return;
        };
        let ours = holding.epoch.owned_by(me);
        if holding.stage != Stage::Owner || now_ns < holding.contested_ns || !word.owner().is_some() {
            return;
        }
        holding.contested_ns = now_ns.saturating_add(lease_ns);
        self.report(Report::TwoAnnouncers { service, lower: ours.min(word), higher: ours.max(word) });
        if ours > word {
            if let Some(holding) = &mut self.services[at].holding {
                holding.arp = Burst::starting(now_ns);
            }
            self.start_announcing(at, now_ns);
            self.tick_arp(at, now_ns);
        }
    }

    /// "It counts only for exactly that holder and epoch, ends the guard, and e is never held again."
    pub(super) fn handle_release(&mut self, message: &Message) {
        for slot in message.slots.as_slice() {
            if slot.word.owner() != message.from {
                self.counters.malformed += 1;
                continue;
            }
            let Some(at) = self.services.find(slot.service) else {
                self.counters.unknown_service += 1;
                continue;
            };
            if let Some(released) = record::after_release(self.services[at].record, slot.word) {
                self.set_record(at, released);
            }
            let nobody = slot.word.epoch().owned_by(NodeId::NONE);
            let service = &mut self.services[at];
            service.see(slot.word.epoch());
            if service.holder == slot.word {
                service.holder = nobody;
            }
            if service.owner == slot.word {
                service.owner = nobody;
                self.outbox.push(Effect::Own { service: slot.service, word: nobody });
            }
            self.reconsider = true;
        }
    }
}
