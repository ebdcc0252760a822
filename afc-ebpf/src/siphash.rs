//! SipHash-2-4 over the fixed 128 bytes of a heartbeat message (Aumasson and Bernstein, 2012).
//!
//! Takes sixteen little-endian words instead of a byte slice, so that the BPF verifier sees no
//! variable length. The caller loads the words; the tag goes on the wire in network byte order.

/// The words of one message.
pub const WORDS: usize = 16;

/// A 128-bit SipHash key as its two little-endian words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Key {
    /// Bytes 0 to 7.
    pub k0: u64,
    /// Bytes 8 to 15.
    pub k1: u64,
}

impl Key {
    /// Splits 16 key bytes as the SipHash paper does.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        let all = u128::from_le_bytes(bytes);
        Self { k0: all as u64, k1: (all >> 64) as u64 }
    }
}

/// The tag over the 128 bytes whose little-endian words are `words`.
#[inline(always)]
pub fn tag(key: Key, words: &[u64; WORDS]) -> u64 {
    let mut state = State::new(key);
    let mut i = 0;
    while i < WORDS {
        state.absorb(words[i]);
        i += 1;
    }
    state.finish()
}

/// The four words of SipHash, for callers that feed one word at a time.
#[derive(Clone, Copy)]
pub struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    /// The initial state under `key`.
    #[inline(always)]
    pub const fn new(key: Key) -> Self {
        Self {
            v0: key.k0 ^ 0x736f_6d65_7073_6575,
            v1: key.k1 ^ 0x646f_7261_6e64_6f6d,
            v2: key.k0 ^ 0x6c79_6765_6e65_7261,
            v3: key.k1 ^ 0x7465_6462_7974_6573,
        }
    }

    /// Absorbs eight message bytes, little-endian.
    #[inline(always)]
    pub fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.round();
        self.v0 ^= word;
    }

    /// Closes a message of exactly [`WORDS`] words and gives its tag.
    #[inline(always)]
    pub fn finish(mut self) -> u64 {
        self.absorb((WORDS as u64 * 8) << 56);
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    #[inline(always)]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use core::hash::Hasher;

    use siphasher::sip::SipHasher24;

    use super::*;

    #[test]
    fn the_tag_equals_the_reference_implementation_on_many_messages() {
        let mut bytes = [0u8; 128];
        for round in 0..1000u32 {
            for (i, byte) in bytes.iter_mut().enumerate() {
                *byte = (round.wrapping_mul(2_654_435_761) >> (i % 24)) as u8 ^ i as u8;
            }
            let mut key = [0u8; 16];
            key.copy_from_slice(&bytes[3..19]);
            let mut reference = SipHasher24::new_with_key(&key);
            reference.write(&bytes);
            let mut words = [0u64; WORDS];
            for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = u64::from_le_bytes(chunk.try_into().unwrap());
            }
            assert_eq!(tag(Key::from_bytes(key), &words), reference.finish());
        }
    }
}
