//! Ctrl-C and SIGTERM: noted, so that the lab is taken down in order. A second one ends the program at once, and the lab's
//! janitor takes it down.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Result, bail};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From here on, the first request to end is noted.
pub(super) fn note_requests_to_end() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: sigaction is made of integers and pointers, for which all zero is valid.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESETHAND | libc::SA_RESTART;
        // SAFETY: `action` is valid through the call, and its handler only stores to an atomic.
        if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Whether somebody asked this program to end.
pub(super) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Fails if somebody did.
pub(super) fn check() -> Result<()> {
    if asked() { bail!("interrupted; the lab is removed") } else { Ok(()) }
}

extern "C" fn note(_signal: libc::c_int) {
    ASKED.store(true, Ordering::Relaxed);
}
