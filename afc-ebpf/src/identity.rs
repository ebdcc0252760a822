//! Identifiers and the owner word: who serves, under which epoch, in 64 bits.
//!
//! The owner word is compared and stored as one aligned integer by the kernel and by the agent
//! (design.md section 5), so its ordering *is* the ordering of epochs.

/// Bits of the owner word that hold the owner.
const OWNER_BITS: u32 = 12;
/// Bits that hold the hop of a planned handover.
const HOP_BITS: u32 = 8;
/// Bits that hold the claiming node.
const CLAIMER_BITS: u32 = 12;

/// A node's number in the configuration: 1 to 4095. Zero means "nobody".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(transparent)]
pub struct NodeId(pub u16);

impl NodeId {
    /// Nobody: the owner of a service that no node serves.
    pub const NONE: Self = Self(0);
    /// The largest number that fits the 12 bits of the owner word.
    pub const MAX: Self = Self(4095);

    /// Whether this names a node at all.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// A service's number on the wire: the first four bytes of the BLAKE3 hash of its name, so that
/// the order of a configuration file does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(transparent)]
pub struct ServiceId(pub u32);

/// An epoch: (counter, claiming node, hop), compared in that order (design.md section 2).
///
/// A claim takes a new counter and hop 0, a handover adds 1 to the hop. Kept as the upper 52 bits
/// of an owner word, shifted down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(transparent)]
pub struct Epoch(u64);

impl Epoch {
    /// Below every epoch that a node can hold.
    pub const ZERO: Self = Self(0);

    /// The epoch of a fresh claim.
    pub const fn claim(counter: u32, claimer: NodeId) -> Self {
        Self(((counter as u64) << (CLAIMER_BITS + HOP_BITS)) | (((claimer.0 & 0xfff) as u64) << HOP_BITS))
    }

    /// The counter: grows with every claim.
    pub const fn counter(self) -> u32 {
        (self.0 >> (CLAIMER_BITS + HOP_BITS)) as u32
    }

    /// The node that claimed.
    pub const fn claimer(self) -> NodeId {
        NodeId(((self.0 >> HOP_BITS) & 0xfff) as u16)
    }

    /// How often this claim was handed over.
    pub const fn hop(self) -> u8 {
        self.0 as u8
    }

    /// The epoch after a planned handover, or `None` when the 8 bits of the hop are used up.
    pub const fn next_hop(self) -> Option<Self> {
        if self.hop() == u8::MAX { None } else { Some(Self(self.0 + 1)) }
    }

    /// The owner word that says "`owner` holds this epoch".
    pub const fn owned_by(self, owner: NodeId) -> OwnerWord {
        OwnerWord((self.0 << OWNER_BITS) | (owner.0 & 0xfff) as u64)
    }
}

/// The owner word: an epoch and its owner, in one store (design.md section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(transparent)]
pub struct OwnerWord(pub u64);

impl OwnerWord {
    /// Nobody has ever owned the service.
    pub const NONE: Self = Self(0);

    /// The epoch half.
    pub const fn epoch(self) -> Epoch {
        Epoch(self.0 >> OWNER_BITS)
    }

    /// The owner half; [`NodeId::NONE`] when released.
    pub const fn owner(self) -> NodeId {
        NodeId((self.0 & 0xfff) as u16)
    }

    /// Whether this is the empty word.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_orders_by_counter_then_claimer_then_hop() {
        let low = Epoch::claim(1, NodeId(9));
        let high = Epoch::claim(2, NodeId(1));
        assert!(low < high);
        assert!(Epoch::claim(2, NodeId(1)) < Epoch::claim(2, NodeId(2)));
        assert!(high < high.next_hop().unwrap());
        assert!(high.next_hop().unwrap() < Epoch::claim(2, NodeId(2)));
    }

    #[test]
    fn an_owner_word_gives_back_what_was_put_in() {
        let epoch = Epoch::claim(u32::MAX, NodeId::MAX).next_hop().unwrap();
        let word = epoch.owned_by(NodeId(77));
        assert_eq!(word.epoch(), epoch);
        assert_eq!(word.owner(), NodeId(77));
        assert_eq!((epoch.counter(), epoch.claimer(), epoch.hop()), (u32::MAX, NodeId::MAX, 1));
    }

    #[test]
    fn a_hop_never_overflows_into_the_claimer() {
        let mut epoch = Epoch::claim(5, NodeId(3));
        for _ in 0..255 {
            epoch = epoch.next_hop().unwrap();
        }
        assert_eq!(epoch.next_hop(), None);
        assert_eq!(epoch.claimer(), NodeId(3));
    }
}
