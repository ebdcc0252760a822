//! The smallest XDP program, `return XDP_PASS`, attached by raw `bpf(2)`.
//!
//! A veth drops what its peer transmits by native XDP_TX or a redirect, silently, unless it has an XDP program itself
//! (design.md section 5). So the far end of every wire gets this one. It is also "another program in place" for the
//! test of that refusal.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use anyhow::{Context, Result};

use crate::{interface, netns::Netns};

// `bpf(2)` commands and constants of `linux/bpf.h` and `linux/if_link.h`.
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_LINK_UPDATE: libc::c_long = 29;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// `r0 = XDP_PASS; exit`.
const INSTRUCTIONS: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

/// The beginning of `union bpf_attr` for BPF_PROG_LOAD; the kernel takes what is missing as zero.
#[repr(C)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

/// The beginning of `union bpf_attr` for BPF_LINK_CREATE.
#[repr(C)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// The beginning of `union bpf_attr` for BPF_LINK_UPDATE.
#[repr(C)]
struct LinkUpdate {
    link: u32,
    program: u32,
    flags: u32,
    old_program: u32,
}

/// Attaches the program to an interface, in native mode, for as long as the returned descriptor is open.
///
/// # Errors
/// Without the right to load programs, without such an interface, or when another program is in place.
pub fn attach(namespace: &Netns, interface: &str) -> Result<OwnedFd> {
    let outcome = namespace.enter(|| {
        let program = load()?;
        link(&program, interface)
    })?;
    outcome.with_context(|| format!("attaching XDP_PASS to {interface} in {}", namespace.name()))
}

/// Puts another program in the place of the one on a link, without an instant in which there is none (Linux 5.9).
///
/// # Errors
/// When it is not of the same kind.
pub fn replace(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = LinkUpdate {
        link: link.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        flags: 0,
        old_program: 0,
    };
    bpf(BPF_LINK_UPDATE, &attributes).map(drop)
}

/// Loads the program.
fn load() -> io::Result<OwnedFd> {
    let attributes = ProgramLoad {
        program_type: BPF_PROG_TYPE_XDP,
        instruction_count: INSTRUCTIONS.len() as u32,
        instructions: INSTRUCTIONS.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"lab_pass\0\0\0\0\0\0\0\0",
        interface: 0,
        // As libraries load XDP programs: one replaces another on a link only if this is equal.
        attach_type: BPF_XDP,
    };
    descriptor(BPF_PROG_LOAD, &attributes)
}

/// Links it to an interface of the calling thread's namespace.
fn link(program: &OwnedFd, interface: &str) -> io::Result<OwnedFd> {
    let attributes = LinkCreate {
        program: program.as_raw_fd() as u32,
        interface: interface::index(interface)?,
        attach_type: BPF_XDP,
        flags: XDP_FLAGS_DRV_MODE,
    };
    descriptor(BPF_LINK_CREATE, &attributes)
}

/// One `bpf(2)` call that answers with a descriptor.
fn descriptor<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    let descriptor = bpf(command, attributes)?;
    // SAFETY: the call succeeded, so this is a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// One `bpf(2)` call.
fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<libc::c_int> {
    let size = size_of::<T>();
    // SAFETY: `attributes` is a `repr(C)` prefix of `union bpf_attr` for this command, `size` is its size, and what its
    // addresses point to lives through the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer as libc::c_int) }
}
