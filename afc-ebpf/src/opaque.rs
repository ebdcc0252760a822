//! A value that the compiler must not reason about, for code that the BPF verifier reads.
//!
//! The compiler turns masks back into branches, of which the verifier walks every combination, and removes bounds
//! checks that it can prove, of which the verifier can't. On the host this changes nothing.

/// The same value.
#[cfg(target_arch = "bpf")]
#[inline(always)]
pub fn opaque(value: u64) -> u64 {
    let mut value = value;
    // SAFETY: moves a register onto itself. (Without any instruction, two lines of debug information would share one
    // offset, and the kernel refuses that.)
    unsafe {
        core::arch::asm!(
            "{value} = {value}",
            value = inlateout(reg) value,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    value
}

/// The same value.
#[cfg(not(target_arch = "bpf"))]
#[inline(always)]
pub const fn opaque(value: u64) -> u64 {
    value
}
