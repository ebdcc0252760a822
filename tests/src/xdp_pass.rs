//! The smallest XDP program, `return XDP_PASS`, attached by raw `bpf(2)`.
//!
//! A veth drops what its peer transmits by native XDP_TX or a redirect, silently, unless it has an XDP program itself
//! (design.md section 5). So the far end of every wire gets this one. It is also "another program in place" for the
//! test of that refusal.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use anyhow::{Context, Result};

use crate::{
    bpf::{self, Instruction, ProgramType},
    interface,
    netns::Netns,
};

// `bpf(2)` commands and constants of `linux/bpf.h` and `linux/if_link.h`.
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_LINK_UPDATE: libc::c_long = 29;
const BPF_XDP: u32 = 37;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// `r0 = XDP_PASS; exit`.
pub(crate) const INSTRUCTIONS: [Instruction; 2] = [[0xb7, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];

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
        let program = bpf::load(ProgramType::Xdp, "lab_pass", &INSTRUCTIONS)?;
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
    bpf::call(BPF_LINK_UPDATE, &raw const attributes).map(drop)
}

/// Links it to an interface of the calling thread's namespace.
fn link(program: &OwnedFd, interface: &str) -> io::Result<OwnedFd> {
    let attributes = LinkCreate {
        program: program.as_raw_fd() as u32,
        interface: interface::index(interface)?,
        attach_type: BPF_XDP,
        flags: XDP_FLAGS_DRV_MODE,
    };
    bpf::descriptor(BPF_LINK_CREATE, &attributes)
}
