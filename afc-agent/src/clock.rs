//! The one clock: `CLOCK_BOOTTIME`, which the kernel programs read too (`bpf_ktime_get_boot_ns`).
//!
//! Never wall time, which is set, and never MONOTONIC, which stops in suspend (design.md section 2).

/// Nanoseconds since boot.
pub fn boottime_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec to write to.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    assert_eq!(status, 0, "CLOCK_BOOTTIME exists since Linux 2.6.39");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let before = boottime_ns();
        assert!(before > 0);
        assert!(boottime_ns() >= before);
    }
}
