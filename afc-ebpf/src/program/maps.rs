//! The maps: statics private to this file, one accessor each, saying who writes it and from where.
//!
//! BTF maps only, so that the kernel finds the spin lock in `Holding`. What the agent reaches through a shared mapping
//! is `BPF_F_MMAPABLE` (Linux 5.5). A value that both sides write while packets flow is handed out as a cell of volatile
//! words; everything else as a reference.

use afc_ebpf::{
    identity::NodeId,
    layout::{
        Control, EVENT_RING_BYTES, Event, Heard, Held, Interface, MAX_ADDRESSES, MAX_HELD, MAX_INTERFACES,
        MAX_NODES, MAX_SERVICES, NEAR_ADDRESSES, NEAR_INTERFACES, NEAR_SERVICES, Peer, Record, Serving,
        Settings,
    },
    lease::{Holding, lowest_margin_ns},
    mac::Mac,
    near::{self, Near},
    reason::Reason,
};
use aya_ebpf::{
    btf_maps::{Array, DevMapHash, HashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};

use super::helper;

/// `BPF_F_MMAPABLE`.
const MMAPABLE: usize = 1 << 10;
const SERVICES_MAX: usize = MAX_SERVICES as usize;
const NODES_MAX: usize = MAX_NODES as usize;
const ADDRESSES_MAX: usize = MAX_ADDRESSES as usize;
const HELD_MAX: usize = MAX_HELD as usize;
const INTERFACES_MAX: usize = MAX_INTERFACES as usize;
const NEAR_SERVICES_MAX: usize = NEAR_SERVICES as usize;
const NEAR_ADDRESSES_MAX: usize = NEAR_ADDRESSES as usize;
const NEAR_INTERFACES_MAX: usize = NEAR_INTERFACES as usize;
const EVENT_BYTES: usize = EVENT_RING_BYTES as usize;
/// Tries of a compare-and-swap against the agent and other CPUs. When they run out, the next ANNOUNCE tries again.
const RAISE_TRIES: u32 = 4;

#[btf_map]
static SETTINGS: Array<Settings, 1> = Array::new();
#[btf_map]
static CONTROL: Array<Control, 1, MMAPABLE> = Array::new();
#[btf_map]
static SERVING: Array<Serving, SERVICES_MAX, MMAPABLE> = Array::new();
#[btf_map]
static HOLDINGS: Array<Holding, SERVICES_MAX> = Array::new();
#[btf_map]
static HELD: Array<Held, HELD_MAX, MMAPABLE> = Array::new();
/// Here only to be created and pinned: the agent's records outlive the agent, the kernel never reads them.
#[btf_map]
static RECORDS: Array<Record, SERVICES_MAX, MMAPABLE> = Array::new();
#[btf_map]
static SERVICES: HashMap<u32, u32, SERVICES_MAX> = HashMap::new();
#[btf_map]
static ADDRESSES: HashMap<u32, u32, ADDRESSES_MAX> = HashMap::new();
#[btf_map]
static SERVICES_NEAR: Array<u64, NEAR_SERVICES_MAX, MMAPABLE> = Array::new();
#[btf_map]
static ADDRESSES_NEAR: Array<u64, NEAR_ADDRESSES_MAX, MMAPABLE> = Array::new();
#[btf_map]
static INTERFACES_NEAR: Array<u64, NEAR_INTERFACES_MAX, MMAPABLE> = Array::new();
#[btf_map]
static PEERS: Array<Peer, NODES_MAX> = Array::new();
#[btf_map]
static HEARD: Array<Heard, NODES_MAX, MMAPABLE> = Array::new();
#[btf_map]
static MEMBERS: HashMap<u64, u32, NODES_MAX> = HashMap::new();
#[btf_map]
static INTERFACES: HashMap<u32, Interface, INTERFACES_MAX> = HashMap::new();
#[btf_map]
static DEVICES: DevMapHash<INTERFACES_MAX> = DevMapHash::new();
#[btf_map]
static COUNTERS: PerCpuArray<u64, { Reason::ALL.len() }> = PerCpuArray::new();
#[btf_map]
static EVENTS: RingBuf<(), EVENT_BYTES> = RingBuf::new();

/// What this node is. The agent writes it once a session, by syscall.
#[inline(always)]
pub(crate) fn settings() -> Option<&'static Settings> {
    SETTINGS.get(0)
}

/// The dead-man switch. The agent writes it all the time, through its mapping.
#[inline(always)]
pub(crate) fn control() -> Option<Control> {
    let control = CONTROL.get_ptr(0)?;
    // SAFETY: the pointer is to a live map value; the agent stores each aligned word at once.
    unsafe {
        Some(Control {
            agent_until_ns: (&raw const (*control).agent_until_ns).read_volatile(),
            incarnation: (&raw const (*control).incarnation).read_volatile(),
            flags: (&raw const (*control).flags).read_volatile(),
            held_pages: (&raw const (*control).held_pages).read_volatile(),
        })
    }
}

/// Who serves a service: shared with the agent and with other CPUs, word by word.
#[derive(Clone, Copy)]
pub(crate) struct ServingCell(*mut Serving);

impl ServingCell {
    #[inline(always)]
    pub(crate) fn word(self) -> u64 {
        // SAFETY: to an aligned word of a live map value, stored at once by whoever writes it.
        unsafe { (&raw const (*self.0).word).read_volatile() }
    }

    #[inline(always)]
    pub(crate) fn answers_until_ns(self) -> u64 {
        // SAFETY: as in `word`.
        unsafe { (&raw const (*self.0).answers_until_ns).read_volatile() }
    }

    #[inline(always)]
    pub(crate) fn lease_until_ns(self) -> u64 {
        // SAFETY: as in `word`.
        unsafe { (&raw const (*self.0).lease_until_ns).read_volatile() }
    }

    /// Only under the lock of the same service's holding.
    #[inline(always)]
    pub(crate) fn set_lease_until_ns(self, until_ns: u64) {
        // SAFETY: as in `word`.
        unsafe { (&raw mut (*self.0).lease_until_ns).write_volatile(until_ns) }
    }

    /// Only under the lock of the same service's holding.
    #[inline(always)]
    pub(crate) fn set_answers_until_ns(self, until_ns: u64) {
        // SAFETY: as in `word`.
        unsafe { (&raw mut (*self.0).answers_until_ns).write_volatile(until_ns) }
    }

    /// Only under the lock of the same service's holding.
    #[inline(always)]
    pub(crate) fn lower_margin_ns(self, before_ns: u64, until_ns: u64, now_ns: u64) {
        // SAFETY: as in `word`.
        unsafe {
            let lowest = &raw mut (*self.0).lowest_margin_ns;
            lowest.write_volatile(lowest_margin_ns(lowest.read_volatile(), before_ns, until_ns, now_ns));
        }
    }

    /// Raises the owner word to `word`, never lowers it; whether this call raised it.
    #[inline(always)]
    pub(crate) fn raise(self, word: u64) -> bool {
        let mut current = self.word();
        let mut tries = 0;
        while tries < RAISE_TRIES {
            if word <= current {
                return false;
            }
            // SAFETY: as in `word`.
            let seen = unsafe { helper::compare_exchange(&raw mut (*self.0).word, current, word) };
            if seen == current {
                return true;
            }
            current = seen;
            tries += 1;
        }
        false
    }
}

/// The serving cell of a service. Words are raised here on ANNOUNCE and by the agent on its majority.
#[inline(always)]
pub(crate) fn serving(index: u32) -> Option<ServingCell> {
    SERVING.get_ptr_mut(index).map(ServingCell)
}

/// A holding, to be touched under its lock only (see `holdings.rs`). The agent writes it whole, by syscall with the lock.
#[inline(always)]
pub(crate) fn holding(index: u32) -> Option<*mut Holding> {
    HOLDINGS.get_ptr_mut(index)
}

/// The owner word whose HANDOVER this node waits for. The agent writes it under the holding's lock; one word of it is read
/// whole without.
#[inline(always)]
pub(crate) fn asked_word(index: u32) -> u64 {
    // SAFETY: to an aligned word of a live map value.
    HOLDINGS.get_ptr(index).map_or(0, |holding| unsafe { (&raw const (*holding).asked_word).read_volatile() })
}

/// A place in the list of what this node holds. The agent writes it as one word, through its mapping.
#[inline(always)]
pub(crate) fn held(place: u32) -> Option<Held> {
    let held = HELD.get_ptr(place)?;
    // SAFETY: to an aligned word of a live map value.
    let word = unsafe { held.cast::<u64>().read_volatile() };
    // SAFETY: `Held` is two `u32` in eight bytes, any bits are valid.
    Some(unsafe { core::mem::transmute::<u64, Held>(word) })
}

/// A word of a near table. The agent stores it at once, through its mapping.
#[inline(always)]
fn word(place: Option<*const u64>) -> Option<u64> {
    // SAFETY: to an aligned word of a live map value.
    place.map(|place| unsafe { place.read_volatile() })
}

/// The index of a service by its id on the wire. The agent writes it when the configuration changes.
#[inline(always)]
pub(crate) fn service(id: u32) -> Option<u32> {
    match near::look(word(SERVICES_NEAR.get_ptr(near::place(id, NEAR_SERVICES)))?, id) {
        Near::Value(index) => return Some(index),
        Near::Nothing => return None,
        Near::AskTheMap => {}
    }
    SERVICES.get_ptr(id).map(|index| {
        // SAFETY: to a live map value that the agent replaces, never changes in place.
        unsafe { *index }
    })
}

/// The index of a virtual IP's service. The agent writes it when the configuration changes.
#[inline(always)]
pub(crate) fn address(address: u32) -> Option<u32> {
    match near::look(word(ADDRESSES_NEAR.get_ptr(near::place(address, NEAR_ADDRESSES)))?, address) {
        Near::Value(index) => return Some(index),
        Near::Nothing => return None,
        Near::AskTheMap => {}
    }
    ADDRESSES.get_ptr(address).map(|index| {
        // SAFETY: as in `service`.
        unsafe { *index }
    })
}

/// A node of the cluster; `None` where there is none. The agent writes it when the configuration changes.
#[inline(always)]
pub(crate) fn peer(node: u16) -> Option<&'static Peer> {
    let peer = PEERS.get(u32::from(node))?;
    (peer.address != 0).then_some(peer)
}

/// What was heard of a node. The kernel writes it; one flow's packets come on one CPU, so nobody else does meanwhile.
#[inline(always)]
pub(crate) fn heard(node: u16) -> Option<&'static mut Heard> {
    // SAFETY: to a live map value; the agent only reads whole words of it once the node was heard.
    HEARD.get_ptr_mut(u32::from(node)).map(|heard| unsafe { &mut *heard })
}

/// The member whose link address it is.
#[inline(always)]
pub(crate) fn member(mac: Mac) -> Option<NodeId> {
    let node = MEMBERS.get_ptr(mac.0)?;
    // SAFETY: to an aligned word of a live map value.
    Some(NodeId(unsafe { node.read_volatile() } as u16))
}

/// A member was heard under a new link address. Also seeded by the agent from the neighbour table.
#[inline(always)]
pub(crate) fn move_member(old: Mac, new: Mac, node: u16) {
    // A failure leaves the address unknown or stale: one packet more or less is redirected, nothing else.
    let _stale = MEMBERS.remove(old.0);
    let _full = MEMBERS.insert(new.0, u32::from(node), 0);
}

/// The link address of one of this node's interfaces. The agent writes it when an interface changes.
#[inline(always)]
pub(crate) fn interface(ifindex: u32) -> Option<Mac> {
    let place = near::interface_place(ifindex, NEAR_INTERFACES);
    let known = near::look_interface(word(INTERFACES_NEAR.get_ptr(place))?, ifindex, NEAR_INTERFACES);
    if known.is_some() {
        return known;
    }
    INTERFACES.get_ptr(ifindex).map(|interface| {
        // SAFETY: as in `service`.
        Mac(unsafe { (*interface).mac })
    })
}

/// Asks for the packet to leave by another of this node's interfaces; whether it will.
#[inline(always)]
pub(crate) fn redirect(ifindex: u32) -> bool {
    DEVICES.redirect(ifindex, 0).is_ok()
}

/// Counts a packet's reason on this CPU.
#[inline(always)]
pub(crate) fn count(reason: Reason) {
    if let Some(counter) = COUNTERS.get_ptr_mut(reason as u32) {
        // SAFETY: to this CPU's live map value; an XDP run is not interrupted by another one on its CPU.
        unsafe { counter.write_volatile(counter.read_volatile().wrapping_add(1)) };
    }
}

/// Tells the agent of a state change. When the ring is full the event is lost, and the agent finds what it said in the maps.
#[inline(always)]
pub(crate) fn tell(event: Event) {
    let _full = EVENTS.output_untyped::<Event>(event, 0);
}
