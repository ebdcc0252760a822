//! Near tables: an array before a hash map, so that what is looked up for every packet costs a load and no call.
//!
//! Each key has one place. What stands there is the answer for its own key; an empty place says that no key of this
//! place is in the map; and for any other key the map itself must be asked, so keys that share a place lose nothing.
//! A place is one word, stored at once, and keys are put into the map before the table and taken out of it after.

use crate::mac::Mac;

/// Bits of a link address.
const MAC_BITS: u32 = 48;

/// What a place says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Near {
    /// The key's value.
    Value(u32),
    /// The key is not in the map.
    Nothing,
    /// The place is another key's: the map knows.
    AskTheMap,
}

/// The place of a key among a power of two of them.
#[inline(always)]
pub const fn place(key: u32, places: u32) -> u32 {
    // Fibonacci hashing: neighbouring keys, as addresses of one subnet are, get places of their own.
    u32::from_be(key).wrapping_mul(0x9e37_79b1) >> (u32::BITS - places.trailing_zeros())
}

/// The word of a key and its value, which is below `u32::MAX`.
pub const fn word(key: u32, value: u32) -> u64 {
    (key as u64) | ((value as u64 + 1) << u32::BITS)
}

/// What `word` says of `key`.
#[inline(always)]
pub const fn look(word: u64, key: u32) -> Near {
    if word == 0 {
        return Near::Nothing;
    }
    if word as u32 != key {
        return Near::AskTheMap;
    }
    Near::Value((word >> u32::BITS) as u32 - 1)
}

/// The place of an interface among a power of two of them.
#[inline(always)]
pub const fn interface_place(ifindex: u32, places: u32) -> u32 {
    ifindex & (places - 1)
}

/// The word of an interface and its link address; `None` for an index too large for it, which only the map keeps.
pub const fn interface_word(ifindex: u32, places: u32, mac: Mac) -> Option<u64> {
    let round = ifindex / places;
    if round >= (1 << (u64::BITS - MAC_BITS)) - 1 {
        return None;
    }
    Some(mac.head_and_tail() | ((round as u64 + 1) << MAC_BITS))
}

/// The link address of an interface, if the word at its place is its own.
#[inline(always)]
pub const fn look_interface(word: u64, ifindex: u32, places: u32) -> Option<Mac> {
    if word >> MAC_BITS != (ifindex / places) as u64 + 1 {
        return None;
    }
    Some(Mac::from_parts(word as u32, (word >> u32::BITS) as u16))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const PLACES: u32 = 64;

    /// What the kernel does with a table and the map behind it.
    fn find(table: &[u64], map: &BTreeMap<u32, u32>, key: u32) -> Option<u32> {
        match look(table[place(key, PLACES) as usize], key) {
            Near::Value(value) => Some(value),
            Near::Nothing => None,
            Near::AskTheMap => map.get(&key).copied(),
        }
    }

    #[test]
    fn a_table_with_its_map_answers_as_the_map_alone_does() {
        let keys = (0..500u32).map(|key| key.wrapping_mul(0x0101_0011)).chain([0, u32::MAX]);
        let map: BTreeMap<u32, u32> = keys.filter(|key| key % 3 != 1).map(|key| (key, key % 1024)).collect();
        let mut table = [0; PLACES as usize];
        for (key, value) in &map {
            let place = &mut table[place(*key, PLACES) as usize];
            *place = if *place == 0 { word(*key, *value) } else { *place };
        }
        for key in (0..2000u32).map(|key| key.wrapping_mul(0x0101_0011)).chain([0, u32::MAX]) {
            assert_eq!(find(&table, &map, key), map.get(&key).copied(), "{key:#x}");
        }
    }

    #[test]
    fn an_empty_table_of_an_empty_map_knows_nothing() {
        assert_eq!(find(&[0; PLACES as usize], &BTreeMap::new(), 0), None);
    }

    #[test]
    fn addresses_of_one_subnet_get_places_of_their_own() {
        let address = |host: u8| u32::from_ne_bytes([10, 0, 0, host]);
        let places: BTreeSet<u32> = (0..=255).map(|host| place(address(host), 8192)).collect();
        assert_eq!(places.len(), 256);
    }

    #[test]
    fn an_interface_is_found_by_its_own_word_only() {
        let mac = Mac::from_bytes([2, 1, 2, 3, 4, 5]);
        for ifindex in [1, 63, 64, 4_000_000] {
            let word = interface_word(ifindex, PLACES, mac).expect("small enough");
            assert_eq!(look_interface(word, ifindex, PLACES), Some(mac));
            assert_eq!(look_interface(word, ifindex + PLACES, PLACES), None);
            assert_eq!(look_interface(0, ifindex, PLACES), None);
        }
        assert_eq!(interface_word(u32::MAX, PLACES, mac), None);
        assert_eq!(look_interface(u64::MAX, u32::MAX, PLACES), None);
    }
}
