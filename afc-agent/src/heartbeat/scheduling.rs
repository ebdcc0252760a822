//! How the fast path gets the CPU in time: locked memory and the best scheduling class that the kernel gives.

use std::{fmt, io, time::Duration};

use tracing::warn;

/// The stack of each thread of the agent. Memory is locked, so all of it is resident.
pub const STACK_BYTES: usize = 512 * 1024;
/// CPU time that the fast path may use in each interval under `SCHED_DEADLINE` (design.md section 6).
const DEADLINE_RUNTIME: Duration = Duration::from_micros(200);
/// `SCHED_FLAG_RECLAIM`, Linux 4.13; `linux/sched.h`.
const SCHED_FLAG_RECLAIM: u64 = 0x02;
/// Priority under `SCHED_FIFO`: above usual real-time work (50), below the kernel's own watchdogs (99).
const FIFO_PRIORITY: i32 = 60;

/// The scheduling class of the fast path, shown in `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchedulingClass {
    /// `SCHED_DEADLINE`, Linux 3.14.
    Deadline,
    /// `SCHED_FIFO`.
    Fifo,
    /// The normal class: starvation of the CPUs delays the agent.
    #[default]
    Normal,
}

impl fmt::Display for SchedulingClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "deadline",
            Self::Fifo => "fifo",
            Self::Normal => "normal",
        })
    }
}

/// Locks the process's memory, present and future.
///
/// # Errors
/// That of `mlockall(2)`: without `CAP_IPC_LOCK` and beyond `RLIMIT_MEMLOCK`.
pub fn lock_memory() -> io::Result<()> {
    // SAFETY: mlockall takes no pointers.
    match unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Puts the calling thread into the best class it can have for work once each `interval`.
pub fn schedule_current_thread(interval: Duration) -> SchedulingClass {
    let share = Share { runtime: DEADLINE_RUNTIME.min(interval / 2), period: interval };
    let Err(error) = reserve(share) else {
        return SchedulingClass::Deadline;
    };
    warn!(%error, "the fast path is refused SCHED_DEADLINE");
    let Err(error) = set_fifo() else {
        return SchedulingClass::Fifo;
    };
    warn!(%error, "the fast path is refused SCHED_FIFO");
    SchedulingClass::Normal
}

/// What a thread reserves under `SCHED_DEADLINE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// So much time on a processor
    pub runtime: Duration,
    /// in each of these.
    pub period: Duration,
}

/// `struct sched_attr` of `sched_setattr(2)`, version 0.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Puts the calling thread into `SCHED_DEADLINE`. It may use what nobody reserved, too: a takeover is a burst of work, and a
/// thread that has used up its runtime in it waits for its next period between one step and the next.
///
/// # Errors
/// That of `sched_setattr(2)`: without `CAP_SYS_NICE`, or when the processors' time is reserved already.
pub fn reserve(share: Share) -> io::Result<()> {
    let period = share.period.as_nanos() as u64;
    let attributes = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: libc::SCHED_DEADLINE as u32,
        flags: SCHED_FLAG_RECLAIM,
        nice: 0,
        priority: 0,
        runtime: share.runtime.as_nanos() as u64,
        deadline: period,
        period,
    };
    // SAFETY: `attributes` is a valid sched_attr of the size it states, and lives through the call.
    match unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_fifo() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: FIFO_PRIORITY };
    // SAFETY: `parameters` lives through the call; 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
