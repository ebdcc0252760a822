//! Reads all figures of one moment, each from its own files: one that can't be read leaves the others as they are.
//!
//! Blocks while the kernel answers, for some ten microseconds as a rule.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    cgroup::{self, CgroupMemory},
    procfs::{self, Disks},
    rate::{CgroupTime, CpuMeter, OperationsMeter},
    reader::Reader,
    sample::{Flaw, Memory, Reading, Sample, SampleError},
};
use crate::cluster::record::Pressure;

/// The kernel computes its averages of pressure anew every 2 s.
const PRESSURE_PERIOD_NS: u64 = 2_000_000_000;

/// Where figures are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// A proc file system.
    pub proc_root: PathBuf,
    /// The cgroup v2 directory whose figures count; the whole machine's without one. The load is always the machine's.
    pub cgroup: Option<PathBuf>,
}

/// Reads figures, and remembers the counters of the sample before.
#[derive(Debug)]
pub struct Sampler {
    sources: Sources,
    reader: Reader,
    cpu: CpuMeter,
    operations: OperationsMeter,
    /// The latest, and when it was read.
    pressure: Option<(Pressure, u64)>,
}

impl Sampler {
    /// A sampler that has read nothing yet.
    pub fn new(sources: Sources) -> Self {
        Self {
            sources,
            reader: Reader::default(),
            cpu: CpuMeter::default(),
            operations: OperationsMeter::default(),
            pressure: None,
        }
    }

    /// The figures of this moment, `CLOCK_BOOTTIME` in ns.
    pub fn sample(&mut self, at_ns: u64) -> Sample {
        match self.sources.cgroup.clone() {
            None => Sample {
                at_ns,
                memory: self.machine_memory().map(Some),
                cpu: self.machine_cpu(),
                iops: self.machine_iops(at_ns),
                load: self.load(),
                pressure: self.pressure(&self.proc("pressure"), ["cpu", "memory", "io"], at_ns),
            },
            Some(cgroup) => Sample {
                at_ns,
                memory: self.cgroup_memory(&cgroup).map(Some),
                cpu: self.cgroup_cpu(&cgroup, at_ns),
                iops: self.cgroup_iops(&cgroup, at_ns),
                load: self.load(),
                pressure: self.pressure(&cgroup, ["cpu.pressure", "memory.pressure", "io.pressure"], at_ns),
            },
        }
    }

    fn proc(&self, name: &str) -> PathBuf {
        self.sources.proc_root.join(name)
    }

    fn machine_memory(&mut self) -> Result<Memory, SampleError> {
        self.reader.parse(&self.proc("meminfo"), procfs::memory)
    }

    fn machine_cpu(&mut self) -> Reading<f64> {
        let path = self.proc("stat");
        let cpu = &mut self.cpu;
        self.reader.parse(&path, |text| cpu.machine(procfs::cpu_time(text)?))
    }

    fn machine_iops(&mut self, at_ns: u64) -> Reading<f64> {
        let path = self.proc("diskstats");
        let operations = &mut self.operations;
        self.reader.parse(&path, |text| operations.rate(procfs::disks(text)?.operations, at_ns))
    }

    fn load(&mut self) -> Reading<f64> {
        self.reader.parse(&self.proc("loadavg"), procfs::load).map(Some)
    }

    fn pressure(&mut self, directory: &Path, files: [&str; 3], at_ns: u64) -> Reading<Pressure> {
        if let Some((pressure, read_ns)) = self.pressure
            && at_ns.checked_sub(read_ns).is_some_and(|age_ns| age_ns < PRESSURE_PERIOD_NS)
        {
            return Ok(Some(pressure));
        }
        self.pressure = None;
        let mut shares = [0.0; 3];
        for (share, file) in shares.iter_mut().zip(files) {
            match self.reader.parse(&directory.join(file), procfs::pressure) {
                Ok(read) => *share = read,
                Err(SampleError::Read { source, .. }) if is_unsupported(source.kind()) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let [cpu, memory, io] = shares;
        let pressure = Pressure { cpu, memory, io };
        self.pressure = Some((pressure, at_ns));
        Ok(Some(pressure))
    }

    fn cgroup_memory(&mut self, cgroup: &Path) -> Result<Memory, SampleError> {
        let machine = self.machine_memory()?;
        let current_bytes = self.of_cgroup(cgroup, "memory.current", cgroup::number)?;
        let max_bytes = self.of_cgroup(cgroup, "memory.max", cgroup::limit)?;
        let within = |text: &str| {
            let inactive_file_bytes = cgroup::inactive_file(text)?;
            CgroupMemory { max_bytes, current_bytes, inactive_file_bytes }.within(machine)
        };
        match max_bytes {
            // The statistics take the kernel longest, and nothing of them is needed then.
            None => Ok(machine),
            Some(_) => self.of_cgroup(cgroup, "memory.stat", within),
        }
    }

    fn cgroup_cpu(&mut self, cgroup: &Path, at_ns: u64) -> Reading<f64> {
        let used_us = self.of_cgroup(cgroup, "cpu.stat", cgroup::usage_us)?;
        let cpus = match self.of_cgroup(cgroup, "cpu.max", cgroup::quota) {
            // Without the controller nothing is limited.
            Ok(None) | Err(SampleError::NoController { .. }) => {
                let path = self.proc("stat");
                self.reader.parse(&path, procfs::cpu_count)?
            }
            Ok(Some(cpus)) => cpus,
            Err(error) => return Err(error),
        };
        let share = self.cpu.cgroup(CgroupTime { used_us, at_ns }, cpus);
        share.map_err(|flaw| flawed(cgroup.join("cpu.stat"), flaw))
    }

    fn cgroup_iops(&mut self, cgroup: &Path, at_ns: u64) -> Reading<f64> {
        let mut operations = self.of_cgroup(cgroup, "io.stat", cgroup::operations)?;
        // A container may not see the machine's disks; then nothing is known to stand for another device.
        let path = self.proc("diskstats");
        if let Ok(Disks { others, .. }) = self.reader.parse(&path, procfs::disks) {
            operations.retain(|device, _| !others.contains(device));
        }
        let rate = self.operations.rate(operations, at_ns);
        rate.map_err(|flaw| flawed(cgroup.join("io.stat"), flaw))
    }

    fn of_cgroup<T>(
        &mut self,
        cgroup: &Path,
        file: &str,
        parse: impl FnOnce(&str) -> Result<T, Flaw>,
    ) -> Result<T, SampleError> {
        let path = cgroup.join(file);
        match self.reader.parse(&path, parse) {
            Err(SampleError::Read { source, .. })
                if source.kind() == ErrorKind::NotFound && cgroup.is_dir() =>
            {
                Err(SampleError::NoController { path })
            }
            read => read,
        }
    }
}

fn flawed(path: PathBuf, flaw: Flaw) -> SampleError {
    SampleError::Flawed { path, flaw }
}

/// How a kernel without pressure stall information answers: since it is not built in, or turned off.
fn is_unsupported(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::Unsupported)
}
