//! A link address as one word, so that it is a map key and a comparison, not a loop.

/// An Ethernet address: its bytes 0 to 5 in memory order, then two zero bytes. Zero means "not known".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Mac(pub u64);

impl Mac {
    /// Not known.
    pub const UNKNOWN: Self = Self(0);

    /// From its six bytes.
    pub const fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(u64::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], 0, 0]))
    }

    /// Its six bytes.
    pub const fn to_bytes(self) -> [u8; 6] {
        let bytes = self.0.to_ne_bytes();
        [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]]
    }

    /// From bytes 0 to 3 and bytes 4 and 5, each loaded from memory as one integer. The kernel moves
    /// addresses in these two parts: as `[u8; 6]` they cost the verifier a loop.
    #[inline(always)]
    pub const fn from_parts(head: u32, tail: u16) -> Self {
        if cfg!(target_endian = "little") {
            Self(head as u64 | ((tail as u64) << 32))
        } else {
            Self(((head as u64) << 32) | ((tail as u64) << 16))
        }
    }

    /// Bytes 0 to 3, to be stored as one integer.
    #[inline(always)]
    pub const fn head(self) -> u32 {
        if cfg!(target_endian = "little") { self.0 as u32 } else { (self.0 >> 32) as u32 }
    }

    /// Bytes 4 and 5, to be stored as one integer.
    #[inline(always)]
    pub const fn tail(self) -> u16 {
        if cfg!(target_endian = "little") { (self.0 >> 32) as u16 } else { (self.0 >> 16) as u16 }
    }

    /// Both parts in the lower 48 bits of one integer.
    #[inline(always)]
    pub const fn head_and_tail(self) -> u64 {
        self.head() as u64 | ((self.tail() as u64) << 32)
    }

    /// Whether the address is known.
    #[inline(always)]
    pub const fn is_known(self) -> bool {
        self.0 != 0
    }

    /// Whether it is a group address (multicast or broadcast): the lowest bit of byte 0.
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        let first = if cfg!(target_endian = "little") { self.0 as u8 } else { (self.0 >> 56) as u8 };
        first & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_from_bytes_and_from_parts() {
        let bytes = [0x02, 0x11, 0x22, 0x33, 0x44, 0x55];
        let head = u32::from_ne_bytes([0x02, 0x11, 0x22, 0x33]);
        let tail = u16::from_ne_bytes([0x44, 0x55]);
        let mac = Mac::from_parts(head, tail);
        assert_eq!(mac, Mac::from_bytes(bytes));
        assert_eq!(mac.to_bytes(), bytes);
        assert_eq!((mac.head(), mac.tail()), (head, tail));
    }

    #[test]
    fn only_an_odd_first_byte_makes_a_group() {
        assert!(Mac::from_bytes([0xff; 6]).is_group());
        assert!(Mac::from_bytes([0x01, 0, 0x5e, 0, 0, 1]).is_group());
        assert!(!Mac::from_bytes([0x02, 0xff, 0xff, 0xff, 0xff, 0xff]).is_group());
    }
}
