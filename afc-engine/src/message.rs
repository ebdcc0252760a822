//! A heartbeat message as the engine sees it: typed, host order, authentic.
//!
//! Encoding, decoding and the tag are `heartbeat/codec.rs`.

use afc_ebpf::{
    identity::{NodeId, OwnerWord, ServiceId},
    wire::{Kind, SLOTS},
};
use serde::{Deserialize, Serialize};

/// One message. Fields that a kind does not use are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// [`afc_ebpf::wire::flag`] bits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flags: u16,
    /// Sender.
    pub from: NodeId,
    /// Receiver.
    pub to: NodeId,
    /// Why a REFUSE refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// Page of holdings.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub page: u8,
    /// Session of the node that the leases are about; 0 when it is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub session: u64,
    /// Sender's clock, ns. Filled in by the runtime of the sender.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sent_ns: u64,
    /// The other's `sent_ns` that this answers or grants on, ns.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub echo_ns: u64,
    /// Remaining lease of a HANDOVER, ns.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub remaining_ns: u64,
    /// The (service, word) pairs.
    #[serde(default, skip_serializing_if = "Slots::is_empty")]
    pub slots: Slots,
}

/// One (service, owner word) pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The service.
    pub service: ServiceId,
    /// Epoch and owner.
    pub word: OwnerWord,
}

/// Up to four slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Slot>", try_from = "Vec<Slot>")]
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

    /// Whether none is used.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }
}

/// As in a recording.
impl From<Slots> for Vec<Slot> {
    fn from(slots: Slots) -> Self {
        slots.as_slice().to_vec()
    }
}

impl TryFrom<Vec<Slot>> for Slots {
    type Error = &'static str;

    fn try_from(list: Vec<Slot>) -> Result<Self, Self::Error> {
        let mut slots = Self::new();
        for slot in list {
            slots.push(slot).map_err(|_| "a message has at most four slots")?;
        }
        Ok(slots)
    }
}

/// What a recording leaves out.
fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// Why a voter refuses. The number is the wire's `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Quarantine,
        Self::BelowFloor,
        Self::BelowRecord,
        Self::Guarded,
        Self::Held,
        Self::FloorPending,
        Self::NotAVoter,
    ];

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
