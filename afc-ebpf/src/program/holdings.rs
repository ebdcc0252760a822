//! What this node holds, each holding under its own spin lock: a grant extends it, a listing reads it, and either may
//! find that it lapsed. So an extension never mixes with the agent's drop or a new claim.

use afc_ebpf::{
    layout::{Control, Settings},
    lease::Grant,
};

use super::{events, helper, maps};

/// What a voter granted in one slot of its PROBE.
pub(crate) struct Granted {
    pub(crate) service: u32,
    pub(crate) word: u64,
    pub(crate) voter: u16,
    pub(crate) echo_ns: u64,
}

/// What a grant that counted saw under the lock.
#[derive(Clone, Copy, Default)]
pub(crate) struct Holds {
    /// The service's index plus one; 0 for a grant that did not count.
    pub(crate) index_plus_one: u32,
    pub(crate) word: u64,
}

/// Applies one grant; nothing else extends a lease.
#[inline(always)]
pub(crate) fn grant(granted: &Granted, settings: &Settings, control: &Control, now_ns: u64) -> Holds {
    let nothing = Holds::default();
    let Some(index) = maps::service(granted.service) else {
        return nothing;
    };
    let Some(holding) = maps::holding(index) else {
        return nothing;
    };
    let Some(serving) = maps::serving(index) else {
        return nothing;
    };
    let before_ns = serving.lease_until_ns();
    let lease_ns = settings.lease_ns;
    let incarnation = control.incarnation;
    // SAFETY: the lock of this map value; no call inside.
    let outcome = unsafe {
        helper::locked(&raw mut (*holding).lock, || {
            if (*holding).incarnation != incarnation {
                return Grant::NotHeld;
            }
            let outcome = (*holding).grant(granted.word, granted.voter, granted.echo_ns, lease_ns, now_ns);
            match outcome {
                Grant::Extended { lease_until_ns } => {
                    serving.lower_margin_ns(before_ns, lease_until_ns, now_ns);
                    serving.set_lease_until_ns(lease_until_ns);
                }
                Grant::Lapsed => serving.set_lease_until_ns(0),
                Grant::NotHeld | Grant::NotAVoter | Grant::FromTheFuture => {}
            }
            outcome
        })
    };
    match outcome {
        Grant::Extended { lease_until_ns } => {
            if before_ns <= now_ns && lease_until_ns > now_ns {
                events::majority(index, granted.word, now_ns);
            }
            Holds { index_plus_one: index + 1, word: granted.word }
        }
        Grant::Lapsed => {
            events::lapsed(index, granted.word, now_ns);
            nothing
        }
        Grant::NotHeld | Grant::NotAVoter | Grant::FromTheFuture => nothing,
    }
}

/// The word held of a service, to be listed in a REPLY; 0 when nothing is held, or no longer.
#[inline(always)]
pub(crate) fn list(index: u32, settings: &Settings, control: &Control, now_ns: u64) -> u64 {
    let Some(holding) = maps::holding(index) else {
        return 0;
    };
    let Some(serving) = maps::serving(index) else {
        return 0;
    };
    let lease_ns = settings.lease_ns;
    let incarnation = control.incarnation;
    // SAFETY: the lock of this map value; no call inside.
    let (word, lapsed) = unsafe {
        helper::locked(&raw mut (*holding).lock, || {
            let word = (*holding).word;
            if (*holding).incarnation != incarnation {
                return (0, false);
            }
            let lapsed = (*holding).drop_if_lapsed(lease_ns, now_ns);
            if lapsed {
                serving.set_lease_until_ns(0);
            }
            (word, lapsed)
        })
    };
    if lapsed {
        events::lapsed(index, word, now_ns);
        return 0;
    }
    word
}
