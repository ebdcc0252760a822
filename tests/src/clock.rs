//! Time and scheduling of the measuring threads. One clock, `CLOCK_MONOTONIC`, for clients and services alike; and the
//! agents' own, `CLOCK_BOOTTIME`, which all nodes of a lab share, so that the lab may compare what nodes must not.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use afc_agent::heartbeat::scheduling::{Share, reserve};

/// Where the measuring threads stand among real-time threads: above usual real-time work (50), below the agents (60).
const MEASURING_PRIORITY: libc::c_int = 55;

/// Whether UDP clients and echo services take `SCHED_DEADLINE`, see [`set_measuring`].
static BY_DEADLINE: AtomicBool = AtomicBool::new(false);

/// Now, ns of `CLOCK_MONOTONIC`.
pub fn now_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Now, ns of `CLOCK_BOOTTIME`: the `boot_ns` of what agents say.
pub fn boot_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// By how much the agents' clock is ahead of the clients': both run at one rate, and differ by the time that the machine was
/// suspended.
pub fn suspended_ns() -> u64 {
    let once = || {
        let before_ns = now_ns();
        let boot_ns = boot_ns();
        let after_ns = now_ns();
        (after_ns - before_ns, boot_ns.saturating_sub(before_ns.midpoint(after_ns)))
    };
    // The quickest of a few was not interrupted.
    (0..100).map(|_| once()).min().map_or(0, |(_, ahead_ns)| ahead_ns)
}

/// Time that the calling thread has spent on a processor, ns.
pub fn thread_ns() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the whole call.
    let status = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(status, 0, "Linux always has these clocks");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps until `deadline_ns` of [`now_ns`].
pub fn sleep_until(deadline_ns: u64) {
    let deadline = libc::timespec {
        tv_sec: (deadline_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (deadline_ns % 1_000_000_000) as libc::c_long,
    };
    let again = |status| status == libc::EINTR;
    // SAFETY: `deadline` is a valid timespec, and with TIMER_ABSTIME the remainder may be null.
    while again(unsafe {
        libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &deadline, std::ptr::null_mut())
    }) {}
}

/// The time between two stamps of [`now_ns`]; zero if they are the other way round.
pub fn between(from_ns: u64, to_ns: u64) -> Duration {
    Duration::from_nanos(to_ns.saturating_sub(from_ns))
}

/// How UDP clients and echo services get a processor in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measuring {
    /// `SCHED_FIFO`. The kernel holds even that up for 50 ms of a second in which normal threads starve.
    Fifo,
    /// `SCHED_DEADLINE`, which nothing holds up. Each thread reserves a share of a processor that agents can't have.
    Deadline,
}

/// How the UDP clients and echo services of this process are scheduled that are started from now on.
pub fn set_measuring(measuring: Measuring) {
    BY_DEADLINE.store(measuring == Measuring::Deadline, Ordering::Relaxed);
}

/// As [`measure_first`], or as [`set_measuring`] says.
pub(crate) fn measure_with(share: Share) -> io::Result<()> {
    if BY_DEADLINE.load(Ordering::Relaxed) && reserve(share).is_ok() {
        return Ok(());
    }
    measure_first()
}

/// Puts the calling thread before every normal thread, so that a busy machine is not taken for a gap.
///
/// # Errors
/// Where the kernel or the container does not allow it. The measurement is then only noisier.
pub fn measure_first() -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: MEASURING_PRIORITY };
    // SAFETY: `parameter` is valid for the whole call; 0 names the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_until_a_time_ends_after_it() {
        let deadline = now_ns() + 2_000_000;
        sleep_until(deadline);
        assert!(now_ns() >= deadline);
    }

    #[test]
    fn time_between_stamps_never_goes_below_zero() {
        assert_eq!(between(5, 9), Duration::from_nanos(4));
        assert_eq!(between(9, 5), Duration::ZERO);
    }
}
