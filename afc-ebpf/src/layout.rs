//! The maps: names, capacities, and the exact bytes of their values.
//!
//! Each value type says who writes it. "Agent" means through the `bpf(2)` syscall or a shared mapping;
//! "kernel" means the XDP program. A change here changes the pin directory (design.md section 5), so an
//! agent never adopts maps of another shape.

use crate::{histogram::BUCKETS, replay::Window, siphash::Key};

/// Services of a cluster, at most. More are a configuration error.
pub const MAX_SERVICES: u32 = 1024;
/// Node numbers, including the unused 0 (12 bits of the owner word).
pub const MAX_NODES: u32 = 4096;
/// Virtual IPs of a cluster, at most. More are a configuration error.
pub const MAX_ADDRESSES: u32 = 4096;
/// Holdings that one node can list, in pages of [`crate::wire::SLOTS`]. A node that holds as many claims no more.
pub const MAX_HELD: u32 = 64;
/// Interfaces of one node, at most.
pub const MAX_INTERFACES: u32 = 64;
/// Places of the near tables, see [`crate::near`]: powers of two, so many that two keys seldom share one.
pub const NEAR_SERVICES: u32 = 2 * MAX_SERVICES;
/// As [`NEAR_SERVICES`], for virtual IPs.
pub const NEAR_ADDRESSES: u32 = 2 * MAX_ADDRESSES;
/// As [`NEAR_SERVICES`], for interfaces.
pub const NEAR_INTERFACES: u32 = MAX_INTERFACES;
/// Bytes of the event ring. When it is full, events are lost and the agent's periodic reading of the maps
/// finds what they said.
pub const EVENT_RING_BYTES: u32 = 1 << 16;

/// Names of the maps and programs, as the loader finds them.
pub mod name {
    /// `Array<Settings, 1>`.
    pub const SETTINGS: &str = "SETTINGS";
    /// `Array<Control, 1>`, shared mapping.
    pub const CONTROL: &str = "CONTROL";
    /// `Array<Serving, MAX_SERVICES>`, shared mapping.
    pub const SERVING: &str = "SERVING";
    /// `Array<Holding, MAX_SERVICES>`, under spin locks.
    pub const HOLDINGS: &str = "HOLDINGS";
    /// `Array<Held, MAX_HELD>`, shared mapping.
    pub const HELD: &str = "HELD";
    /// `Array<Record, MAX_SERVICES>`, shared mapping; the kernel never reads it.
    pub const RECORDS: &str = "RECORDS";
    /// `HashMap<service id, service index, MAX_SERVICES>`.
    pub const SERVICES: &str = "SERVICES";
    /// `HashMap<IPv4 address in network order, service index, MAX_ADDRESSES>`.
    pub const ADDRESSES: &str = "ADDRESSES";
    /// `Array<u64, NEAR_SERVICES>`, shared mapping: the near table of `SERVICES`.
    pub const SERVICES_NEAR: &str = "SERVICES_NEAR";
    /// `Array<u64, NEAR_ADDRESSES>`, shared mapping: the near table of `ADDRESSES`.
    pub const ADDRESSES_NEAR: &str = "ADDRESSES_NEAR";
    /// `Array<u64, NEAR_INTERFACES>`, shared mapping: the near table of `INTERFACES`.
    pub const INTERFACES_NEAR: &str = "INTERFACES_NEAR";
    /// `Array<Peer, MAX_NODES>`.
    pub const PEERS: &str = "PEERS";
    /// `Array<Heard, MAX_NODES>`, shared mapping.
    pub const HEARD: &str = "HEARD";
    /// `HashMap<link address, node number, MAX_NODES>`: link addresses of members.
    pub const MEMBERS: &str = "MEMBERS";
    /// `HashMap<interface index, Interface, MAX_INTERFACES>`.
    pub const INTERFACES: &str = "INTERFACES";
    /// `DevMapHash<interface index, MAX_INTERFACES>`.
    pub const DEVICES: &str = "DEVICES";
    /// `PerCpuArray<u64, reasons>`.
    pub const COUNTERS: &str = "COUNTERS";
    /// `RingBuf<Event>`.
    pub const EVENTS: &str = "EVENTS";

    /// The XDP program.
    pub const XDP_PROGRAM: &str = "afc_xdp";
    /// The tc egress program.
    pub const EGRESS_PROGRAM: &str = "afc_egress";
}

/// What this node is. Written by the agent, once a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Settings {
    /// This node's session; 0 until the agent has set everything up.
    pub session: u64,
    /// The lease `L`, ns.
    pub lease_ns: u64,
    /// The two live keys.
    pub keys: [Key; 2],
    /// Their ids; a key id that is in neither place is refused.
    pub key_ids: [u8; 2],
    /// How many of the two are live: 1 or 2.
    pub key_count: u8,
    /// This node's [`role`].
    pub role: u8,
    /// This node's number.
    pub node: u16,
    /// The heartbeat port, host order.
    pub port: u16,
    /// First four bytes of the BLAKE3 of the cluster's name, host order.
    pub cluster: u32,
    /// Membership generation.
    pub generation: u32,
    /// Digest of nodes, services, candidates and voters: an agent adopts only maps that were filled for the same ones.
    pub configuration: u64,
}

/// Roles, as in [`Settings::role`] and [`Peer::role`].
pub mod role {
    /// Votes and serves.
    pub const MEMBER: u8 = 1;
    /// Votes, never serves.
    pub const WITNESS: u8 = 2;
    /// Redirects, never serves, never votes.
    pub const GATEWAY: u8 = 3;
}

/// The dead-man switch. Written by the agent through a shared mapping.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Control {
    /// The kernel answers probes until then, ns.
    pub agent_until_ns: u64,
    /// The living agent's incarnation; holdings of another one are not listed and not extended.
    pub incarnation: u64,
    /// [`crate::wire::flag`] bits for the kernel's REPLYs: available, draining.
    pub flags: u32,
    /// Pages of [`Held`] in use.
    pub held_pages: u32,
}

/// Who serves a service. The word is raised by the agent (on its majority) and by the kernel (on ANNOUNCE),
/// both by compare-and-swap; the others are written by the kernel under the holding's lock, and zeroed by the agent
/// once it has dropped the holding.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Serving {
    /// See [`crate::identity::OwnerWord`].
    pub word: u64,
    /// Until when this node may serve, if it is the owner.
    pub lease_until_ns: u64,
    /// How much of the lease was left at least when it was extended, ns; 0 if it was not extended yet. See
    /// [`crate::lease::lowest_margin_ns`].
    pub lowest_margin_ns: u64,
    /// Until when this node still answers what it took before it handed the service over, ns: the end of its last lease.
    pub answers_until_ns: u64,
}

/// One place in the list of what this node holds. Written by the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Held {
    /// The service's id on the wire.
    pub service: u32,
    /// Its index plus one; 0 where the place is free.
    pub index_plus_one: u32,
}

/// A voter's record of one service, kept in the kernel's memory so that it survives the agent.
/// Written by the agent alone, the guard first; see `engine/record`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[repr(C)]
pub struct Record {
    /// Holder and epoch on record.
    pub word: u64,
    /// Until when the guard protects the holder, ns; 0 when nobody holds it. With an empty word: the end of the quarantine.
    pub guard_until_ns: u64,
    /// At or above every epoch that this node granted or held, as an owner word without owner.
    pub floor: u64,
}

/// A node of the cluster. Written by the agent.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Peer {
    /// IPv4 address in network order; 0 where there is no such node.
    pub address: u32,
    /// Its [`role`].
    pub role: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// What the kernel heard of a node. Written by the kernel; `mac` and `ifindex` are first filled by the agent
/// from the neighbour table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Heard {
    /// Receive time of its last authentic message, ns.
    pub heard_ns: u64,
    /// Receive time of its last REPLY to us, ns.
    pub reply_ns: u64,
    /// Our clock when we sent the probe that it answered, ns.
    pub reply_echo_ns: u64,
    /// REPLYs recorded.
    pub replies: u64,
    /// Its session as of its last REPLY.
    pub session: u64,
    /// Sequences of its other messages.
    pub window: Window,
    /// The echo that last restarted the window, ns; a later one is needed to restart it again.
    pub restart_echo_ns: u64,
    /// Its link address, bytes 0 to 5 in memory order; 0 when not known.
    pub mac: u64,
    /// The interface that it was heard on.
    pub ifindex: u32,
    /// Flags of its last authentic message.
    pub flags: u32,
    /// The sum of the round trips, ns.
    pub rtt_sum_ns: u64,
    /// The sum of the gaps, ns.
    pub gap_sum_ns: u64,
    /// Round trips of its REPLYs, see [`crate::histogram`].
    pub rtt: [u32; BUCKETS],
    /// Times between its REPLYs, wide.
    pub gap: [u32; BUCKETS],
}

/// One of this node's interfaces. Written by the agent.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Interface {
    /// Its link address, bytes 0 to 5 in memory order.
    pub mac: u64,
}

/// A state change that the kernel made or saw. Never per packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// When, ns.
    pub at_ns: u64,
    /// The word that it is about.
    pub word: u64,
    /// [`event`].
    pub kind: u32,
    /// The service's index.
    pub service: u32,
}

/// Kinds of [`Event`].
pub mod event {
    /// A holding's majority became live; `word` is the holding.
    pub const MAJORITY: u32 = 1;
    /// A holding had no majority for a lease and was dropped; `word` is what was held.
    pub const LAPSED: u32 = 2;
    /// A higher epoch was adopted from an ANNOUNCE; `word` is the new owner word.
    pub const ADOPTED: u32 = 3;
}

const _: () = {
    assert!(size_of::<Settings>() == 72);
    assert!(size_of::<Control>() == 24);
    assert!(size_of::<Serving>() == 32);
    assert!(size_of::<Held>() == 8);
    assert!(size_of::<Record>() == 24);
    assert!(size_of::<Peer>() == 8);
    assert!(size_of::<Heard>() == 96 + 8 * BUCKETS);
    assert!(size_of::<Interface>() == 8);
    assert!(size_of::<Event>() == 24);
};

/// What aya may copy to and from maps.
#[cfg(feature = "aya")]
mod pod {
    use super::{Control, Event, Heard, Held, Interface, Peer, Record, Serving, Settings};
    use crate::lease::Holding;

    macro_rules! pod {
        ($($value:ty),+) => {
            $(
                // SAFETY: `repr(C)`, made of integers without padding (sizes asserted above), valid for every bit pattern.
                unsafe impl aya::Pod for $value {}
            )+
        };
    }
    pod!(Settings, Control, Serving, Held, Record, Peer, Heard, Holding, Interface, Event);
}
