//! Memory that a node of the lab can run short of.
//!
//! As lxcfs does for containers, each node gets a `/proc` of its own: everything in it is the machine's, but `meminfo` is
//! computed from the node's budget less what a real process of that node, its hog, has resident. A thread keeps it current,
//! but not while a hog is taking memory: a node sees a step, not a slope that some of its measurements would hit.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    Lab, agent,
    clock::{now_ns, sleep_until},
    config::PROC,
    netns::Netns,
    spec::{LabSpec, MemorySpec},
    worker::{Stop, Worker},
};

/// What agents read of the machine itself.
const LINKS: [&str; 7] = ["stat", "loadavg", "diskstats", "pressure", "vmstat", "cpuinfo", "uptime"];
/// Between two looks at the hogs.
const PAUSE: Duration = Duration::from_millis(10);
const KIB_PER_MIB: u64 = 1024;

/// The memory of every node of a lab. Dropping it ends the hogs.
#[derive(Debug)]
pub(crate) struct Memories {
    nodes: Arc<BTreeMap<String, Mutex<Memory>>>,
    _keeper: Worker,
}

/// The memory of one node.
#[derive(Debug)]
struct Memory {
    /// The machine's, whose other lines are kept.
    machine: String,
    file: PathBuf,
    total_kib: u64,
    hog: Option<Hog>,
    written_used_kib: Option<u64>,
}

/// A process that takes memory. Dropping it kills it.
#[derive(Debug)]
struct Hog {
    process: Child,
    orders: ChildStdin,
    done: BufReader<ChildStdout>,
}

impl Memories {
    /// Makes the nodes' `/proc` directories below that of the lab; `None` when nodes shall have the machine's.
    pub(crate) fn start(spec: &LabSpec, directory: &Path) -> Result<Option<Self>> {
        let Some(memory) = &spec.memory else { return Ok(None) };
        let nodes = spec.nodes.iter().map(|node| {
            let made = Memory::new(memory, &directory.join(&node.name).join(PROC));
            Ok((node.name.clone(), Mutex::new(made?)))
        });
        let nodes: Arc<BTreeMap<_, _>> = Arc::new(nodes.collect::<Result<_>>()?);
        let kept = Arc::clone(&nodes);
        let keeper = Worker::start("memory", move |stop| keep_current(&kept, stop))?;
        Ok(Some(Self { nodes, _keeper: keeper }))
    }

    fn of(&self, node: &str) -> Result<MutexGuard<'_, Memory>> {
        let memory = self.nodes.get(node).with_context(|| format!("the lab has no node {node}"))?;
        Ok(locked(memory))
    }
}

/// The thread that keeps every `meminfo` current.
fn keep_current(nodes: &BTreeMap<String, Mutex<Memory>>, stop: &Stop) {
    while !stop.is_asked() {
        for (node, memory) in nodes {
            if let Err(error) = locked(memory).refresh() {
                eprintln!("afc-lab: the memory of {node}: {error:#}");
            }
        }
        sleep_until(now_ns() + PAUSE.as_nanos() as u64);
    }
}

/// Also when a thread that had it has panicked.
fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Memory {
    /// One without a hog, in a new directory.
    fn new(spec: &MemorySpec, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        for name in LINKS {
            let machine = Path::new("/proc").join(name);
            symlink(&machine, directory.join(name))
                .with_context(|| format!("linking {}", machine.display()))?;
        }
        let mut memory = Self {
            machine: fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?,
            file: directory.join("meminfo"),
            total_kib: spec.total_mib * KIB_PER_MIB,
            hog: None,
            written_used_kib: None,
        };
        memory.refresh()?;
        Ok(memory)
    }

    /// Writes what is true now, if that has changed; whoever reads it sees all of the old or all of the new.
    fn refresh(&mut self) -> Result<()> {
        let used_kib = self.hog.as_ref().map_or(0, Hog::resident_kib);
        if self.written_used_kib == Some(used_kib) {
            return Ok(());
        }
        let unfinished = self.file.with_extension("unfinished");
        fs::write(&unfinished, meminfo(&self.machine, self.total_kib, used_kib))?;
        fs::rename(&unfinished, &self.file)
            .with_context(|| format!("renaming to {}", self.file.display()))?;
        self.written_used_kib = Some(used_kib);
        Ok(())
    }
}

/// The machine's `meminfo` with a node's budget in place of the machine's memory.
fn meminfo(machine: &str, total_kib: u64, used_kib: u64) -> String {
    let available_kib = total_kib.saturating_sub(used_kib);
    let mut text = String::with_capacity(machine.len());
    for line in machine.lines() {
        let name = line.split(':').next().unwrap_or_default();
        let kib = match name {
            "MemTotal" => Some(total_kib),
            "MemFree" | "MemAvailable" => Some(available_kib),
            "Buffers" | "Cached" => Some(0),
            _ => None,
        };
        match kib {
            Some(kib) => text.push_str(&format!("{:<16}{kib:>8} kB\n", format!("{name}:"))),
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

impl Hog {
    /// Starts one in a node. It dies with the calling thread, like agents.
    fn start(namespace: &Netns) -> Result<Self> {
        let mut command = namespace.command(agent::program("afc-hog", "afc-lab")?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("starting a hog")?;
        let orders = process.stdin.take().expect("standard input was asked for");
        let done = BufReader::new(process.stdout.take().expect("standard output was asked for"));
        Ok(Self { process, orders, done })
    }

    /// Tells it how much to hold, and waits until it does.
    fn hold(&mut self, bytes: u64) -> Result<()> {
        writeln!(self.orders, "{bytes}").context("the hog is gone")?;
        let mut echo = String::new();
        self.done.read_line(&mut echo).context("the hog is gone")?;
        ensure!(echo.trim() == bytes.to_string(), "the hog did not get {bytes} bytes");
        Ok(())
    }

    /// What it has in memory: zero once it is dead.
    fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        fs::read_to_string(path).ok().and_then(|status| resident_kib(&status)).unwrap_or(0)
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        // Both fail only if the process has ended and was waited for already, which is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The number in `VmRSS:  2048 kB`.
fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Lab {
    /// Has a process of a node hold this much memory, more or less than before, and waits until the node can see it; the
    /// process is started if need be.
    ///
    /// # Errors
    /// When the lab's nodes have no memory of their own, or the process can't be started.
    pub fn take_memory(&self, node: &str, mib: u64) -> Result<()> {
        let mut memory = self.memories()?.of(node)?;
        let mut hog = match memory.hog.take() {
            Some(hog) => hog,
            None => Hog::start(self.machine(node))?,
        };
        let held = hog.hold(mib * KIB_PER_MIB * 1024);
        memory.hog = Some(hog);
        held?;
        memory.refresh()
    }

    /// Ends the process that holds memory of a node.
    ///
    /// # Errors
    /// When the lab's nodes have no memory of their own.
    pub fn free_memory(&self, node: &str) -> Result<()> {
        self.memories()?.of(node)?.hog = None;
        Ok(())
    }

    /// What a node's own `meminfo` says is available, MiB.
    ///
    /// # Errors
    /// When the lab's nodes have no memory of their own.
    pub fn memory_available_mib(&self, node: &str) -> Result<u64> {
        let memory = self.memories()?.of(node)?;
        let used_kib = memory.written_used_kib.unwrap_or(0);
        Ok(memory.total_kib.saturating_sub(used_kib) / KIB_PER_MIB)
    }

    fn memories(&self) -> Result<&Memories> {
        self.memories.as_ref().context("the nodes of this lab have no memory of their own")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "\
MemTotal:       24684084 kB
MemFree:        24066384 kB
MemAvailable:   24254216 kB
Buffers:            2968 kB
Cached:            38472 kB
SwapCached:            0 kB
HugePages_Total:       0
";

    #[test]
    fn a_node_has_its_budget_less_what_its_hog_has() {
        let text = meminfo(MACHINE, 262_144, 200_000);
        let wanted = "\
MemTotal:         262144 kB
MemFree:           62144 kB
MemAvailable:      62144 kB
Buffers:               0 kB
Cached:                0 kB
SwapCached:            0 kB
HugePages_Total:       0
";
        assert_eq!(text, wanted);
        assert!(meminfo(MACHINE, 100, 200).contains("MemAvailable:          0 kB\n"));
    }

    #[test]
    fn what_is_resident_is_read_from_the_status() {
        assert_eq!(resident_kib("Name:\thog\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2048));
        assert_eq!(resident_kib("Name:\tzombie\n"), None);
    }
}
