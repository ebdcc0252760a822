//! What the observer's BPF program and the lab both know: the record of a sighting, and how a question carries its time.
#![cfg_attr(target_arch = "bpf", no_std)]

/// Bytes of the ring of sightings: some seconds of them, should whoever reads it have to wait for a processor.
pub const RING_BYTES: u32 = 1 << 22;
/// Virtual IPs that can be watched.
pub const ADDRESSES_MAX: u32 = 64;
/// The name of the program.
pub const PROGRAM: &str = "afc_observe";
/// The names of the maps: addresses to watch, the ring, the counters.
pub const ADDRESSES: &str = "ADDRESSES";
/// The ring of [`Sighting`].
pub const SIGHTINGS: &str = "SIGHTINGS";
/// Frames by [`counter`].
pub const COUNTERS: &str = "COUNTERS";

/// Indices of the counters.
pub mod counter {
    /// Frames that came.
    pub const FRAMES: u32 = 0;
    /// Sightings that found no room in the ring: with one of them the observer may have missed something.
    pub const LOST: u32 = 1;
    /// How many counters there are.
    pub const COUNT: usize = 2;
}

/// What was seen.
pub mod kind {
    /// An ARP answer to the observer's own question; `stamp_ns` is when that was asked.
    pub const ASKED: u32 = 1;
    /// Any other ARP packet whose sender claims the address.
    pub const ARP: u32 = 2;
    /// An answer of the echo service; `stamp_ns` is when the service made it.
    pub const ECHO: u32 = 3;
    /// Any other packet from the address.
    pub const OTHER: u32 = 4;
}

/// A frame in which somebody answered for a virtual IP. Times are of `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Sighting {
    /// When it arrived, ns.
    pub arrived_ns: u64,
    /// A time before the node let it go, ns, which the frame itself carries; 0 if it carries none.
    pub stamp_ns: u64,
    /// The virtual IP, in memory order.
    pub address: u32,
    /// The interface that it came in by.
    pub ifindex: u32,
    /// One of [`kind`].
    pub kind: u32,
    /// Which question of its client an echo answers: the low half of its number.
    pub sequence: u32,
}

/// The first byte of the link addresses that the observer asks under: locally administered, and nobody else's. The other
/// five are the time.
pub const ASKER: u8 = 0x06;
/// A question's time is told in units of 1.024 µs.
pub const UNIT_BITS: u32 = 10;
const TIME_MASK: u64 = (1 << 40) - 1;

/// The link address of a question asked now. Whoever answers sends its answer there, so the answer carries the time back.
#[inline(always)]
pub const fn asker_at(now_ns: u64) -> [u8; 6] {
    let [_, _, _, a, b, c, d, e] = (now_ns >> UNIT_BITS & TIME_MASK).to_be_bytes();
    [ASKER, a, b, c, d, e]
}

/// When a question was asked to which an answer came now, rounded down; now, if it was not asked in the last 13 days.
#[inline(always)]
pub const fn asked_ns(asker: [u8; 6], now_ns: u64) -> u64 {
    let [_, a, b, c, d, e] = asker;
    let asked = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
    let now = now_ns >> UNIT_BITS;
    (now - (now.wrapping_sub(asked) & TIME_MASK)) << UNIT_BITS
}

const _: () = assert!(size_of::<Sighting>() == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_carries_the_time_of_its_question() {
        for asked in [5_000_000_000_000_u64, 1 << 50, (1 << 50) - 1, (1 << 51) + 12_345] {
            let found = asked_ns(asker_at(asked), asked + 70_000_000);
            assert!(found <= asked && asked - found < 1024, "{asked}: {found}");
        }
    }
}
