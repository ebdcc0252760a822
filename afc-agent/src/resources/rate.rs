//! Turns counters into rates. Pure: each count comes with the moment it was read at, where that matters.
//!
//! A counter that went back starts a new comparison, and says so once.

use std::{collections::BTreeMap, mem};

use super::{procfs::Device, sample::Flaw};

/// More operations a second than any machine does.
const MAX_IOPS: f64 = 1e9;
/// Shares of CPU time beyond this are no rounding, nor a burst or a quota that changed meanwhile.
const MAX_CPU_SHARE: f64 = 2.0;
const NS_PER_S: f64 = 1e9;
const NS_PER_US: f64 = 1e3;

/// CPU time since some start, in one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTime {
    /// Not idle.
    pub(super) used: u64,
    /// Of all CPUs.
    pub(super) total: u64,
}

/// CPU time that a cgroup used since some start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CgroupTime {
    /// Used, µs.
    pub(super) used_us: u64,
    /// Read at, ns.
    pub(super) at_ns: u64,
}

/// The share of CPU time used between two samples.
#[derive(Debug, Default)]
pub(super) struct CpuMeter {
    machine: Option<CpuTime>,
    cgroup: Option<CgroupTime>,
}

impl CpuMeter {
    /// Of the whole machine. None without a sample before, or when no tick has passed since.
    pub(super) fn machine(&mut self, now: CpuTime) -> Result<Option<f64>, Flaw> {
        let Some(before) = self.machine.replace(now) else { return Ok(None) };
        let used = now.used.checked_sub(before.used).ok_or(Flaw::WentBack)?;
        let total = now.total.checked_sub(before.total).ok_or(Flaw::WentBack)?;
        if total == 0 {
            return Ok(None);
        }
        // Time waited for I/O may go back a little, so that less seems to have passed than was used.
        Ok(Some((used as f64 / total as f64).min(1.0)))
    }

    /// Of what a cgroup may use, which is the time of so many CPUs.
    pub(super) fn cgroup(&mut self, now: CgroupTime, cpus: f64) -> Result<Option<f64>, Flaw> {
        let Some(before) = self.cgroup.replace(now) else { return Ok(None) };
        let used_us = now.used_us.checked_sub(before.used_us).ok_or(Flaw::WentBack)?;
        let elapsed_ns = now.at_ns.saturating_sub(before.at_ns);
        if elapsed_ns == 0 {
            return Ok(None);
        }
        let share = used_us as f64 * NS_PER_US / (elapsed_ns as f64 * cpus);
        if share > MAX_CPU_SHARE {
            return Err(Flaw::Absurd("more CPU time used than there was"));
        }
        Ok(Some(share.min(1.0)))
    }
}

/// Operations a second between two samples, of all devices together.
#[derive(Debug, Default)]
pub(super) struct OperationsMeter {
    before: Option<(BTreeMap<Device, u64>, u64)>,
}

impl OperationsMeter {
    /// None without a sample before. A device that was not in it counts from the next one on, and one that is gone no
    /// more, so that a disk may come and go.
    pub(super) fn rate(&mut self, now: BTreeMap<Device, u64>, at_ns: u64) -> Result<Option<f64>, Flaw> {
        let Some((counts, before_ns)) = &mut self.before else {
            self.before = Some((now, at_ns));
            return Ok(None);
        };
        let before = mem::replace(counts, now);
        let elapsed_ns = at_ns.saturating_sub(mem::replace(before_ns, at_ns));
        if elapsed_ns == 0 {
            return Ok(None);
        }
        let mut operations = 0u64;
        for (device, count) in counts {
            let more = before.get(device).map_or(Some(0), |before| count.checked_sub(*before));
            operations = operations.saturating_add(more.ok_or(Flaw::WentBack)?);
        }
        let rate = operations as f64 * NS_PER_S / elapsed_ns as f64;
        if rate > MAX_IOPS { Err(Flaw::Absurd("more operations than any disk does")) } else { Ok(Some(rate)) }
    }
}
