//! The two clocks that the agent reads. Nothing but the runtime reads them; the engine is told the time.

/// `CLOCK_BOOTTIME`, ns: the clock of every lease, the same that `bpf_ktime_get_boot_ns` reads.
pub fn boottime_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// `CLOCK_MONOTONIC`, ns: stops while the machine is suspended.
pub fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec, which lives through the call.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "both clocks are there since Linux 2.6.39");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boottime_is_never_behind_monotonic() {
        let monotonic = monotonic_ns();
        assert!(boottime_ns() >= monotonic);
    }
}
