//! One packet through one loaded program, and what it returned in the words of the table of reasons.

use std::os::fd::BorrowedFd;

use afc_ebpf::reason::Action;
use afc_lab::bpf::{RunContext, TestRun};

/// What a program returned and left of the packet.
pub(crate) struct Returned {
    /// The action.
    pub(crate) action: Action,
    /// The packet behind the program.
    pub(crate) packet: Vec<u8>,
}

/// Runs a packet that came in on this interface through an XDP program. In the calling thread's namespace.
pub(crate) fn xdp(program: BorrowedFd<'_>, ifindex: u32, packet: &[u8]) -> Returned {
    let run = TestRun { program, packet, context: RunContext::Interface(ifindex), repeat: 1 };
    let ran = run.run().expect("BPF_PROG_TEST_RUN");
    let action = match ran.returned {
        1 => Action::Drop,
        2 => Action::Pass,
        3 => Action::Transmit,
        4 => Action::Redirect,
        _ => panic!("XDP returned {}", ran.returned),
    };
    Returned { action, packet: ran.packet }
}

/// Runs a packet that leaves with this mark through a tc program.
pub(crate) fn tc(program: BorrowedFd<'_>, mark: u32, packet: &[u8]) -> Returned {
    let run = TestRun { program, packet, context: RunContext::Mark(mark), repeat: 1 };
    let ran = run.run().expect("BPF_PROG_TEST_RUN");
    let action = match ran.returned.cast_signed() {
        -1 => Action::Pass,
        2 => Action::Drop,
        _ => panic!("tc returned {}", ran.returned),
    };
    Returned { action, packet: ran.packet }
}
