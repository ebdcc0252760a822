//! The few kernel helpers and instructions that have no safe wrapper. No packet and no map is named here.

use core::arch::asm;

use afc_ebpf::lease::bpf_spin_lock;
use aya_ebpf::helpers::generated;

/// `CLOCK_BOOTTIME`, ns. Linux 5.8.
#[inline(always)]
pub(crate) fn boottime_ns() -> u64 {
    // SAFETY: the helper takes nothing and has no precondition.
    unsafe { generated::bpf_ktime_get_boot_ns() }
}

/// Runs `critical` under the spin lock.
///
/// # Safety
/// `lock` must be the lock of a live map value, and `critical` must call no function: the verifier refuses calls under a lock.
#[inline(always)]
pub(crate) unsafe fn locked<R>(lock: *mut bpf_spin_lock, critical: impl FnOnce() -> R) -> R {
    // SAFETY: the caller says that the lock is that of a map value; it is given back below on every path.
    unsafe { generated::bpf_spin_lock(lock.cast()) };
    let result = critical();
    // SAFETY: taken above.
    unsafe { generated::bpf_spin_unlock(lock.cast()) };
    result
}

/// Stores `new` where `old` is; gives what was there before. Fully ordered. Linux 5.12, `-C target-cpu=v3`.
///
/// As an instruction: `core::sync::atomic` does not work on BPF (LLVM 22 miscompiles a read-modify-write whose result
/// is used).
///
/// # Safety
/// `place` must be an aligned word of a live map value.
#[inline(always)]
pub(crate) unsafe fn compare_exchange(place: *mut u64, old: u64, new: u64) -> u64 {
    let mut r0 = old;
    // SAFETY: the caller vouches for the word; the instruction compares with r0 and leaves the old value there.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({place} + 0, r0, {new})",
            place = in(reg) place,
            new = in(reg) new,
            inlateout("r0") r0,
            options(nostack),
        );
    }
    r0
}
