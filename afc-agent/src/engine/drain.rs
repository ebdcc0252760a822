//! A drained node gives its services away: one after another, each only while another candidate stands ready.
//!
//! "Drained" is its operator's word. It claims nothing but what nobody else would serve.

use super::{Engine, effect::DropCause, service::Stage, table::ServiceAt};

/// How long a service that was given away is waited for before the next one goes: leases,
const LEAVE_LEASES: u64 = 10;
/// and at least this long. A taker that fails costs its service no more than this, again and again.
const LEAVE_NS: u64 = 1_000_000_000;

/// A service on its way to another node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    at: ServiceAt,
    since_ns: u64,
}

impl Engine {
    pub(super) fn tick_drain(&mut self, now_ns: u64) {
        if !self.is_drained || self.is_leaving(now_ns) {
            return;
        }
        self.leaving =
            self.services.places().find(|at| self.can_leave(*at)).map(|at| Leaving { at, since_ns: now_ns });
        if let Some(leaving) = self.leaving {
            self.drop_holding(leaving.at, DropCause::Drained, now_ns);
        }
    }

    /// Whether the service that went last is still under way: a taker has room for one, perhaps not for two.
    fn is_leaving(&self, now_ns: u64) -> bool {
        self.leaving.is_some_and(|leaving| {
            let owner = self.services[leaving.at].owner.owner();
            let is_taken = owner.is_some() && owner != self.me;
            let wait_ns = self.timing.lease_ns.saturating_mul(LEAVE_LEASES).max(LEAVE_NS);
            !is_taken && now_ns < leaving.since_ns.saturating_add(wait_ns)
        })
    }

    fn can_leave(&self, at: ServiceAt) -> bool {
        let service = &self.services[at];
        service.holding.is_some_and(|holding| holding.stage == Stage::Owner)
            && service
                .ranking
                .as_slice()
                .iter()
                .any(|other| other.node != self.me && self.may_claim(at, *other))
    }
}
