//! What else the machine does while something is measured. Every load ends by itself, also if this process dies.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use afc_lab::starvation::{Class, Hogs, Starvation};
use anyhow::{Context, Result};

use crate::arguments::LoadName;

/// A usual priority of real-time work, below the measuring threads and the agents.
const FIFO_PRIORITY: i32 = 50;

/// What a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Nothing else, as far as it is up to this run.
    Idle,
    /// Something that starves others.
    Starving(LoadName),
}

/// A load that goes on. Dropping it waits for its end.
#[derive(Debug, Default)]
pub(crate) struct Working {
    hogs: Option<Starvation>,
    _process: Option<StressNg>,
}

/// The process. Dropping it ends it.
#[derive(Debug)]
struct StressNg(Child);

impl Load {
    /// Its name in rows.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starving(LoadName::Busy) => "busy loops",
            Self::Starving(LoadName::Fifo80) => "FIFO-50 at 80 %",
            Self::Starving(LoadName::Fifo100) => "FIFO-50 at 100 %",
            Self::Starving(LoadName::StressNg) => "stress-ng",
        }
    }

    /// Starts it. It ends after `lasting`, in seconds rounded up.
    ///
    /// # Errors
    /// Without the right to real-time classes, or when stress-ng is not installed.
    pub(crate) fn start(self, lasting: Duration) -> Result<Working> {
        let fifo = |duty_percent| Hogs {
            class: Class::Fifo(FIFO_PRIORITY),
            duty_percent,
            per_processor: 1,
            lasting,
        };
        let hogs = match self {
            Self::Idle => return Ok(Working::default()),
            Self::Starving(LoadName::StressNg) => {
                return Ok(Working { _process: Some(StressNg::start(lasting)?), ..Working::default() });
            }
            Self::Starving(LoadName::Busy) => {
                Hogs { class: Class::Normal, duty_percent: 100, per_processor: 2, lasting }
            }
            Self::Starving(LoadName::Fifo80) => fifo(80),
            Self::Starving(LoadName::Fifo100) => fifo(100),
        };
        Ok(Working { hogs: Some(Starvation::of(&hogs)?), ..Working::default() })
    }
}

impl Working {
    /// Ends it before its time.
    pub(crate) fn end(mut self) {
        if let Some(hogs) = self.hogs.take() {
            hogs.end();
        }
    }
}

impl StressNg {
    /// Two workers on each processor that compute, one that writes through 256 MiB of memory, one that syncs files.
    fn start(lasting: Duration) -> Result<Self> {
        let seconds = lasting.as_secs_f64().ceil().to_string();
        let processors = std::thread::available_parallelism()?.get();
        let mut command = Command::new("stress-ng");
        command.args([
            "--cpu",
            &(2 * processors).to_string(),
            "--vm",
            "1",
            "--vm-bytes",
            "256M",
            "--io",
            "1",
        ]);
        command.args(["--timeout", &seconds]).current_dir(std::env::temp_dir());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Self).context("starting stress-ng: is it installed?")
    }
}

impl Drop for StressNg {
    fn drop(&mut self) {
        // At SIGTERM it ends its workers; and it was told its time besides.
        // SAFETY: kill takes plain numbers; the process was not waited for, so its number is its own.
        unsafe { libc::kill(self.0.id() as libc::pid_t, libc::SIGTERM) };
        // Fails only if it was waited for already.
        drop(self.0.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_load_is_over() {
        let load = Load::Starving(LoadName::Busy).start(Duration::from_secs(20)).unwrap();
        load.end();
        assert!(Load::Idle.start(Duration::from_secs(20)).unwrap().hogs.is_none());
    }

    #[test]
    fn no_hog_works_for_long() {
        assert!(Load::Starving(LoadName::Busy).start(Duration::from_secs(3600)).is_err());
    }
}
