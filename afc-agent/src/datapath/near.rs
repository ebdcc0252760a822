//! A near table of the kernel programs (see [`afc_ebpf::near`]), filled whole: one store for each place that changes. The
//! map behind it is filled by `settings.rs`, before and after.

use std::{collections::BTreeMap, sync::atomic::Ordering::Release};

use afc_ebpf::{layout::Interface, mac::Mac, near};

use super::mapped::Mapped;

/// A table.
pub(super) struct Near {
    words: Mapped<u64>,
    places: u32,
}

impl Near {
    /// Over a mapped array of this many places.
    pub(super) fn new(words: Mapped<u64>, places: u32) -> Self {
        Self { words, places }
    }

    /// Makes it the table of a map of these keys. Where two share a place, the lower one has it.
    pub(super) fn fill(&self, wanted: &BTreeMap<u32, u32>) {
        self.store(
            wanted.iter().map(|(key, value)| (near::place(*key, self.places), near::word(*key, *value))),
        );
    }

    /// Makes it the table of these interfaces.
    pub(super) fn fill_interfaces(&self, wanted: &BTreeMap<u32, Interface>) {
        self.store(wanted.iter().filter_map(|(ifindex, interface)| {
            let word = near::interface_word(*ifindex, self.places, Mac(interface.mac))?;
            Some((near::interface_place(*ifindex, self.places), word))
        }));
    }

    /// Stores the first word of each place, and nothing in all others.
    fn store(&self, words: impl Iterator<Item = (u32, u64)>) {
        let mut table = BTreeMap::new();
        for (place, word) in words {
            table.entry(place).or_insert(word);
        }
        for place in 0..self.places {
            self.words.word(place, 0).store(table.get(&place).copied().unwrap_or(0), Release);
        }
    }
}
