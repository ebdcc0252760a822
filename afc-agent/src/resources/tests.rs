//! Figures as several kernels write them, thresholds over time, and this machine itself.

mod cgroup;
mod judge;
mod machine;
mod procfs;
mod random;
mod sampler;
mod task;

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;

use super::{sampler::Sources, *};
use crate::config::{Amount, Ratio, Threshold, Thresholds};

const SECOND: u64 = 1_000_000_000;

const MEMINFO_2_6_32: &str = include_str!("tests/fixtures/meminfo-2.6.32.txt");
const MEMINFO_3_10: &str = include_str!("tests/fixtures/meminfo-3.10.txt");
const MEMINFO_6_18: &str = include_str!("tests/fixtures/meminfo-6.18.txt");
const DISKSTATS_3_10: &str = include_str!("tests/fixtures/diskstats-3.10.txt");
const DISKSTATS_6_18: &str = include_str!("tests/fixtures/diskstats-6.18.txt");
const STAT_6_18: &str = include_str!("tests/fixtures/stat-6.18.txt");
const LOADAVG: &str = "2.63 1.00 1.42 3/4280 2496732\n";
const PRESSURE: &str = "some avg10=4.50 avg60=0.91 avg300=0.00 total=681245\n\
                        full avg10=2.10 avg60=0.12 avg300=0.00 total=391926\n";

/// The files of a cgroup by their names.
const CGROUP: [(&str, &str); 9] = [
    ("memory.max", include_str!("tests/fixtures/cgroup/memory.max")),
    ("memory.current", include_str!("tests/fixtures/cgroup/memory.current")),
    ("memory.stat", include_str!("tests/fixtures/cgroup/memory.stat")),
    ("cpu.stat", include_str!("tests/fixtures/cgroup/cpu.stat")),
    ("cpu.max", include_str!("tests/fixtures/cgroup/cpu.max")),
    ("io.stat", include_str!("tests/fixtures/cgroup/io.stat")),
    ("cpu.pressure", include_str!("tests/fixtures/cgroup/cpu.pressure")),
    ("memory.pressure", include_str!("tests/fixtures/cgroup/memory.pressure")),
    ("io.pressure", include_str!("tests/fixtures/cgroup/io.pressure")),
];

/// A machine made of files: `proc` and `cgroup`.
struct Machine(TempDir);

impl Machine {
    /// Linux 6.18 with everything.
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("meminfo", MEMINFO_6_18),
            ("stat", STAT_6_18),
            ("diskstats", DISKSTATS_6_18),
            ("loadavg", LOADAVG),
        ] {
            machine.write(&format!("proc/{name}"), text);
        }
        for name in ["cpu", "memory", "io"] {
            machine.write(&format!("proc/pressure/{name}"), PRESSURE);
        }
        for (name, text) in CGROUP {
            machine.write(&format!("cgroup/{name}"), text);
        }
        machine
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn replace(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path().join(name)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {name}");
        self.write(name, &text.replace(from, to));
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }

    fn sampler(&self) -> Sampler {
        Sampler::new(Sources { proc_root: self.path().join("proc"), cgroup: None })
    }

    fn cgroup_sampler(&self) -> Sampler {
        Sampler::new(Sources {
            proc_root: self.path().join("proc"),
            cgroup: Some(self.path().join("cgroup")),
        })
    }
}

/// Memory 1000 bytes, CPU 80 %, 100 operations, load 10; each a tenth apart, lasting 2 s, every 500 ms.
fn thresholds() -> Thresholds {
    Thresholds {
        memory_available: Some(Threshold { enter: Amount::Bytes(1000), leave: Amount::Bytes(1100) }),
        cpu: Some(Threshold { enter: Ratio(0.8), leave: Ratio(0.72) }),
        iops: Some(Threshold { enter: 100, leave: 90 }),
        load: Some(Threshold { enter: 10.0, leave: 9.0 }),
        lasting: Duration::from_secs(2),
        interval: Duration::from_millis(500),
    }
}

/// Far from each of [`thresholds`].
fn idle() -> Known {
    Known {
        memory: Some(Memory { available_bytes: 5000, total_bytes: 10_000 }),
        cpu: Some(0.1),
        iops: Some(5.0),
        load: Some(0.5),
    }
}
