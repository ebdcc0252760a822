//! The start of a session: what is adopted, what is forgotten, and the quarantine.
//!
//! Not here: reading disks and maps, which is the runtime's.

use afc_ebpf::identity::{Epoch, OwnerWord};

use super::{
    Effect, Engine, Restored,
    effect::DropCause,
    ranking::{Ranked, Ranking},
    record::{self, Adoption},
    service::{Holding, Service, Stage},
    setup::{Adopted, Floor, ServiceSetup},
    table::ServiceAt,
};

impl Service {
    pub(super) fn new(setup: ServiceSetup) -> Self {
        Self {
            home: setup.home,
            ranking: Ranking::new(
                setup.candidates.into_iter().map(|node| Ranked { node, is_available: true }),
            ),
            voters: setup.voters,
            preempt: setup.preempt,
            record: record::forgotten(Epoch::ZERO, 0),
            reserved: 0,
            reserve_asked: 0,
            seen: Epoch::ZERO,
            owner: OwnerWord::NONE,
            holder: OwnerWord::NONE,
            unlisted: 0,
            holding: None,
            trial: None,
            take: None,
            vacant_since_ns: None,
            not_before_ns: 0,
            offered_since_ns: None,
            prepare_after_ns: 0,
            is_given_away: false,
        }
    }
}

impl Engine {
    pub(super) fn restore(&mut self, restored: &Restored, now_ns: u64) {
        for floor in &restored.floors {
            let Some(at) = self.services.find(floor.service) else {
                continue;
            };
            self.services[at].reserved = floor.reserved;
            self.services[at].reserve_asked = floor.reserved;
        }
        match &restored.adopted {
            Some(adopted) if self.services.iter().all(|(id, _)| adopted.iter().any(|a| a.service == id)) => {
                for adopted in adopted {
                    self.adopt(adopted, now_ns);
                }
            }
            // A service without a record here was voted for by nobody knows whom: the whole node waits.
            Some(_) | None => {
                self.take_floors(&restored.floors);
                self.enter_quarantine(now_ns);
            }
        }
        for at in self.services.places() {
            self.reserve_ahead(at);
        }
    }

    /// "What survives is the floor, at or above every epoch it granted or held."
    fn take_floors(&mut self, floors: &[Floor]) {
        for floor in floors {
            let Some(at) = self.services.find(floor.service) else {
                continue;
            };
            self.services[at].record = record::forgotten(floor.epoch, 0);
            self.services[at].see(floor.epoch);
        }
    }

    /// "An agent that restarts sooner adopts the pinned programs and maps and nothing moves": it goes on as
    /// after a long pause. A quarantine that ran goes on too.
    fn adopt(&mut self, adopted: &Adopted, now_ns: u64) {
        let Some(at) = self.services.find(adopted.service) else {
            return;
        };
        let me = self.me;
        let word = OwnerWord(adopted.record.word);
        // Nobody is guarded for longer, and no quarantine lasts longer: a process that died between two words of a record
        // may have left the guard of its own holding, which has no end.
        let longest_ns = now_ns.saturating_add(self.timing.guard_ns);
        let quarantine_ns = record::quarantine_until_ns(adopted.record).min(longest_ns);
        self.quarantine_until_ns = self.quarantine_until_ns.max(quarantine_ns);
        let service = &mut self.services[at];
        // Its floor is exact: the disk's would refuse the owners that this node renewed until now.
        service.record = adopted.record;
        if word.owner() != me {
            service.record.guard_until_ns = adopted.record.guard_until_ns.min(longest_ns);
        }
        service.holder = word;
        service.owner = adopted.owner;
        for word in [OwnerWord(adopted.record.floor), word, adopted.owner, adopted.holding] {
            service.see(word.epoch());
        }
        let adoption = record::adoption(adopted.record, adopted.holding, me);
        let (Adoption::Hold(epoch) | Adoption::Release(epoch)) = adoption else {
            self.outbox.push(Effect::Drop { service: adopted.service });
            self.disown(at);
            return;
        };
        let is_owner = adopted.owner == epoch.owned_by(me);
        let service = &mut self.services[at];
        service.holding = Some(Holding {
            stage: if is_owner { Stage::Owner } else { Stage::Tentative },
            // Protected until the kernel says otherwise.
            looked_ns: 0,
            window_until_ns: adopted.window_until_ns,
            ..Holding::claimed(epoch, now_ns, 0)
        });
        service.holder = epoch.owned_by(me);
        self.count_held();
        match adoption {
            Adoption::Release(_) => self.drop_holding(at, DropCause::Lapsed, now_ns),
            Adoption::Hold(_) if is_owner => self.start_announcing(at, now_ns),
            Adoption::Hold(_) | Adoption::Drop => {}
        }
    }

    /// "New session, empty memory; for G the node neither grants nor claims. What survives is the floor."
    /// What the kernel still holds of an earlier session is dropped.
    pub(super) fn enter_quarantine(&mut self, now_ns: u64) {
        self.quarantine_until_ns = now_ns.saturating_add(self.timing.guard_ns);
        for at in self.services.places() {
            self.forget(at);
        }
    }

    fn forget(&mut self, at: ServiceAt) {
        let id = self.services.key(at);
        let service = &mut self.services[at];
        service.record = record::forgotten(OwnerWord(service.record.floor).epoch(), self.quarantine_until_ns);
        service.holder = OwnerWord::NONE;
        service.trial = None;
        // Its question to the kernel goes with the Drop below.
        service.take = None;
        service.vacant_since_ns = None;
        service.not_before_ns = 0;
        let record = service.record;
        self.outbox.push(Effect::Drop { service: id });
        self.outbox.push(Effect::Record { service: id, record });
    }
}
