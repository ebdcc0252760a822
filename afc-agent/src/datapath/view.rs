//! What the kernel knows, to be read from any thread: who serves, until when, and what was heard of each node.

use std::{
    mem::offset_of,
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed},
    },
};

use afc_ebpf::{
    histogram::Histogram,
    identity::{NodeId, OwnerWord},
    layout::{
        Control, Heard, Held, MAX_HELD, MAX_NODES, MAX_SERVICES, NEAR_ADDRESSES, NEAR_INTERFACES,
        NEAR_SERVICES, Record, Serving, name,
    },
    mac::Mac,
};
use aya::maps::MapData;

use super::{DatapathError, mapped::Mapped, near::Near};

/// The mapped maps. Only [`FastMaps`](super::FastMaps) writes, and the loader what it seeds.
pub(super) struct Shared {
    pub(super) control: Mapped<Control>,
    pub(super) serving: Mapped<Serving>,
    pub(super) held: Mapped<Held>,
    pub(super) records: Mapped<Record>,
    pub(super) heard: Mapped<Heard>,
    pub(super) services: Near,
    pub(super) addresses: Near,
    pub(super) interfaces: Near,
}

impl Shared {
    /// Maps every shared map; `open` gives a map by its name.
    pub(super) fn new(
        open: &dyn Fn(&'static str) -> Result<MapData, DatapathError>,
    ) -> Result<Self, DatapathError> {
        Ok(Self {
            control: mapped(open, name::CONTROL, 1)?,
            serving: mapped(open, name::SERVING, MAX_SERVICES)?,
            held: mapped(open, name::HELD, MAX_HELD)?,
            records: mapped(open, name::RECORDS, MAX_SERVICES)?,
            heard: mapped(open, name::HEARD, MAX_NODES)?,
            services: near(open, name::SERVICES_NEAR, NEAR_SERVICES)?,
            addresses: near(open, name::ADDRESSES_NEAR, NEAR_ADDRESSES)?,
            interfaces: near(open, name::INTERFACES_NEAR, NEAR_INTERFACES)?,
        })
    }
}

fn mapped<T>(
    open: &dyn Fn(&'static str) -> Result<MapData, DatapathError>,
    name: &'static str,
    entries: u32,
) -> Result<Mapped<T>, DatapathError> {
    Mapped::new(&open(name)?, entries).map_err(|source| DatapathError::Mapping { name, source })
}

fn near(
    open: &dyn Fn(&'static str) -> Result<MapData, DatapathError>,
    name: &'static str,
    places: u32,
) -> Result<Near, DatapathError> {
    Ok(Near::new(mapped(open, name, places)?, places))
}

/// What the kernel heard of one node, at one moment. Each field is whole; they may be of two messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeardSnapshot {
    /// Receive time of its last authentic message, ns; 0 if none.
    pub heard_ns: u64,
    /// Receive time of its last REPLY, ns; 0 if none.
    pub reply_ns: u64,
    /// Our clock when we sent the probe that this REPLY answered, ns.
    pub reply_echo_ns: u64,
    /// REPLYs recorded.
    pub replies: u64,
    /// Its session; 0 when not known.
    pub session: u64,
    /// Its link address.
    pub mac: Mac,
    /// The interface it was heard on; 0 when not known.
    pub ifindex: u32,
    /// Flags of its last authentic message.
    pub flags: u16,
}

/// A reader of the shared maps. Cheap to clone; never blocks and never allocates.
#[derive(Clone)]
pub struct View {
    pub(super) shared: Arc<Shared>,
}

impl View {
    /// Who serves a service, and until when this node may if it is the owner.
    pub fn serving(&self, index: u32) -> (OwnerWord, u64) {
        let serving = &self.shared.serving;
        let word = serving.word(index, offset_of!(Serving, word)).load(Acquire);
        let until_ns = serving.word(index, offset_of!(Serving, lease_until_ns)).load(Acquire);
        (OwnerWord(word), until_ns)
    }

    /// The voter's record of a service.
    pub fn record(&self, index: u32) -> Record {
        let field = |offset| self.shared.records.word(index, offset).load(Acquire);
        Record {
            word: field(offset_of!(Record, word)),
            guard_until_ns: field(offset_of!(Record, guard_until_ns)),
            floor: field(offset_of!(Record, floor)),
        }
    }

    /// What was heard of a node.
    pub fn heard(&self, node: NodeId) -> HeardSnapshot {
        let index = u32::from(node.0);
        let word = |offset| self.shared.heard.word(index, offset).load(Acquire);
        let half = |offset| self.shared.heard.half(index, offset).load(Acquire);
        HeardSnapshot {
            heard_ns: word(offset_of!(Heard, heard_ns)),
            reply_ns: word(offset_of!(Heard, reply_ns)),
            reply_echo_ns: word(offset_of!(Heard, reply_echo_ns)),
            replies: word(offset_of!(Heard, replies)),
            session: word(offset_of!(Heard, session)),
            mac: Mac(word(offset_of!(Heard, mac))),
            ifindex: half(offset_of!(Heard, ifindex)),
            flags: half(offset_of!(Heard, flags)) as u16,
        }
    }

    /// The round trips of a node's heartbeats. Buckets and sum may be of two moments.
    pub fn round_trips(&self, node: NodeId) -> Histogram {
        self.times(node, offset_of!(Heard, rtt), offset_of!(Heard, rtt_sum_ns))
    }

    /// The times between a node's answers; the buckets are wide.
    pub fn gaps(&self, node: NodeId) -> Histogram {
        self.times(node, offset_of!(Heard, gap), offset_of!(Heard, gap_sum_ns))
    }

    /// How much was left at least of the lease of a service that this node holds, ns; none before it was ever extended.
    pub fn lowest_margin_ns(&self, index: u32) -> Option<u64> {
        let margin = self.shared.serving.word(index, offset_of!(Serving, lowest_margin_ns)).load(Acquire);
        (margin != 0).then_some(margin)
    }

    fn times(&self, node: NodeId, buckets: usize, sum: usize) -> Histogram {
        let (index, heard) = (u32::from(node.0), &self.shared.heard);
        Histogram {
            buckets: std::array::from_fn(|bucket| {
                heard.half(index, buckets + 4 * bucket).load(Relaxed).into()
            }),
            sum_ns: heard.word(index, sum).load(Relaxed),
        }
    }

    /// Until when the kernel speaks for the agent, ns.
    pub fn agent_until(&self) -> u64 {
        self.shared.control.word(0, offset_of!(Control, agent_until_ns)).load(Acquire)
    }
}
