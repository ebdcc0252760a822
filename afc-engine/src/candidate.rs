//! The candidate: when a service has no holder, whose turn it is, and the trial before a claim.
//!
//! Nothing here is needed for safety: whoever claims too early is refused.

use afc_ebpf::{identity::NodeId, wire::flag};

use super::{
    Engine,
    effect::Cause,
    message::Message,
    ranking::Ranked,
    record,
    service::{Trial, Voters},
    table::ServiceAt,
};

/// Services that one node holds at most, whatever its capacity: what the kernel can list.
const HELD_MAX: usize = afc_ebpf::layout::MAX_HELD as usize;

/// The first rounds of a trial follow each other four times as fast: the voters' guards end within one
/// interval of each other, and a RELEASE reaches them one after another.
const EAGER_ROUNDS: u8 = 8;

/// Leases after which a candidate comes that would rather not: by then every other that could claim has tried.
const LAST_RESORT_LEASES: usize = afc_ebpf::lease::MAX_VOTERS;

impl Engine {
    pub(super) fn consider_all(&mut self, now_ns: u64) {
        for at in self.services.places() {
            self.consider(at, now_ns);
        }
    }

    /// Whether to ask for a service now.
    fn consider(&mut self, at: ServiceAt, now_ns: u64) {
        self.consider_offer(at, now_ns);
        let Some(cause) = self.vacancy(at, now_ns) else {
            self.services[at].vacant_since_ns = None;
            if self.services[at].holding.is_none() {
                self.services[at].trial = None;
            }
            return;
        };
        let due_ns = self.due_ns(at, now_ns);
        self.services[at].vacant_since_ns.get_or_insert(now_ns);
        if !self.has_room(at) {
            self.services[at].trial = None;
        } else if now_ns >= due_ns && self.services[at].trial.is_none() {
            self.start_trial(at, cause, now_ns);
        }
    }

    /// Why this node may claim a service, if it may.
    fn vacancy(&self, at: ServiceAt, now_ns: u64) -> Option<Cause> {
        let service = &self.services[at];
        if service.holding.is_some() || !self.is_candidate(at) || self.is_in_quarantine(now_ns) {
            return None;
        }
        // "A candidate whose own record's guard has run out." What was transferred to it is guarded for it.
        if record::is_guarded_from(service.record, self.me, now_ns) {
            return None;
        }
        if service.holder.is_none() {
            // A service that nobody was ever heard to hold is its home's; backups give it time to come up.
            let grace_ns = if service.home == self.me { 0 } else { self.timing.start_grace_ns };
            return (now_ns >= self.started_ns.saturating_add(grace_ns)).then_some(Cause::NoOwner);
        }
        let holder = service.holder.owner();
        if holder.is_some() && holder != self.me {
            return self.is_holder_gone(at).then_some(Cause::OwnerSilent);
        }
        let is_returned = service.preempt && service.home == self.me;
        Some(if is_returned { Cause::Preempt } else { Cause::Released })
    }

    /// Suspected; or alive and, asked twice for each of its pages, listing the service no more.
    pub(super) fn is_holder_gone(&self, at: ServiceAt) -> bool {
        let service = &self.services[at];
        let holder = service.holder.owner();
        if holder == self.me {
            return service.holding.is_none();
        }
        self.nodes
            .get(holder)
            .is_none_or(|node| node.is_suspected() || usize::from(service.unlisted) >= 2 * node.pages)
    }

    /// The first candidate claims at once, each further one waits a lease more; one that is short of resources, or
    /// drained, comes when all others had their turn: "with a majority of members alive some node does".
    ///
    /// Who serves fewer of others comes first: the lists spread what may fail, and two services that did fail, and had
    /// one backup in common, must not both go there "while another is free".
    fn due_ns(&self, at: ServiceAt, now_ns: u64) -> u64 {
        let service = &self.services[at];
        let candidates = service.ranking.as_slice();
        let leases = if self.stands_back(at) {
            LAST_RESORT_LEASES + candidates.iter().take_while(|other| other.node != self.me).count()
        } else {
            self.candidates_before(at)
        };
        let wait_ns = self.timing.lease_ns.saturating_mul(leases as u64);
        service.vacant_since_ns.unwrap_or(now_ns).saturating_add(wait_ns).max(service.not_before_ns)
    }

    /// Candidates that can be expected to claim and have their turn before this node.
    pub(super) fn candidates_before(&self, at: ServiceAt) -> usize {
        let candidates = || self.services[at].ranking.as_slice().iter().enumerate();
        let turn = |(place, candidate): (usize, &Ranked)| (self.burden(at, candidate.node), place);
        let mine = candidates().find(|(_, candidate)| candidate.node == self.me).map(turn);
        let others = candidates().filter(|(_, other)| other.node != self.me);
        others.filter(|other| Some(turn(*other)) < mine && self.may_claim(at, *other.1)).count()
    }

    /// Services of others that a node holds, as far as this node heard; a home comes first for its own, whatever it serves.
    fn burden(&self, at: ServiceAt, node: NodeId) -> usize {
        if node == self.services[at].home {
            return 0;
        }
        let held = self.services.iter().filter(|(_, service)| service.holder.owner() == node);
        held.filter(|(_, service)| service.home != node).count()
    }

    /// Whether this node leaves a service to whoever else may come. Being short of resources makes it a bad backup; it is
    /// no reason to leave its own service alone.
    pub(super) fn stands_back(&self, at: ServiceAt) -> bool {
        self.is_drained || (!self.is_available && self.services[at].home != self.me)
    }

    /// Whether another candidate can be expected to claim: its own latest word and the lists both say so.
    pub(super) fn may_claim(&self, at: ServiceAt, candidate: Ranked) -> bool {
        let is_home = candidate.node == self.services[at].home;
        self.nodes.get(candidate.node).is_some_and(|node| {
            let is_free = candidate.is_available && node.is_available();
            node.is_alive() && !node.is_draining() && (is_home || is_free)
        })
    }

    /// "A backup that serves is N, until its capacity allows more." The own service does not count; nor does what is only
    /// asked for, perhaps in vain and for long.
    pub(super) fn has_room(&self, at: ServiceAt) -> bool {
        let is_home = self.services[at].home == self.me;
        self.held < HELD_MAX && (is_home || self.held_away < self.capacity)
    }

    /// Counts what is held, and what of it beyond the own services, after each change.
    pub(super) fn count_held(&mut self) {
        let held = || self.services.iter().filter(|(_, service)| service.holding.is_some());
        (self.held, self.held_away) =
            (held().count(), held().filter(|(_, service)| service.home != self.me).count());
    }

    /// "It first asks with a trial CLAIM, and claims only if a majority (itself included) would grant now."
    pub(super) fn start_trial(&mut self, at: ServiceAt, cause: Cause, now_ns: u64) {
        let Some(epoch) = self.services[at].next_epoch(self.me) else {
            return;
        };
        if epoch.counter() > self.services[at].reserved {
            self.reserve(at, epoch.counter());
            return;
        }
        if self.needs_no_grants(at) {
            self.claim(at, cause, now_ns);
            return;
        }
        self.services[at].trial =
            Some(Trial { cause, since_ns: now_ns, yes: Voters::default(), rounds: 0, next_ns: now_ns });
        self.tick_trial(at, now_ns);
    }

    /// Asks (again), at a random time so that two candidates do not stay in step.
    pub(super) fn tick_trial(&mut self, at: ServiceAt, now_ns: u64) {
        let interval_ns = self.timing.interval_ns;
        let Some(trial) = &mut self.services[at].trial else {
            return;
        };
        if now_ns < trial.next_ns {
            return;
        }
        if now_ns.saturating_sub(trial.since_ns) > self.timing.lease_ns {
            // A raise is asked for again when a voter refuses again.
            if trial.cause == Cause::RaiseEpoch {
                self.services[at].trial = None;
                return;
            }
            trial.since_ns = now_ns;
            trial.yes = Voters::default();
        }
        let longest_ns = if trial.rounds < EAGER_ROUNDS { interval_ns / 4 } else { interval_ns };
        let wait_ns = longest_ns / 2 + self.rng.u64(0..=longest_ns / 2);
        trial.rounds = trial.rounds.saturating_add(1);
        trial.next_ns = now_ns.saturating_add(wait_ns.max(1));
        self.send_claim(at, flag::TRIAL);
    }

    /// A voter would grant.
    pub(super) fn handle_trial_yes(&mut self, message: &Message, now_ns: u64) {
        if message.session != self.session {
            self.counters.wrong_session += 1;
            return;
        }
        for slot in message.slots.as_slice() {
            let Some(at) = self.services.find(slot.service) else {
                self.counters.unknown_service += 1;
                continue;
            };
            let place = self.services[at].voter_place(message.from);
            let needed = self.services[at].majority_of_others();
            let (Some(trial), Some(place)) = (&mut self.services[at].trial, place) else {
                continue;
            };
            if message.echo_ns < trial.since_ns {
                continue;
            }
            trial.yes.insert(place);
            let cause = trial.cause;
            if trial.yes.len() < needed {
                continue;
            }
            self.services[at].trial = None;
            // What it took over while it asked may leave no room, or make it another's turn.
            let may_claim = || {
                let is_its_turn = now_ns >= self.due_ns(at, now_ns);
                self.vacancy(at, now_ns).is_some() && is_its_turn && self.has_room(at)
            };
            if cause == Cause::RaiseEpoch || may_claim() {
                self.claim(at, cause, now_ns);
            }
        }
    }

    /// A voter would not grant.
    pub(super) fn handle_trial_no(&mut self, at: ServiceAt, place: usize) {
        if let Some(trial) = &mut self.services[at].trial {
            trial.yes.remove(place);
        }
    }

    /// A refusal told of a higher epoch: the question is put again with one above that.
    pub(super) fn ask_again(&mut self, at: ServiceAt, now_ns: u64) {
        if let Some(trial) = &mut self.services[at].trial {
            trial.next_ns = now_ns;
            self.tick_trial(at, now_ns);
        }
    }
}
