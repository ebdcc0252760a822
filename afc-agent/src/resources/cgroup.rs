//! What the files of a cgroup v2 directory say (Linux's Documentation/admin-guide/cgroup-v2.rst). Pure functions of
//! their texts, but for [`is_cgroup`].

use std::{collections::BTreeMap, path::Path};

use super::{
    procfs::Device,
    sample::{Flaw, Memory},
};

/// Major numbers of memory and loop devices, which no file is needed to tell from disks.
const RAM_MAJOR: u32 = 1;
const LOOP_MAJOR: u32 = 7;
/// What is written where there is no limit.
const NO_LIMIT: &str = "max";

/// What a cgroup says of its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CgroupMemory {
    /// `memory.max`.
    pub(super) max_bytes: Option<u64>,
    /// `memory.current`.
    pub(super) current_bytes: u64,
    /// `inactive_file` of `memory.stat`: what the kernel takes back first, without swapping.
    pub(super) inactive_file_bytes: u64,
}

/// Whether a directory is a cgroup v2.
pub fn is_cgroup(directory: &Path) -> bool {
    directory.join("cgroup.controllers").is_file()
}

impl CgroupMemory {
    /// What is left of its limit, and never more than the machine has.
    pub(super) fn within(self, machine: Memory) -> Result<Memory, Flaw> {
        let Some(max_bytes) = self.max_bytes else { return Ok(machine) };
        let total_bytes = max_bytes.min(machine.total_bytes);
        let reclaimable = self.inactive_file_bytes.min(self.current_bytes);
        let used = self.current_bytes - reclaimable;
        let available_bytes = total_bytes.saturating_sub(used).min(machine.available_bytes);
        Memory { available_bytes, total_bytes }.checked()
    }
}

/// A file with one number.
pub(super) fn number(text: &str) -> Result<u64, Flaw> {
    text.trim().parse().map_err(|_| Flaw::Malformed("one number"))
}

/// A file with one number or `max`.
pub(super) fn limit(text: &str) -> Result<Option<u64>, Flaw> {
    if text.trim() == NO_LIMIT { Ok(None) } else { number(text).map(Some) }
}

/// `inactive_file` of `memory.stat`.
pub(super) fn inactive_file(text: &str) -> Result<u64, Flaw> {
    keyed(text, "inactive_file").ok_or(Flaw::Malformed("memory statistics (inactive_file, ..)"))
}

/// `usage_usec` of `cpu.stat`.
pub(super) fn usage_us(text: &str) -> Result<u64, Flaw> {
    keyed(text, "usage_usec").ok_or(Flaw::Malformed("CPU statistics (usage_usec, ..)"))
}

/// `cpu.max`: how many CPUs' time it may use; none if all of them.
pub(super) fn quota(text: &str) -> Result<Option<f64>, Flaw> {
    const MALFORMED: Flaw = Flaw::Malformed("a quota and a period, as in \"max 100000\"");
    let (quota, period) = text.trim().split_once(' ').ok_or(MALFORMED)?;
    let period: u64 = period.parse().map_err(|_| MALFORMED)?;
    if quota == NO_LIMIT {
        return Ok(None);
    }
    let quota: u64 = quota.parse().map_err(|_| MALFORMED)?;
    if quota == 0 || period == 0 {
        return Err(Flaw::Absurd("no CPU time at all"));
    }
    Ok(Some(quota as f64 / period as f64))
}

/// `io.stat`: reads and writes completed, by device; partitions are never in it.
pub(super) fn operations(text: &str) -> Result<BTreeMap<Device, u64>, Flaw> {
    const MALFORMED: Flaw =
        Flaw::Malformed("I/O statistics, as in \"8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..\"");
    let mut operations = BTreeMap::new();
    let mut device = None;
    // By words, not by lines: Linux 5.15 ends no line behind a device without figures.
    for word in text.split_ascii_whitespace() {
        if let Some(count) = word.strip_prefix("rios=").or_else(|| word.strip_prefix("wios=")) {
            let count: u64 = count.parse().map_err(|_| MALFORMED)?;
            let total: &mut u64 = operations.entry(device.ok_or(MALFORMED)?).or_default();
            *total = total.saturating_add(count);
        } else if !word.contains('=') {
            let (major, minor) = word.split_once(':').ok_or(MALFORMED)?;
            device = Some((major.parse().map_err(|_| MALFORMED)?, minor.parse().map_err(|_| MALFORMED)?));
        }
    }
    operations.retain(|&(major, _), _| major != RAM_MAJOR && major != LOOP_MAJOR);
    Ok(operations)
}

/// The number behind a key at the start of a line.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}
