//! A drained node gives its services away: one after another, each only while another candidate stands ready.
//!
//! "Drained" is its operator's word. It claims nothing but what nobody else would serve.

use super::{Engine, effect::DropCause, service::Stage, table::ServiceAt};

/// How long a service that was given away is waited for before the next one goes: leases,
const LEAVE_LEASES: u64 = 10;
/// and at least this long.
const LEAVE_NS: u64 = 1_000_000_000;
/// A service that nobody took stays for so long, and each further time twice as long,
const STAY_NS: u64 = 2_000_000_000;
/// up to this.
const STAY_LONGEST_NS: u64 = 300_000_000_000;

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
        self.leaving = self
            .services
            .places()
            .find(|at| self.can_leave(*at, now_ns))
            .map(|at| Leaving { at, since_ns: now_ns });
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

    /// A drained node had to take a service itself, back from takers that seemed ready: it does not try that again soon.
    pub(super) fn stay(&mut self, at: ServiceAt, now_ns: u64) {
        if self.is_drained {
            let service = &mut self.services[at];
            service.stay_ns = service.stay_ns.saturating_mul(2).clamp(STAY_NS, STAY_LONGEST_NS);
            service.stay_until_ns = now_ns.saturating_add(service.stay_ns);
        }
    }

    /// A drain that begins or ends forgets who failed to take over before.
    pub(super) fn forget_stays(&mut self) {
        self.leaving = None;
        for service in self.services.rows_mut() {
            (service.stay_ns, service.stay_until_ns) = (0, 0);
        }
    }

    fn can_leave(&self, at: ServiceAt, now_ns: u64) -> bool {
        let service = &self.services[at];
        now_ns >= service.stay_until_ns
            && service.holding.is_some_and(|holding| holding.stage == Stage::Owner)
            && service
                .ranking
                .as_slice()
                .iter()
                .any(|other| other.node != self.me && self.may_claim(at, *other))
    }
}
