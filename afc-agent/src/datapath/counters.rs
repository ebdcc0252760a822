//! What became of packets, counted by the kernel: one counter a reason and CPU.

use afc_ebpf::{layout::name, reason::Reason};
use aya::maps::{MapData, PerCpuArray};

use super::{DatapathError, object::Object};

/// Reads the counters, from any thread.
pub struct Counters {
    map: PerCpuArray<MapData, u64>,
}

impl Counters {
    pub(super) fn take(object: &mut Object) -> Result<Self, DatapathError> {
        Ok(Self { map: object.take(name::COUNTERS)? })
    }

    /// Packets by reason, over all CPUs.
    ///
    /// # Errors
    /// The map's error.
    pub fn read(&self) -> Result<Vec<(Reason, u64)>, DatapathError> {
        let count = |reason: Reason| {
            let values = self.map.get(&(reason as u32), 0);
            let values = values.map_err(|source| DatapathError::map(name::COUNTERS, source))?;
            Ok((reason, values.iter().sum()))
        };
        Reason::ALL.iter().copied().map(count).collect()
    }
}
