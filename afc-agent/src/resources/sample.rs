//! One sample: the figures of one moment, each with its own error. Only data.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::cluster::record::Pressure;

/// One figure. None while there is nothing to say: a rate needs two samples, and not every kernel tells its pressure.
pub type Reading<T> = Result<Option<T>, SampleError>;

/// The figures of one moment.
#[derive(Debug)]
pub struct Sample {
    /// When, `CLOCK_BOOTTIME` in ns.
    pub at_ns: u64,
    /// Memory.
    pub memory: Reading<Memory>,
    /// Share of all CPU time used since the sample before, 0 to 1.
    pub cpu: Reading<f64>,
    /// Block I/O operations a second since the sample before.
    pub iops: Reading<f64>,
    /// Load average over one minute.
    pub load: Reading<f64>,
    /// Share of time in which some task waited.
    pub pressure: Reading<Pressure>,
}

impl Sample {
    /// A sample without figures.
    pub fn failed(at_ns: u64, why: impl Fn() -> SampleError) -> Self {
        Self {
            at_ns,
            memory: Err(why()),
            cpu: Err(why()),
            iops: Err(why()),
            load: Err(why()),
            pressure: Err(why()),
        }
    }

    /// Every figure that could not be read.
    pub fn errors(&self) -> impl Iterator<Item = (Resource, &SampleError)> {
        let errors = [
            (Resource::Memory, self.memory.as_ref().err()),
            (Resource::Cpu, self.cpu.as_ref().err()),
            (Resource::Iops, self.iops.as_ref().err()),
            (Resource::Load, self.load.as_ref().err()),
            (Resource::Pressure, self.pressure.as_ref().err()),
        ];
        errors.into_iter().filter_map(|(resource, error)| Some((resource, error?)))
    }
}

/// Memory, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What can be had without swapping.
    pub available_bytes: u64,
    /// All of it; never 0, nor less than what is available.
    pub total_bytes: u64,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Available memory.
    Memory,
    /// CPU time.
    Cpu,
    /// Block I/O operations.
    Iops,
    /// Load average.
    Load,
    /// Pressure stall information.
    Pressure,
}

impl Resource {
    /// Its name in logs and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Iops => "iops",
            Self::Load => "load",
            Self::Pressure => "pressure",
        }
    }
}

/// Why a figure could not be read.
#[derive(Debug, Error)]
pub enum SampleError {
    /// No such file, no permission, ..
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cgroup is there, and this file of it is not.
    #[error(
        "there is no {}; enable its controller in the cgroup.subtree_control above, or name another agent.cgroup",
        path.display()
    )]
    NoController {
        /// The file.
        path: PathBuf,
    },
    /// The file was read, and says nothing that can be used.
    #[error("{} {flaw}", path.display())]
    Flawed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The kernel, or the file system in its place, has not answered.
    #[error(
        "reading utilisation takes longer than {seconds} s; is the file system at agent.proc_root stuck?"
    )]
    Stalled {
        /// For how long.
        seconds: f64,
    },
    /// A defect of this program.
    #[error("reading utilisation panicked; please report what the log says above this")]
    Panicked,
}

/// What is wrong with a text, whichever file it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// It is not what the kernel writes.
    #[error("does not read as {0}")]
    Malformed(&'static str),
    /// It is well formed, and cannot be true.
    #[error("says {0}, which cannot be")]
    Absurd(&'static str),
    /// A counter: whatever it counted started anew.
    #[error("counts less than before, so measuring starts anew")]
    WentBack,
    /// More than any kernel writes.
    #[error("is too long")]
    TooLong,
}
