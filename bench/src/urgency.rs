//! The thread that makes faults and watches for their end must not be what is measured either: for that time it stands above
//! the hogs, and above the clients.

use std::io;

/// Above the measuring threads and the agents' FIFO, below keepalived.
const PRIORITY: libc::c_int = 70;

/// Does `work` in front of the hogs. What it starts stands there too, so agents and daemons are started elsewhere.
///
/// # Errors
/// Without the right to real-time classes.
pub(crate) fn urgently<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    set(libc::SCHED_FIFO, PRIORITY)?;
    let done = work();
    set(libc::SCHED_OTHER, 0)?;
    Ok(done)
}

fn set(policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: `parameter` is valid for the whole call; 0 names the calling thread.
    match unsafe { libc::sched_setscheduler(0, policy, &parameter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
