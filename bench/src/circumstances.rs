//! Under which circumstances something was measured: how busy the machine was, and how often it stood still.

use std::{fs, ops::Range, time::Duration};

use afc_lab::pulse::{Pulse, Stall};

/// What was seen while the values of one row were measured, which may be in several stretches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circumstances {
    load_averages: Vec<f64>,
    stalls: Vec<Stall>,
}

impl Circumstances {
    /// Adds a stretch that has just ended.
    pub(crate) fn add(&mut self, pulse: &Pulse, window: &Range<u64>) {
        self.stalls.extend(pulse.stalls(window));
        self.load_averages.extend(load_average());
    }

    /// Adds what was seen elsewhere.
    pub(crate) fn join(&mut self, other: &Self) {
        self.stalls.extend(&other.stalls);
        self.load_averages.extend(&other.load_averages);
    }

    /// The mean over the stretches; 0 of none.
    pub(crate) fn load_average(&self) -> f64 {
        let sum = self.load_averages.iter().fold(0.0, |sum, load| sum + load);
        sum / self.load_averages.len().max(1) as f64
    }

    /// How often a processor stood still.
    pub(crate) fn stalls(&self) -> usize {
        self.stalls.len()
    }

    /// Whether a takeover at `at_ns` by a system with this timeout followed a processor's standing still for half of it or
    /// longer: then no agent on that processor could answer, and it was no false one.
    pub(crate) fn excuses(&self, at_ns: u64, timeout: Duration) -> bool {
        let timeout_ns = timeout.as_nanos() as u64;
        // From the last answer to the claim it is a lease and a quarter, and two if the first claim fails.
        let since_ns = at_ns.saturating_sub(3 * timeout_ns);
        let is_cause = |stall: &Stall| {
            stall.length() >= timeout / 2 && stall.from_ns <= at_ns && stall.to_ns >= since_ns
        };
        self.stalls.iter().any(is_cause)
    }
}

/// `uname -r`.
pub(crate) fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// The machine's load average of the last minute.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_add_up() {
        let stall = |millis: u64| Stall { from_ns: 0, to_ns: millis * 1_000_000 };
        let mut all = Circumstances { load_averages: vec![1.0], stalls: vec![stall(7)] };
        all.join(&Circumstances { load_averages: vec![2.0], stalls: vec![stall(9), stall(6)] });
        assert_eq!((all.load_average(), all.stalls()), (1.5, 3));
        assert_eq!(Circumstances::default().load_average(), 0.0);
    }

    #[test]
    fn only_a_long_stall_shortly_before_excuses_a_takeover() {
        let stall = Stall { from_ns: 100_000_000, to_ns: 105_000_000 };
        let seen = Circumstances { load_averages: Vec::new(), stalls: vec![stall] };
        let excuses =
            |at_ms: u64, timeout_ms| seen.excuses(at_ms * 1_000_000, Duration::from_millis(timeout_ms));
        assert!(excuses(112, 10) && excuses(135, 10));
        assert!(!excuses(99, 10) && !excuses(136, 10) && !excuses(112, 11));
    }

    #[test]
    fn the_machine_tells_its_kernel_and_its_load() {
        assert!(!kernel().is_empty());
        assert!(load_average().is_some());
    }
}
