//! A machine's `CLOCK_BOOTTIME`: it starts anywhere, runs up to 11 % fast at a rate that changes, and may jump or stand still.

/// Rates, in thousandths of the world's: what design.md allows.
pub(super) const RATES: std::ops::RangeInclusive<u64> = 1000..=1110;

/// A clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// What it showed
    shown_ns: u64,
    /// at this world time.
    since_ns: u64,
    per_mille: u64,
    /// How far it ran ahead of `CLOCK_MONOTONIC`: suspended, or jumped.
    ahead_ns: u64,
}

impl Clock {
    /// A clock that nobody looks at yet.
    pub(super) fn new(per_mille: u64) -> Self {
        Self { shown_ns: 0, since_ns: 0, per_mille, ahead_ns: 0 }
    }

    /// The machine boots.
    pub(super) fn boot(&mut self, shows_ns: u64, world_ns: u64) {
        *self = Self { shown_ns: shows_ns, since_ns: world_ns, ahead_ns: 0, ..*self };
    }

    pub(super) fn at(&self, world_ns: u64) -> u64 {
        self.shown_ns + world_ns.saturating_sub(self.since_ns) * self.per_mille / 1000
    }

    /// The first world time at which it shows `local_ns` or more.
    pub(super) fn world(&self, local_ns: u64) -> u64 {
        self.since_ns + (local_ns.saturating_sub(self.shown_ns) * 1000).div_ceil(self.per_mille)
    }

    /// How far it is ahead of `CLOCK_MONOTONIC`, which the runtime compares it with.
    pub(super) fn ahead_ns(&self) -> u64 {
        self.ahead_ns
    }

    /// From now on it runs at this rate.
    pub(super) fn drift(&mut self, per_mille: u64, world_ns: u64) {
        self.rebase(self.at(world_ns), world_ns);
        self.per_mille = per_mille.clamp(*RATES.start(), *RATES.end());
    }

    /// It steps forward.
    pub(super) fn jump(&mut self, by_ns: u64, world_ns: u64) {
        self.rebase(self.at(world_ns) + by_ns, world_ns);
        self.ahead_ns += by_ns;
    }

    /// The machine is suspended: this clock goes on, `CLOCK_MONOTONIC` does not.
    pub(super) fn suspend(&mut self, for_ns: u64) {
        self.ahead_ns += for_ns * self.per_mille / 1000;
    }

    /// It stands still until then, and nobody inside can know.
    pub(super) fn stand_still(&mut self, world_ns: u64, until_ns: u64) {
        self.rebase(self.at(world_ns), until_ns);
    }

    fn rebase(&mut self, shows_ns: u64, world_ns: u64) {
        (self.shown_ns, self.since_ns) = (shows_ns, self.since_ns.max(world_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_never_goes_back_whatever_happens_to_it() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut clock = Clock::new(1050);
        clock.boot(1_000_000, 5);
        let (mut now_ns, mut showed_ns) = (5, clock.at(5));
        for _ in 0..10_000 {
            match rng.u32(0..4) {
                0 => clock.drift(rng.u64(RATES), now_ns),
                1 => clock.jump(rng.u64(0..1000), now_ns),
                2 => clock.stand_still(now_ns, now_ns + rng.u64(0..1000)),
                _ => now_ns += rng.u64(0..1000),
            }
            let shows_ns = clock.at(now_ns);
            assert!(shows_ns >= showed_ns, "{shows_ns} after {showed_ns}");
            let next_ns = clock.world(shows_ns + 100);
            assert!(clock.at(next_ns) >= shows_ns + 100 && clock.at(next_ns - 1) < shows_ns + 100);
            showed_ns = shows_ns;
        }
    }
}
