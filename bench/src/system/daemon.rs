//! A daemon of a peer's in a node of the lab: a process and its children. Dropping it kills them all.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

/// A running daemon. It dies with the thread that started it, too.
#[derive(Debug)]
pub(super) struct Daemon {
    process: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts one whose words go to the end of `log`.
    ///
    /// # Errors
    /// When there is no such program.
    pub(super) fn start(mut command: Command, log: PathBuf) -> Result<Self> {
        let file = File::options().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("opening {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let program = command.get_program().to_string_lossy().into_owned();
        let process = command.spawn().with_context(|| format!("starting {program}: is it installed?"))?;
        Ok(Self { process, log })
    }

    /// It and its children.
    pub(super) fn pids(&self) -> Vec<u32> {
        let pid = self.process.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        std::iter::once(pid).chain(children).collect()
    }

    /// Sends a signal to all of them. One that has ended meanwhile needs none.
    pub(super) fn signal(&self, signal: libc::c_int) {
        for pid in self.pids() {
            // SAFETY: kill takes plain numbers. The parent was not waited for and its children are its own, read just now.
            unsafe { libc::kill(pid as libc::pid_t, signal) };
        }
    }

    /// Whether it has ended, which it should not by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// All that it said.
    pub(super) fn words(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.signal(libc::SIGKILL);
        }
        // Fails only if it was waited for already.
        drop(self.process.wait());
    }
}
