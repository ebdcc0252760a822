//! State changes told to the agent, and with the feature `trace` to its log. Never per packet.

use afc_ebpf::layout::{Event, event};

use super::maps;

/// A holding's majority became live.
#[inline(always)]
pub(crate) fn majority(service: u32, word: u64, at_ns: u64) {
    #[cfg(feature = "trace")]
    aya_log_ebpf::info!((), "majority: service {} word {:x}", service, word);
    maps::tell(Event { at_ns, word, kind: event::MAJORITY, service });
}

/// A holding had no majority for a lease and was dropped.
#[inline(always)]
pub(crate) fn lapsed(service: u32, word: u64, at_ns: u64) {
    #[cfg(feature = "trace")]
    aya_log_ebpf::info!((), "lapsed: service {} word {:x}", service, word);
    maps::tell(Event { at_ns, word, kind: event::LAPSED, service });
}

/// A higher epoch was adopted from an ANNOUNCE.
#[inline(always)]
pub(crate) fn adopted(service: u32, word: u64, at_ns: u64) {
    #[cfg(feature = "trace")]
    aya_log_ebpf::info!((), "adopted: service {} word {:x}", service, word);
    maps::tell(Event { at_ns, word, kind: event::ADOPTED, service });
}
