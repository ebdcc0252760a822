//! What its owner gives away: the services of a drained node, and those with `preempt` whose home is back.
//!
//! Nobody is told to take them, and nobody lets go first. Whose turn it is makes ready and pulls the handover
//! ([`super::handover`]), so a service is served all the time, and one that nobody comes for stays where it is.

use super::{
    Engine,
    effect::{Effect, Offer},
    suspicion::Life,
    table::ServiceAt,
};

/// The next candidate comes so much later: the one before may need long to make ready.
const TURN_NS: u64 = 30_000_000_000;
/// After a handover that did not come about, it is tried again so much later.
const AGAIN_NS: u64 = 1_000_000_000;
/// With `preempt` the home takes its service back when it has heard the owner for so long.
const HOME_STEADY_NS: u64 = 3_000_000_000;

impl Engine {
    /// Has this node made ready for a service that is given away, when it is its turn.
    pub(super) fn consider_offer(&mut self, at: ServiceAt, now_ns: u64) {
        let Some(offer) = self.offer(at, now_ns) else {
            self.services[at].offered_since_ns = None;
            return;
        };
        let since_ns = *self.services[at].offered_since_ns.get_or_insert(now_ns);
        let wait_ns = TURN_NS.saturating_mul(self.candidates_before(at) as u64);
        let due_ns = since_ns.saturating_add(wait_ns).max(self.services[at].prepare_after_ns);
        if now_ns >= due_ns && self.services[at].take.is_none() {
            self.services[at].prepare_after_ns = now_ns.saturating_add(AGAIN_NS);
            self.outbox.push(Effect::Prepare { service: self.services.key(at), offer });
        }
    }

    /// Whether its owner gives a service away to this node, and why.
    pub(super) fn offer(&self, at: ServiceAt, now_ns: u64) -> Option<Offer> {
        if self.stands_back(at) || !self.may_take(at, now_ns) {
            return None;
        }
        let owner = self.nodes.get(self.services[at].owner.owner())?;
        let Life::Alive { since_ns } = owner.liveness.life() else {
            return None;
        };
        if owner.is_draining() {
            return Some(Offer::Drained);
        }
        let service = &self.services[at];
        let is_home_back = service.preempt
            && service.home == self.me
            && !service.is_given_away
            && self.is_available
            && now_ns.saturating_sub(since_ns) >= HOME_STEADY_NS;
        is_home_back.then_some(Offer::Preempted)
    }

    /// A drain that begins or ends: what was given away before it was for another reason.
    pub(super) fn forget_given_away(&mut self) {
        for service in self.services.rows_mut() {
            service.is_given_away = false;
        }
    }
}
