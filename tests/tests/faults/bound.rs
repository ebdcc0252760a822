//! How soon service must be back once a majority of the members is connected and a candidate is among them. Pure.
//!
//! From design.md, with the lease L, the guard G = 1.25 L and the probes' interval I; counted from the owner's last answer, or
//! from the last thing that was done to the cluster:
//!
//! - G: every voter's record of the old owner is guarded for so long after its last grant. The suspicion (silence for L, two
//!   probes unanswered) comes before that.
//! - I: the tick that sees it.
//! - 2 L: two candidates ahead, which are still believed alive, let their turns pass: each further one waits a lease.
//! - 2 L: a claim that fails, because a voter's own guard ends later or two candidates met: it lapses after L, and whoever
//!   tries again waits a random time.
//! - 2 I: the rounds of a trial, and the claim.
//! - 100 ms: clients have to learn of it. The first gratuitous ARP or ANNOUNCE may be lost with what struck; both are
//!   repeated within this time.
//!
//! With L = 25 ms and I = 5 ms that is 246 ms. 100 ms more are room for the machine: five nodes, their switch and their
//! clients share its processors with whoever else works there.
//!
//! While messages are late or lost at random, or every processor is taken from the normal threads, no time is certain: any
//! round may fail, and the network's softirq threads may wait for the hogs (up to 40 ms in each 50). What can be asked for is
//! that a cluster with a majority does not stay without an owner: ten times the bound.

use std::time::Duration;

use afc_lab::spec::Timing;

/// For clients to learn who serves, when the first word is lost.
const ANNOUNCED: Duration = Duration::from_millis(100);
/// For a machine that is busy with other things.
const ROOM: Duration = Duration::from_millis(100);

/// The longest times without service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Where nothing is in the way.
    pub(crate) full: Duration,
    /// Where messages are late or lost.
    pub(crate) disturbed: Duration,
}

impl Bounds {
    pub(crate) fn of(timing: &Timing) -> Self {
        let (lease, interval) = (timing.timeout, timing.interval);
        let guard = lease * 5 / 4;
        let full = guard + 4 * lease + 3 * interval + ANNOUNCED + ROOM;
        Self { full, disturbed: 10 * full }
    }
}
