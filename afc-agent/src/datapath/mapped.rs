//! A `BPF_F_MMAPABLE` array in this process's memory, read and written word by word.
//!
//! The kernel programs and this process share the words, so every access is atomic, and nothing hands out a reference
//! to a whole value.

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd},
    sync::atomic::{AtomicU32, AtomicU64},
};

use aya::maps::MapData;
use memmap2::{MmapOptions, MmapRaw};

/// An array map of `T`, mapped.
pub(super) struct Mapped<T> {
    memory: MmapRaw,
    entries: u32,
    value: PhantomData<fn() -> T>,
}

impl<T> Mapped<T> {
    /// Maps all entries, and touches every page, so that the fast path takes no page fault.
    pub(super) fn new(map: &MapData, entries: u32) -> io::Result<Self> {
        const { assert!(size_of::<T>().is_multiple_of(8), "an array map rounds its values up to eight bytes") };
        let bytes = (entries as usize * size_of::<T>()).next_multiple_of(page_bytes());
        let memory = MmapOptions::new().len(bytes).populate().map_raw(map.fd().as_fd().as_raw_fd())?;
        Ok(Self { memory, entries, value: PhantomData })
    }

    /// The eight bytes at `offset` of entry `index`.
    pub(super) fn word(&self, index: u32, offset: usize) -> &AtomicU64 {
        let place = self.place(index, offset, size_of::<u64>());
        // SAFETY: an aligned word inside the mapping (asserted), which lives as long as `self`; both sides access it
        // atomically.
        unsafe { AtomicU64::from_ptr(place.cast()) }
    }

    /// The four bytes at `offset` of entry `index`.
    pub(super) fn half(&self, index: u32, offset: usize) -> &AtomicU32 {
        let place = self.place(index, offset, size_of::<u32>());
        // SAFETY: as in `word`.
        unsafe { AtomicU32::from_ptr(place.cast()) }
    }

    fn place(&self, index: u32, offset: usize, bytes: usize) -> *mut u8 {
        assert!(index < self.entries, "index {index} of {}", self.entries);
        assert!(offset.is_multiple_of(bytes) && offset + bytes <= size_of::<T>(), "a field of the value");
        // SAFETY: entry and field lie within the mapping.
        unsafe { self.memory.as_mut_ptr().add(index as usize * size_of::<T>() + offset) }
    }
}

fn page_bytes() -> usize {
    // SAFETY: sysconf has no precondition.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("a page has a size")
}
