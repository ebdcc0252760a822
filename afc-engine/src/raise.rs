//! An owner that raises its own epoch, because a voter has a higher one, that nobody holds, on record or as
//! its floor.
//!
//! It goes on serving under its epoch until a majority has the higher one on record, and only then holds
//! that: an epoch is never served that a later claim elsewhere could come out below. A userspace that stops
//! half-way leaves the old epoch, which those voters renew no more.

use super::{
    Effect, Engine,
    effect::{Cause, Leases, Report},
    message::Refusal,
    service::{Raise, Stage, Voters},
    table::ServiceAt,
};
use afc_ebpf::identity::OwnerWord;

impl Engine {
    /// "An owner that finds a higher, released epoch on record raises its own": asked as a trial first, so
    /// that it changes epochs only where a majority can follow.
    pub(super) fn handle_renewal_refused(
        &mut self,
        at: ServiceAt,
        recorded: OwnerWord,
        (place, refusal): (usize, Refusal),
        now_ns: u64,
    ) {
        let me = self.me;
        let is_asking = self.services[at].trial.is_some();
        let Some(holding) = &mut self.services[at].holding else {
            return;
        };
        let Some(raise) = &mut holding.raise else {
            let is_below = matches!(refusal, Refusal::BelowRecord | Refusal::BelowFloor);
            if is_below && !is_asking && now_ns >= holding.raise_after_ns {
                self.start_trial(at, Cause::RaiseEpoch, now_ns);
            }
            return;
        };
        // It renews the old epoch no more because it has the new one on record.
        if refusal == Refusal::BelowRecord && recorded == raise.epoch.owned_by(me) {
            raise.recorded.insert(place);
            self.finish_raise(at, now_ns);
        }
    }

    /// Claims the higher epoch, without holding it yet.
    pub(super) fn raise(&mut self, at: ServiceAt, now_ns: u64) {
        let service = self.services.key(at);
        let interval_ns = self.timing.interval_ns;
        let Some(epoch) = self.vote_for_own(at, now_ns) else {
            return;
        };
        let Some(holding) = &mut self.services[at].holding else {
            return;
        };
        let serves = holding.stage == Stage::Owner && now_ns < holding.until_ns;
        if !serves {
            self.start_over(at, now_ns);
            return;
        }
        holding.raise = Some(Raise { epoch, recorded: Voters::default(), since_ns: now_ns });
        holding.resend_ns = now_ns.saturating_add(interval_ns);
        self.report(Report::Claimed { service, epoch, cause: Cause::RaiseEpoch });
        self.send_claim(at, 0);
    }

    /// "Its leases carry over (a guard protects the holder)."
    fn finish_raise(&mut self, at: ServiceAt, now_ns: u64) {
        let service = self.services.key(at);
        let needed = self.services[at].majority_of_others();
        let after_ns = now_ns.saturating_add(self.timing.lease_ns);
        let Some(holding) = &mut self.services[at].holding else {
            return;
        };
        let Some(raise) = holding.raise.take_if(|raise| raise.recorded.len() >= needed) else {
            return;
        };
        holding.epoch = raise.epoch;
        holding.since_ns = now_ns;
        holding.refused = Voters::default();
        holding.raise_after_ns = after_ns;
        self.services[at].holder = raise.epoch.owned_by(self.me);
        self.outbox.push(Effect::Hold { service, epoch: raise.epoch, leases: Leases::CarriedOver });
        self.serve(at, now_ns);
    }

    /// A raise that found no majority in time, or whose lease ran out: fenced first, then a claim like any
    /// other.
    pub(super) fn tick_raise(&mut self, at: ServiceAt, now_ns: u64) {
        let Some(holding) = self.services[at].holding else {
            return;
        };
        let Some(raise) = holding.raise else { return };
        let is_overdue = now_ns.saturating_sub(raise.since_ns) > self.timing.lease_ns;
        if is_overdue || now_ns >= holding.until_ns {
            self.start_over(at, now_ns);
        }
    }

    /// Holds the epoch on the own record, without any lease.
    fn start_over(&mut self, at: ServiceAt, now_ns: u64) {
        let epoch = OwnerWord(self.services[at].record.word).epoch();
        self.disown(at);
        self.hold(at, epoch, Cause::RaiseEpoch, now_ns);
    }
}
