//! What must hold before anything is loaded: the kernel's age, this process's capabilities, the memory limit.

use std::fs;

use aya::util::KernelVersion;
use tracing::debug;

use super::DatapathError;

/// Capabilities, as the bits of `CapEff` (linux/capability.h).
mod capability {
    pub(super) const NET_ADMIN: u64 = 1 << 12;
    pub(super) const SYS_ADMIN: u64 = 1 << 21;
    pub(super) const PERFMON: u64 = 1 << 38;
    pub(super) const BPF: u64 = 1 << 39;
}

/// Checks everything, and raises the memory limit.
pub(super) fn check() -> Result<(), DatapathError> {
    check_kernel()?;
    check_capabilities(effective_capabilities())?;
    raise_memory_limit();
    Ok(())
}

/// 5.15 is the oldest kernel with everything at once: BTF spin locks, `cmpxchg`, variable stack writes, devmap hashes.
fn check_kernel() -> Result<(), DatapathError> {
    let wanted = KernelVersion::new(5, 15, 0);
    match KernelVersion::current() {
        Ok(version) if version < wanted => Err(DatapathError::KernelTooOld { found: release() }),
        Ok(_) => Ok(()),
        Err(error) => {
            debug!(%error, "the kernel's version is unreadable, going on");
            Ok(())
        }
    }
}

fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "(unknown)".into(), |text| text.trim().into())
}

fn check_capabilities(effective: u64) -> Result<(), DatapathError> {
    let bpf = capability::BPF | capability::PERFMON;
    if effective & capability::SYS_ADMIN == 0 && effective & bpf != bpf {
        return Err(DatapathError::NoPermission { what: "load BPF programs" });
    }
    if effective & capability::NET_ADMIN == 0 {
        return Err(DatapathError::NoPermission { what: "attach BPF programs to interfaces" });
    }
    Ok(())
}

/// `CapEff` of this process; everything where it can't be read, so that the kernel itself decides.
fn effective_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(u64::MAX)
}

/// Before Linux 5.11, and still where memory cgroups are off, maps count against RLIMIT_MEMLOCK. A refusal is harmless
/// on newer kernels, and on older ones shows as a refused map.
fn raise_memory_limit() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is a valid rlimit to read.
    if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) } != 0 {
        debug!(error = %std::io::Error::last_os_error(), "RLIMIT_MEMLOCK stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_or_the_three_capabilities_are_enough_and_less_is_refused_with_the_fix() {
        use capability::{BPF, NET_ADMIN, PERFMON, SYS_ADMIN};
        for enough in [u64::MAX, SYS_ADMIN | NET_ADMIN, BPF | PERFMON | NET_ADMIN] {
            assert!(check_capabilities(enough).is_ok(), "{enough:x}");
        }
        for short in [0, NET_ADMIN, SYS_ADMIN, BPF | NET_ADMIN, BPF | PERFMON] {
            let error = check_capabilities(short).expect_err("refused");
            assert!(error.to_string().contains("run afc as root"), "{error}");
        }
    }
}
