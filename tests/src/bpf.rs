//! The few `bpf(2)` calls that tests make themselves: loading a program of some instructions, a program array, and
//! `BPF_PROG_TEST_RUN`. What the agent loads, it loads through aya.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// Commands of `linux/bpf.h`.
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_MAP_TYPE_PROG_ARRAY: u32 = 3;
const BPF_XDP: u32 = 37;

/// One instruction as the kernel reads it.
pub type Instruction = [u8; 8];

/// What kind of packets a program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramType {
    /// `BPF_PROG_TYPE_SCHED_CLS`: packets as the stack has them.
    Classifier = 3,
    /// `BPF_PROG_TYPE_XDP`: packets as the driver has them.
    Xdp = 6,
}

/// A packet that goes through a program.
#[derive(Clone, Copy, Debug)]
pub struct TestRun<'a> {
    /// The program.
    pub program: BorrowedFd<'a>,
    /// The packet.
    pub packet: &'a [u8],
    /// What comes with it.
    pub context: RunContext,
    /// How often. Each time the program finds the packet as the time before left it.
    pub repeat: u32,
}

/// What the program is told of a packet beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunContext {
    /// Nothing.
    None,
    /// For XDP: the interface of the calling thread's namespace that it came in on.
    Interface(u32),
    /// For tc: its mark.
    Mark(u32),
}

/// What became of the packet.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What the program returned the last time.
    pub returned: u32,
    /// The packet behind it.
    pub packet: Vec<u8>,
    /// The kernel's own average for one time, ns.
    pub average_ns: u32,
}

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

/// The beginning of `union bpf_attr` for BPF_MAP_CREATE.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
}

/// The beginning of `union bpf_attr` for BPF_MAP_UPDATE_ELEM.
#[repr(C)]
struct MapUpdate {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The `test` part of `union bpf_attr` (Linux 5.18; older kernels accept the zeroes at its end).
#[derive(Default)]
#[repr(C, align(8))]
struct ProgramRun {
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

/// The beginning of the kernel's `struct __sk_buff`; the kernel takes what is missing as zero.
#[derive(Default)]
#[repr(C)]
struct SkBuff {
    bytes: u32,
    kind: u32,
    mark: u32,
}

/// Loads a program.
///
/// # Errors
/// When the verifier refuses it, or without the right to load programs.
pub fn load(program_type: ProgramType, name: &str, instructions: &[Instruction]) -> io::Result<OwnedFd> {
    assert!(name.len() < 16, "the kernel keeps fifteen bytes of a name");
    let mut padded = [0; 16];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    let attributes = ProgramLoad {
        program_type: program_type as u32,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: padded,
        interface: 0,
        // As libraries load XDP programs: one replaces another on a link, or follows it, only if this is equal.
        attach_type: match program_type {
            ProgramType::Xdp => BPF_XDP,
            ProgramType::Classifier => 0,
        },
    };
    descriptor(BPF_PROG_LOAD, &attributes)
}

/// Makes a program array that holds these programs.
///
/// # Errors
/// When the kernel refuses it, or one of the programs in it.
pub fn program_array(programs: &[BorrowedFd<'_>]) -> io::Result<OwnedFd> {
    let entries = programs.len() as u32;
    let create = MapCreate { map_type: BPF_MAP_TYPE_PROG_ARRAY, key_bytes: 4, value_bytes: 4, entries };
    let map = descriptor(BPF_MAP_CREATE, &create)?;
    for (index, program) in programs.iter().enumerate() {
        let (key, value) = (index as u32, program.as_raw_fd() as u32);
        let update = MapUpdate {
            map: map.as_raw_fd() as u32,
            padding: 0,
            key: (&raw const key) as u64,
            value: (&raw const value) as u64,
            flags: 0,
        };
        call(BPF_MAP_UPDATE_ELEM, &raw const update)?;
    }
    Ok(map)
}

impl TestRun<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// Those of the kernel, as for a packet shorter than an Ethernet header.
    pub fn run(&self) -> io::Result<Ran> {
        let mut out = vec![0; self.packet.len() + 256];
        let mut xdp = XdpMd { end: self.packet.len() as u32, ..XdpMd::default() };
        let mut buffer = SkBuff::default();
        let mut attributes = ProgramRun {
            program: self.program.as_raw_fd() as u32,
            in_bytes: self.packet.len() as u32,
            out_bytes: out.len() as u32,
            data_in: self.packet.as_ptr() as u64,
            data_out: out.as_mut_ptr() as u64,
            repeat: self.repeat,
            ..ProgramRun::default()
        };
        match self.context {
            RunContext::None => {}
            RunContext::Interface(ifindex) => {
                xdp.ifindex = ifindex;
                attributes.context = (&raw mut xdp) as u64;
                attributes.context_bytes = size_of::<XdpMd>() as u32;
            }
            RunContext::Mark(mark) => {
                buffer.mark = mark;
                attributes.context = (&raw mut buffer) as u64;
                attributes.context_bytes = size_of::<SkBuff>() as u32;
            }
        }
        call(BPF_PROG_TEST_RUN, &raw mut attributes)?;
        out.truncate(attributes.out_bytes as usize);
        Ok(Ran { returned: attributes.returned, packet: out, average_ns: attributes.duration })
    }
}

/// A `bpf(2)` call that answers with a descriptor.
pub(crate) fn descriptor<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    let descriptor = call(command, std::ptr::from_ref(attributes))?;
    // SAFETY: the call succeeded, so this is a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// A `bpf(2)` call.
pub(crate) fn call<T>(command: libc::c_long, attributes: *const T) -> io::Result<libc::c_int> {
    let size = size_of::<T>();
    // SAFETY: every `T` here is a `repr(C)` prefix of `union bpf_attr` for its command, `size` is its size, and what its
    // addresses point to lives through the call; what the kernel writes back to is behind a `&mut`.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer as libc::c_int) }
}
