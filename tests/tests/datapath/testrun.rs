//! `BPF_PROG_TEST_RUN`: one packet through one loaded program, by the raw system call.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use afc_ebpf::reason::Action;

const BPF_PROG_TEST_RUN: libc::c_int = 10;

/// What a program returned and left of the packet.
pub(crate) struct Returned {
    /// The action, in the words of the table of reasons.
    pub(crate) action: Action,
    /// The packet behind the program.
    pub(crate) packet: Vec<u8>,
}

/// Runs a packet that came in on this interface through an XDP program. In the calling thread's namespace.
pub(crate) fn xdp(program: BorrowedFd<'_>, ifindex: u32, packet: &[u8]) -> Returned {
    let mut context = XdpMd { end: packet.len() as u32, ifindex, ..XdpMd::default() };
    let context = (&raw mut context, size_of::<XdpMd>() as u32);
    let (value, packet) = run(program, packet, Some(context));
    let action = match value {
        1 => Action::Drop,
        2 => Action::Pass,
        3 => Action::Transmit,
        4 => Action::Redirect,
        _ => panic!("XDP returned {value}"),
    };
    Returned { action, packet }
}

/// Runs a packet that leaves through a tc program.
pub(crate) fn tc(program: BorrowedFd<'_>, packet: &[u8]) -> Returned {
    let (value, packet) = run(program, packet, None);
    let action = match value.cast_signed() {
        -1 => Action::Pass,
        2 => Action::Drop,
        _ => panic!("tc returned {value}"),
    };
    Returned { action, packet }
}

/// The kernel's `struct xdp_md`.
#[derive(Default)]
#[repr(C)]
struct XdpMd {
    start: u32,
    end: u32,
    meta: u32,
    ifindex: u32,
    queue: u32,
    egress: u32,
}

/// The `test` part of `union bpf_attr` (Linux 5.18; older kernels accept the zeroes at its end).
#[derive(Default)]
#[repr(C, align(8))]
struct TestRun {
    program: u32,
    returned: u32,
    in_bytes: u32,
    out_bytes: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_bytes: u32,
    context_out_bytes: u32,
    context: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    reserved: u32,
}

fn run(program: BorrowedFd<'_>, packet: &[u8], context: Option<(*mut XdpMd, u32)>) -> (u32, Vec<u8>) {
    let mut out = vec![0; packet.len() + 256];
    let (context, context_bytes) = context.unwrap_or((std::ptr::null_mut(), 0));
    let mut attribute = TestRun {
        program: program.as_raw_fd() as u32,
        in_bytes: packet.len() as u32,
        out_bytes: out.len() as u32,
        data_in: packet.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        repeat: 1,
        context_bytes,
        context: context as u64,
        ..TestRun::default()
    };
    let bytes = size_of::<TestRun>();
    // SAFETY: the attribute points to live memory of the lengths it names.
    let status = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, &raw mut attribute, bytes) };
    assert_eq!(status, 0, "BPF_PROG_TEST_RUN: {}", io::Error::last_os_error());
    out.truncate(attribute.out_bytes as usize);
    (attribute.returned, out)
}
