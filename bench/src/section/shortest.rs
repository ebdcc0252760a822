//! The shortest timeout that afc bears on this machine without a false failover, with hogs on both processors.
//!
//! A virtual machine's host takes processors away for milliseconds at times. A takeover after that is no false one: a node on
//! that processor could not answer. Such takeovers are said, and do not count.

use std::time::Duration;

use anyhow::Result;

use super::steady;
use crate::{
    arguments::{LoadName, SystemName},
    load::Load,
    run::Run,
    system::System,
};

/// Timeouts that are tried, ms.
const CANDIDATES: [u64; 8] = [4, 5, 6, 8, 10, 12, 16, 20];
/// What they must bear.
const LOADS: [Load; 2] = [Load::Starving(LoadName::StressNg), Load::Starving(LoadName::Fifo100)];
/// If it bears none of them: the default.
const FALLBACK: Duration = Duration::from_millis(25);

/// Searches for it by halving: what a timeout does not bear, no shorter one does.
///
/// # Errors
/// When no lab can be built.
pub(crate) fn search(run: &Run) -> Result<Duration> {
    run.say("the shortest timeout that this machine bears is searched for");
    let found = first_that_holds(&CANDIDATES, |&millis| {
        let timeout = Duration::from_millis(millis);
        bears(run, timeout)
    })?;
    let timeout = found.map_or(FALLBACK, |&millis| Duration::from_millis(millis));
    run.say(&format!("afc-short has a timeout of {timeout:?}"));
    Ok(timeout)
}

/// About how long it takes.
pub(crate) fn estimate(each: Duration) -> Duration {
    (each + Duration::from_secs(20)) * CANDIDATES.len().ilog2()
}

fn bears(run: &Run, timeout: Duration) -> Result<bool> {
    let system = System::new(SystemName::AfcShort, timeout);
    let lasting = run.plan.search / LOADS.len() as u32;
    for load in LOADS {
        let seen = steady::transitions(run, system, load, lasting)?;
        run.say(&format!(
            "a timeout of {timeout:?}, {}: {} false failovers in {lasting:?}, and {} after a processor stood still",
            load.label(),
            seen.unexcused,
            seen.all - seen.unexcused
        ));
        if seen.unexcused > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first of some in order that has a property which all behind it have, too.
fn first_that_holds<T>(candidates: &[T], mut holds: impl FnMut(&T) -> Result<bool>) -> Result<Option<&T>> {
    let (mut low, mut high) = (0, candidates.len());
    while low < high {
        let middle = low.midpoint(high);
        if holds(&candidates[middle])? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(candidates.get(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_finds_the_first_and_looks_at_few() {
        for from in 0..=9 {
            let mut looks = 0;
            let found = first_that_holds(&CANDIDATES, |&millis| {
                looks += 1;
                Ok(CANDIDATES.iter().position(|it| *it == millis).unwrap() >= from)
            });
            assert_eq!(found.unwrap(), CANDIDATES.get(from));
            assert!(looks <= 4);
        }
    }
}
