//! A heartbeat message as the engine sees it: typed, host order, authentic.
//!
//! Encoding, decoding and the tag are `heartbeat/codec.rs`.

use afc_ebpf::{
    identity::{NodeId, OwnerWord, ServiceId},
    wire::{Kind, SLOTS},
};

/// One message. Fields that a kind does not use are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// [`afc_ebpf::wire::flag`] bits.
    pub flags: u16,
    /// Sender.
    pub from: NodeId,
    /// Receiver.
    pub to: NodeId,
    /// Why a REFUSE refuses.
    pub refusal: Option<Refusal>,
    /// Page of holdings.
    pub page: u8,
    /// Session of the node that the leases are about; 0 when it is not known.
    pub session: u64,
    /// Sender's clock, ns. Filled in by the runtime of the sender.
    pub sent_ns: u64,
    /// The other's `sent_ns` that this answers or grants on, ns.
    pub echo_ns: u64,
    /// Remaining lease of a HANDOVER, ns.
    pub remaining_ns: u64,
    /// The (service, word) pairs.
    pub slots: Slots,
}

/// One (service, owner word) pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// The service.
    pub service: ServiceId,
    /// Epoch and owner.
    pub word: OwnerWord,
}

/// Up to four slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    used: u8,
    slots: [Slot; SLOTS],
}

impl Slots {
    /// No slots.
    pub const fn new() -> Self {
        Self { used: 0, slots: [Slot { service: ServiceId(0), word: OwnerWord(0) }; SLOTS] }
    }

    /// One slot.
    pub fn one(service: ServiceId, word: OwnerWord) -> Self {
        let mut slots = Self::new();
        slots.slots[0] = Slot { service, word };
        slots.used = 1;
        slots
    }

    /// Adds a slot; gives it back when all four are used.
    ///
    /// # Errors
    /// The slot that found no place.
    pub fn push(&mut self, slot: Slot) -> Result<(), Slot> {
        let Some(place) = self.slots.get_mut(usize::from(self.used)) else {
            return Err(slot);
        };
        *place = slot;
        self.used += 1;
        Ok(())
    }

    /// The used slots.
    pub fn as_slice(&self) -> &[Slot] {
        &self.slots[..usize::from(self.used)]
    }
}

/// Why a voter refuses. The number is the wire's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Refusal {
    /// The voter restarted less than `G` ago.
    Quarantine = 1,
    /// The epoch is below the voter's floor.
    BelowFloor = 2,
    /// The epoch is below the one on record.
    BelowRecord = 3,
    /// The guard of another holder has not run out.
    Guarded = 4,
    /// The voter holds the service itself, with a live lease.
    Held = 5,
    /// The voter's floor is not safe on disk that far yet.
    FloorPending = 6,
    /// The receiver does not vote for this service, or does not know it.
    NotAVoter = 7,
}

impl Refusal {
    /// Reads the wire's `reason`; 0 and unknown numbers are none.
    pub const fn from_wire(reason: u16) -> Option<Self> {
        Some(match reason {
            1 => Self::Quarantine,
            2 => Self::BelowFloor,
            3 => Self::BelowRecord,
            4 => Self::Guarded,
            5 => Self::Held,
            6 => Self::FloorPending,
            7 => Self::NotAVoter,
            _ => return None,
        })
    }
}
