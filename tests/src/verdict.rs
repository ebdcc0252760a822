//! Whether a failed test says something: not when the machine itself stood still meanwhile.
//!
//! A host that takes a processor away for longer than the labs' timeout makes a node late that rightly counts as failed, or
//! a client miss an answer. Such a run shows nothing, so it is done again. A machine that went on excuses nothing.

use std::{
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use crate::{clock::now_ns, pulse::Pulse};

/// How long a processor may stand still in a run that counts: half the timeout of the labs' nodes.
const BEARABLE: Duration = Duration::from_micros(12_500);
/// Runs of one test at most.
const RUNS: usize = 4;

/// Runs a test that depends on the machine's going on, and again when it fails while a processor stood still.
///
/// # Panics
/// As the test does, when nothing stood still for long in the failed run, or it was the last; or when the machine's pulse
/// can't be felt.
#[expect(clippy::expect_used, reason = "tests panic, they don't return Result")]
pub fn when_undisturbed(test: impl Fn()) {
    let pulse = Pulse::start().expect("a pulse");
    let mut from_ns = now_ns();
    run(test, || {
        let stalls = pulse.stalls(&(from_ns..now_ns()));
        from_ns = now_ns();
        stalls.iter().map(|stall| stall.length()).max().unwrap_or_default()
    });
}

/// Runs `test` until it passes, fails undisturbed or fails too often; `longest_stall` is that since it was asked last.
fn run(test: impl Fn(), mut longest_stall: impl FnMut() -> Duration) {
    for number in 1.. {
        let Err(failure) = panic::catch_unwind(AssertUnwindSafe(&test)) else { return };
        let longest = longest_stall();
        println!("run {number} failed; no processor stood still for more than {longest:?} in it");
        if longest <= BEARABLE || number == RUNS {
            panic::resume_unwind(failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How often a test is run that fails `failures` times, and whether it passes in the end.
    fn outcome(failures: usize, longest_stall: Duration) -> (usize, bool) {
        let runs = Cell::new(0);
        let test = || {
            runs.set(runs.get() + 1);
            assert!(runs.get() > failures, "planned");
        };
        let result = panic::catch_unwind(AssertUnwindSafe(|| run(test, || longest_stall)));
        (runs.get(), result.is_ok())
    }

    #[test]
    fn only_a_machine_that_stood_still_excuses_a_failure_and_not_for_ever() {
        let stood_still = BEARABLE + Duration::from_nanos(1);
        assert_eq!(outcome(0, stood_still), (1, true));
        assert_eq!(outcome(1, BEARABLE), (1, false));
        assert_eq!(outcome(2, stood_still), (3, true));
        assert_eq!(outcome(usize::MAX, stood_still), (RUNS, false));
    }
}
