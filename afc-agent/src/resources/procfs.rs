//! What the files of a proc file system say. Pure functions of their texts.
//!
//! The crate procfs-core reads them; here is what it leaves open: which of its figures count, what cannot be true, and
//! the few inputs on which it would panic.

use std::collections::{BTreeMap, BTreeSet};

use procfs_core::{
    DiskStats, ExplicitSystemInfo, FromBufRead, FromBufReadSI, FromRead, KernelStats, LoadAverage, Meminfo,
    parse_pressure_record,
};

use super::{
    rate::CpuTime,
    sample::{Flaw, Memory},
};

/// procfs-core multiplies numbers of meminfo by up to 2^30 without looking; none of 10 digits overflows then. With
/// these the largest machine has 9 PiB, or some 34 bits of KiB.
const MAX_MEMINFO_DIGITS: usize = 10;
/// `VmallocTotal` is an address space, not memory, and has 11 digits on x86-64; it is in KiB, so 16 are safe.
const MAX_MEMINFO_KIB_DIGITS: usize = 16;
/// Nobody ever saw a higher load average: the kernel has at most 2^22 tasks.
const MAX_LOAD: f64 = (1 << 22) as f64;
/// Devices that stand for others, which are counted themselves, or for memory; each with its number behind.
const NOT_DISKS: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "drbd", "bcache"];

/// A block device: its major and minor number.
pub(super) type Device = (u32, u32);

/// `meminfo`.
pub(super) fn memory(text: &str) -> Result<Memory, Flaw> {
    const MALFORMED: Flaw = Flaw::Malformed("memory figures (MemTotal, MemFree, MemAvailable, Buffers, ..)");
    if !text.lines().all(fits_meminfo) {
        return Err(MALFORMED);
    }
    let info = Meminfo::from_buf_read(text.as_bytes()).map_err(|_| MALFORMED)?;
    // Before Linux 3.14: free and file cache, which is what its MemAvailable is about.
    let estimate = || {
        let cache = info.buffers.saturating_add(info.cached).saturating_sub(info.shmem.unwrap_or(0));
        info.mem_free.saturating_add(cache).min(info.mem_total)
    };
    let available_bytes = info.mem_available.unwrap_or_else(estimate);
    Memory { available_bytes, total_bytes: info.mem_total }.checked()
}

impl Memory {
    /// Itself, if it can be true.
    pub(super) fn checked(self) -> Result<Self, Flaw> {
        if self.total_bytes == 0 {
            return Err(Flaw::Absurd("no memory at all"));
        }
        if self.available_bytes > self.total_bytes {
            return Err(Flaw::Absurd("more memory available than there is"));
        }
        Ok(self)
    }
}

/// The first line of `stat`: time of all CPUs since the start, in ticks.
pub(super) fn cpu_time(text: &str) -> Result<CpuTime, Flaw> {
    let total = kernel_stats(text)?.total;
    let idle = total.idle.saturating_add(total.iowait.unwrap_or(0));
    // Guest time is within user and nice.
    let columns =
        [Some(total.user), Some(total.nice), Some(total.system), total.irq, total.softirq, total.steal];
    let used = columns.into_iter().flatten().fold(0u64, u64::saturating_add);
    Ok(CpuTime { used, total: used.saturating_add(idle) })
}

/// How many CPUs `stat` lists, which are those that are online.
pub(super) fn cpu_count(text: &str) -> Result<f64, Flaw> {
    match kernel_stats(text)?.cpu_time.len() {
        0 => Err(Flaw::Absurd("no CPU")),
        count => Ok(count as f64),
    }
}

fn kernel_stats(text: &str) -> Result<KernelStats, Flaw> {
    // Times are compared with each other only, so that the length of a tick does not matter.
    let system = ExplicitSystemInfo {
        boot_time_secs: 0,
        ticks_per_second: 100,
        page_size: 4096,
        is_little_endian: cfg!(target_endian = "little"),
    };
    KernelStats::from_buf_read(text.as_bytes(), &system)
        .map_err(|_| Flaw::Malformed("kernel statistics (cpu, ctxt, btime, processes)"))
}

/// `loadavg`: the average over one minute.
pub(super) fn load(text: &str) -> Result<f64, Flaw> {
    let malformed = Flaw::Malformed("load averages, as in \"0.20 0.18 0.12 1/80 11206\"");
    let load = f64::from(LoadAverage::from_read(text.as_bytes()).map_err(|_| malformed)?.one);
    if (0.0..=MAX_LOAD).contains(&load) { Ok(load) } else { Err(Flaw::Absurd("a load that no machine has")) }
}

/// `diskstats`: reads and writes completed, by device.
pub(super) struct Disks {
    /// Whole disks.
    pub(super) operations: BTreeMap<Device, u64>,
    /// Everything else: partitions, memory, and devices that stand for others.
    pub(super) others: BTreeSet<Device>,
}

pub(super) fn disks(text: &str) -> Result<Disks, Flaw> {
    let malformed = Flaw::Malformed("disk statistics with 14 columns or more");
    let DiskStats(lines) = DiskStats::from_buf_read(text.as_bytes()).map_err(|_| malformed)?;
    let names: BTreeSet<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let mut disks = Disks { operations: BTreeMap::new(), others: BTreeSet::new() };
    for line in &lines {
        let (Ok(major), Ok(minor)) = (u32::try_from(line.major), u32::try_from(line.minor)) else {
            return Err(Flaw::Absurd("a device with a negative number"));
        };
        if is_whole_disk(&line.name, &names) {
            disks.operations.insert((major, minor), line.reads.saturating_add(line.writes));
        } else {
            disks.others.insert((major, minor));
        }
    }
    Ok(disks)
}

fn is_whole_disk(name: &str, all: &BTreeSet<&str>) -> bool {
    let is_numbered = |kind: &str| name.strip_prefix(kind).is_some_and(|rest| rest.starts_with(is_digit));
    !NOT_DISKS.iter().any(|kind| is_numbered(kind)) && !is_partition(name, all) && !is_nvme_path(name)
}

/// The kernel names a partition after its disk and its number, with a `p` between if the disk's name ends in a digit.
fn is_partition(name: &str, all: &BTreeSet<&str>) -> bool {
    let disk = name.trim_end_matches(is_digit);
    if disk.len() == name.len() || disk.is_empty() {
        return false;
    }
    match disk.strip_suffix('p').filter(|disk| disk.ends_with(is_digit)) {
        Some(disk) if all.contains(disk) => true,
        Some(_) | None => all.contains(disk),
    }
}

/// One of several paths to an NVMe disk, as in `nvme0c1n1`; the disk itself is `nvme0n1`.
fn is_nvme_path(name: &str) -> bool {
    let controller = name.strip_prefix("nvme").map(|rest| rest.trim_start_matches(is_digit));
    controller.is_some_and(|rest| rest.starts_with('c'))
}

/// The first line of a file of `pressure`: the share of the last 10 s in which some task waited.
pub(super) fn pressure(text: &str) -> Result<f64, Flaw> {
    let malformed = Flaw::Malformed("pressure, as in \"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\"");
    // Not both lines: before Linux 5.13 that of the CPUs has no second one.
    let line = text.lines().next().filter(|line| line.starts_with("some ")).ok_or(malformed)?;
    let percent = f64::from(parse_pressure_record(line).map_err(|_| malformed)?.avg10);
    if (0.0..=100.0).contains(&percent) {
        Ok(percent / 100.0)
    } else {
        Err(Flaw::Absurd("pressure beyond 100 %"))
    }
}

/// Whether procfs-core can take a line of meminfo without overflow.
fn fits_meminfo(line: &str) -> bool {
    let max = if line.ends_with("kB") { MAX_MEMINFO_KIB_DIGITS } else { MAX_MEMINFO_DIGITS };
    line.split(|c| !is_digit(c)).all(|digits| digits.len() <= max)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}
