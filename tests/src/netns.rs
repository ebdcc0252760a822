//! One network namespace: running threads, commands and sockets inside it. It lays no wires.
//!
//! A socket belongs to the namespace that it was made in, wherever it is used later. So a thread enters a namespace only
//! for as long as it takes to make its sockets ([`Netns::enter`]), and works on them from outside.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::Command,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};

/// Where `ip netns` keeps the names.
pub const DIRECTORY: &str = "/run/netns";

/// An open network namespace that has a name. Dropping it removes nothing; see [`crate::janitor`].
#[derive(Debug)]
pub struct Netns {
    name: String,
    file: File,
}

impl Netns {
    /// Opens a namespace that `ip netns add` has made.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn open(name: &str) -> Result<Self> {
        let path = Path::new(DIRECTORY).join(name);
        let file = File::open(&path).with_context(|| format!("opening the namespace {}", path.display()))?;
        Ok(Self { name: name.to_owned(), file })
    }

    /// Its name, for `ip -n`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` inside, on a thread of its own, and waits for it.
    ///
    /// # Errors
    /// When the namespace can't be entered: that needs root.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let outcome = thread::scope(|scope| {
            let inside = scope.spawn(|| enter_for_good(self.file.as_raw_fd()).map(|()| work()));
            match inside.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        outcome.with_context(|| format!("entering the namespace {}", self.name))
    }

    /// Starts a thread that lives inside.
    ///
    /// # Errors
    /// When the namespace can't be entered: that needs root.
    pub fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
        let (entered, outcome) = mpsc::channel();
        let file = self.file.try_clone()?;
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let entry = enter_for_good(file.as_raw_fd());
            drop(file);
            let inside = entry.is_ok();
            if entered.send(entry).is_ok() && inside {
                work();
            }
        })?;
        outcome.recv()?.with_context(|| format!("entering the namespace {}", self.name))?;
        Ok(thread)
    }

    /// A command that will run inside, in a process group of its own, and that dies with the thread that starts it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let namespace = self.file.as_raw_fd();
        // SAFETY: the closure makes only async-signal-safe calls and allocates nothing. The descriptor is open at the
        // fork, because callers run the command while they borrow this namespace's lab.
        unsafe {
            command.pre_exec(move || {
                enter_for_good(namespace)?;
                die_with_the_parent()
            })
        };
        command.process_group(0);
        command
    }
}

/// Moves the calling thread into a namespace.
fn enter_for_good(namespace: RawFd) -> io::Result<()> {
    // SAFETY: setns takes plain numbers; a wrong descriptor is an error, not undefined.
    match unsafe { libc::setns(namespace, libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the kernel kill this process when the thread that forked it ends.
fn die_with_the_parent() -> io::Result<()> {
    // SAFETY: prctl with plain numbers.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
