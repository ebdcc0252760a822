//! Waiting for a condition, instead of sleeping and hoping.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Waits until `condition` holds and says how long that took.
///
/// # Errors
/// When it does not hold within `timeout`; `what` completes the sentence "not within 5s: ..".
pub fn wait_for(what: &str, timeout: Duration, mut condition: impl FnMut() -> bool) -> Result<Duration> {
    let start = Instant::now();
    loop {
        if condition() {
            return Ok(start.elapsed());
        }
        if start.elapsed() >= timeout {
            bail!("not within {timeout:?}: {what}");
        }
        thread::sleep(POLL);
    }
}

/// Watches that `condition` holds all through `duration`.
///
/// # Errors
/// As soon as it does not; `what` completes the sentence "no longer after 2s: ..".
pub fn hold_for(what: &str, duration: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < duration {
        if !condition() {
            bail!("no longer after {:?}: {what}", start.elapsed());
        }
        thread::sleep(POLL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_as_soon_as_the_condition_holds_and_fails_when_it_never_does() {
        let mut looks = 0;
        let third_look = || {
            looks += 1;
            looks == 3
        };
        assert!(wait_for("three looks", Duration::from_secs(5), third_look).is_ok());
        let error = wait_for("never", Duration::ZERO, || false).unwrap_err();
        assert_eq!(error.to_string(), "not within 0ns: never");
    }

    #[test]
    fn holding_fails_at_the_first_look_that_finds_the_condition_broken() {
        assert!(hold_for("always", Duration::from_millis(1), || true).is_ok());
        assert!(hold_for("never", Duration::from_secs(60), || false).is_err());
    }
}
