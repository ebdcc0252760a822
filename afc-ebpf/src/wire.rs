//! The heartbeat protocol's layout on the wire (design.md section 4): one message, 128 bytes and a
//! tag, network byte order. Constants only; the kernel reads at these offsets, and the agent's
//! codec writes at them.

/// The magic at offset 0.
pub const MAGIC: [u8; 4] = *b"AFC1";
/// A HANDOVER on its way out of its node: nobody takes it for one before the kernel dropped the holding and made this the
/// [`MAGIC`].
pub const MAGIC_HELD_BACK: [u8; 4] = *b"AFC0";
/// `SO_MARK` of such a HANDOVER, by which the tc egress program knows it.
pub const MARK_HELD_BACK: u32 = 0xafc1_0007;
/// Bytes of a message without its tag.
pub const MESSAGE_BYTES: usize = 128;
/// Bytes of the SipHash tag behind it.
pub const TAG_BYTES: usize = 8;
/// The UDP payload of every heartbeat message.
pub const PAYLOAD_BYTES: usize = MESSAGE_BYTES + TAG_BYTES;
/// (service, owner word) pairs in one message.
pub const SLOTS: usize = 4;
/// Bytes of one slot.
pub const SLOT_BYTES: usize = 16;
/// The default UDP port.
pub const DEFAULT_PORT: u16 = 7947;
/// The TTL of every message; anything less came through a router (RFC 5082, GTSM).
pub const TTL: u8 = 255;
/// DSCP CS6 in the upper six bits of the TOS byte (RFC 4594).
pub const TOS: u8 = 48 << 2;

/// Where each field starts, in bytes from the start of the UDP payload.
pub mod offset {
    /// `AFC1`.
    pub const MAGIC: usize = 0;
    /// [`Kind`](super::Kind), 1 byte.
    pub const KIND: usize = 4;
    /// Key id, 1 byte.
    pub const KEY_ID: usize = 5;
    /// [`flag`](super::flag) bits, 2 bytes.
    pub const FLAGS: usize = 6;
    /// First 4 bytes of the BLAKE3 of the cluster's name.
    pub const CLUSTER: usize = 8;
    /// Membership generation, 4 bytes.
    pub const GENERATION: usize = 12;
    /// Sender's node number, 2 bytes.
    pub const FROM: usize = 16;
    /// Receiver's node number, 2 bytes.
    pub const TO: usize = 18;
    /// Reason of a refusal, 2 bytes.
    pub const REASON: usize = 20;
    /// How many slots are used, 1 byte.
    pub const SLOTS_USED: usize = 22;
    /// Page of holdings that a PROBE asks for and a REPLY answers with, 1 byte.
    pub const PAGE: usize = 23;
    /// Session of the node that the leases are about, 8 bytes.
    pub const SESSION: usize = 24;
    /// Sequence per (from, to), 8 bytes.
    pub const SEQUENCE: usize = 32;
    /// Sender's BOOTTIME in ns, 8 bytes.
    pub const SENT: usize = 40;
    /// The other's `sent` that this answers or grants on, ns, 8 bytes.
    pub const ECHO: usize = 48;
    /// Remaining lease of a HANDOVER, ns, 8 bytes.
    pub const REMAINING: usize = 56;
    /// The first slot: service 4, reserved 4, owner word 8.
    pub const SLOTS: usize = 64;
    /// The tag.
    pub const TAG: usize = super::MESSAGE_BYTES;
}

/// Bits of the flags field.
pub mod flag {
    /// A REPLY that no PROBE asked for: a claim.
    pub const UNASKED: u16 = 1 << 0;
    /// A question that changes nothing, and the answers to it.
    pub const TRIAL: u16 = 1 << 1;
    /// The sender is available as a backup.
    pub const AVAILABLE: u16 = 1 << 2;
    /// The sender is giving its services away.
    pub const DRAINING: u16 = 1 << 3;
    /// A REPLY whose sender holds more on further pages.
    pub const MORE: u16 = 1 << 4;
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[repr(u8)]
pub enum Kind {
    /// A voter asks a node for its holdings, and grants.
    Probe = 1,
    /// The kernel's answer; with [`flag::UNASKED`] a claim.
    Reply = 2,
    /// A voter says no, with its record and its floor.
    Refuse = 3,
    /// The owner tells everybody.
    Announce = 4,
    /// The holder gave up a holding, for good.
    Release = 5,
    /// A node, its tasks started, asks for a service.
    Take = 6,
    /// The owner hands over.
    Handover = 7,
    /// The old owner tells the voters of a handover.
    Transfer = 8,
}

impl Kind {
    /// Reads the byte at [`offset::KIND`].
    #[inline(always)]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Probe,
            2 => Self::Reply,
            3 => Self::Refuse,
            4 => Self::Announce,
            5 => Self::Release,
            6 => Self::Take,
            7 => Self::Handover,
            8 => Self::Transfer,
            _ => return None,
        })
    }
}

const _: () = assert!(offset::SLOTS + SLOTS * SLOT_BYTES == MESSAGE_BYTES);
