//! The fast path's side of the maps: what the engine's effects become. Owned by one thread, allocates nothing.
//!
//! Words of shared mappings are single atomic accesses; a holding is read and written whole, by system call under its spin
//! lock. Only a drop must be complete before anything behind it happens, and it is: when [`FastMaps::drop_holding`]
//! returns, no CPU extends that holding any more.

use std::{
    mem::offset_of,
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::Ordering::{AcqRel, Acquire, Release},
};

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    layout::{Control, Event, Held, MAX_HELD, MAX_SERVICES, Record, Serving},
    lease::Holding,
    wire::SLOTS,
};
use afc_engine::effect::Leases;
use aya::maps::{Array, MapData, MapError, RingBuf};
use thiserror::Error;

use super::view::{HeardSnapshot, View};

/// `BPF_F_LOCK`: take the value's spin lock (Linux 5.1).
const LOCKED: u64 = 4;

/// Why a holding could not be touched.
#[derive(Debug, Error)]
pub enum FastError {
    /// A system call on the map of holdings failed.
    #[error("holding of service {index}: {source}")]
    Holding {
        /// The service's index.
        index: u32,
        /// aya's error.
        source: MapError,
    },
    /// The list of holdings is full; this node claims no more.
    #[error("this node holds {MAX_HELD} services, more than the kernel lists")]
    ListFull,
}

/// What to hold.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The service.
    pub service: ServiceId,
    /// The epoch, with this node as owner.
    pub word: OwnerWord,
    /// The service's other voters.
    pub others: &'a [NodeId],
    /// Now.
    pub now_ns: u64,
    /// What becomes of the leases of the holding before.
    pub leases: Leases,
}

/// The maps of the fast path.
pub struct FastMaps {
    view: View,
    holdings: Array<MapData, Holding>,
    events: RingBuf<MapData>,
    incarnation: u64,
    held: HeldList,
}

impl FastMaps {
    pub(super) fn new(view: View, holdings: Array<MapData, Holding>, events: RingBuf<MapData>) -> Self {
        let incarnation = view.shared.control.word(0, offset_of!(Control, incarnation)).load(Acquire);
        let held = HeldList::restore(&view);
        Self { view, holdings, events, incarnation, held }
    }

    /// A reader of the same maps, for other threads.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Lets the kernel collect leases for a claim, and list it.
    ///
    /// Leases carry over only among the same voters; the same word written again (by an agent that adopts) keeps its age.
    ///
    /// # Errors
    /// [`FastError::ListFull`], and then nothing is held; or the system call's error.
    pub fn hold(&mut self, index: u32, claim: &Claim<'_>) -> Result<(), FastError> {
        let before = self.holding(index)?;
        self.held.add(&self.view, claim.service, index)?;
        if matches!(claim.leases, Leases::HandedOver { .. }) && before.word == claim.word.0 {
            // The kernel took it at the HANDOVER, and serves since.
            return Ok(());
        }
        let mut holding = Holding::claimed(claim.word, claim.others, claim.now_ns, self.incarnation, None);
        match claim.leases {
            Leases::CarriedOver if before.is_held() && before.others == holding.others => {
                holding.leases = before.leases;
                holding.window_until_ns = before.window_until_ns;
                if before.word == holding.word {
                    holding.since_ns = before.since_ns;
                }
            }
            Leases::Fresh | Leases::CarriedOver => self.end_leases(index)?,
            Leases::HandedOver { until_ns } => {
                self.end_leases(index)?;
                holding.window_until_ns = until_ns;
                // The kernel does not know of this majority; the owner word does not name this node yet.
                self.set_lease_until(index, until_ns);
            }
        }
        self.write(index, &holding)
    }

    /// Lets the kernel take a service at the HANDOVER of exactly `word`. Nothing is held, listed or served before that.
    /// [`drop_holding`](Self::drop_holding) takes the question back, and with it what the kernel may just have taken.
    ///
    /// # Errors
    /// The system call's error.
    pub fn ask(
        &mut self,
        index: u32,
        word: OwnerWord,
        others: &[NodeId],
        since_ns: u64,
    ) -> Result<(), FastError> {
        self.write(index, &Holding::asking(word, others, since_ns, self.incarnation))
    }

    /// Drops a holding for good: first in the kernel under its lock, then the lease, then the list.
    ///
    /// # Errors
    /// The system call's error; the lease is ended all the same, but a grant under way may revive it, so the caller must
    /// not vote or release on it.
    pub fn drop_holding(&mut self, index: u32) -> Result<(), FastError> {
        let ended = self.end_leases(index);
        self.held.remove(&self.view, index);
        ended
    }

    /// Forgets everything that an agent of an earlier session left: holdings, owners, records.
    ///
    /// # Errors
    /// The system call's error.
    pub fn clear(&mut self) -> Result<(), FastError> {
        for index in 0..MAX_SERVICES {
            self.drop_holding(index)?;
            self.view.shared.serving.word(index, offset_of!(Serving, word)).store(0, Release);
            self.set_record(index, Record::default());
        }
        Ok(())
    }

    /// The holding, read under its lock.
    ///
    /// # Errors
    /// The system call's error.
    pub fn holding(&self, index: u32) -> Result<Holding, FastError> {
        self.holdings.get(&index, LOCKED).map_err(|source| FastError::Holding { index, source })
    }

    /// Services that are listed as held: the ids and indices.
    pub fn held(&self) -> impl Iterator<Item = (ServiceId, u32)> + '_ {
        self.held.places().iter().map(|held| (ServiceId(held.service), held.index_plus_one - 1))
    }

    /// Who serves a service, and until when this node may if it is the owner.
    pub fn serving(&self, index: u32) -> (OwnerWord, u64) {
        self.view.serving(index)
    }

    /// Raises the owner word, never lowers it; whether it stands there now.
    pub fn raise_word(&self, index: u32, word: OwnerWord) -> bool {
        let place = self.view.shared.serving.word(index, offset_of!(Serving, word));
        let raised = place.fetch_update(AcqRel, Acquire, |current| (word.0 > current).then_some(word.0));
        raised.is_ok() || raised == Err(word.0)
    }

    /// Takes the owner, this node or another, out of a word that stands at exactly `epoch`; whether it did.
    pub fn clear_owner(&self, index: u32, epoch: Epoch) -> bool {
        let place = self.view.shared.serving.word(index, offset_of!(Serving, word));
        let free = epoch.owned_by(NodeId::NONE);
        let stands = |current| OwnerWord(current).epoch() == epoch && current != free.0;
        place.fetch_update(AcqRel, Acquire, |current| stands(current).then_some(free.0)).is_ok()
    }

    /// Lets this node serve until then without any grant: best effort, clusters of one, and what was handed over.
    pub fn set_lease_until(&self, index: u32, until_ns: u64) {
        self.view.shared.serving.word(index, offset_of!(Serving, lease_until_ns)).store(until_ns, Release);
    }

    /// The voter's record of a service.
    pub fn record(&self, index: u32) -> Record {
        self.view.record(index)
    }

    /// Keeps a voter's record. A process that dies between two of the words leaves a record that protects at least as
    /// much as the old or the new one: the floor first, a longer guard before the word, a shorter one behind it.
    pub fn set_record(&self, index: u32, record: Record) {
        let before = self.view.record(index);
        let field = |offset, value| self.view.shared.records.word(index, offset).store(value, Release);
        field(offset_of!(Record, floor), record.floor);
        if record.guard_until_ns > before.guard_until_ns {
            field(offset_of!(Record, guard_until_ns), record.guard_until_ns);
            field(offset_of!(Record, word), record.word);
        } else {
            field(offset_of!(Record, word), record.word);
            field(offset_of!(Record, guard_until_ns), record.guard_until_ns);
        }
    }

    /// What was heard of a node.
    pub fn heard(&self, node: NodeId) -> HeardSnapshot {
        self.view.heard(node)
    }

    /// Lets the kernel speak for this agent until then.
    pub fn set_agent_until(&self, until_ns: u64) {
        self.view.shared.control.word(0, offset_of!(Control, agent_until_ns)).store(until_ns, Release);
    }

    /// Until when the kernel speaks for the agent.
    pub fn agent_until(&self) -> u64 {
        self.view.agent_until()
    }

    /// Makes this process the only one whose holdings count. What an earlier one held counts again once it is held anew
    /// with [`Leases::CarriedOver`].
    pub fn set_incarnation(&mut self, incarnation: u64) {
        self.incarnation = incarnation;
        self.view.shared.control.word(0, offset_of!(Control, incarnation)).store(incarnation, Release);
    }

    /// The flags of the kernel's REPLYs, of [`afc_ebpf::wire::flag`].
    pub fn set_flags(&self, flags: u16) {
        self.view.shared.control.half(0, offset_of!(Control, flags)).store(u32::from(flags), Release);
    }

    /// The next state change that the kernel told, if any.
    pub fn next_event(&mut self) -> Option<Event> {
        let item = self.events.next()?;
        let bytes: &[u8] = &item;
        if bytes.len() < size_of::<Event>() {
            return None;
        }
        // SAFETY: long enough (checked), and `Event` is integers, valid for any bytes.
        Some(unsafe { bytes.as_ptr().cast::<Event>().read_unaligned() })
    }

    /// Becomes readable when [`next_event`](Self::next_event) has something.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Empties a holding under its lock, and only then ends its lease: a grant that was faster has written the lease
    /// before, one that is slower finds nothing held.
    fn end_leases(&mut self, index: u32) -> Result<(), FastError> {
        let emptied = self.write(index, &Holding::default());
        self.set_lease_until(index, 0);
        self.view.shared.serving.word(index, offset_of!(Serving, lowest_margin_ns)).store(0, Release);
        emptied
    }

    fn write(&mut self, index: u32, holding: &Holding) -> Result<(), FastError> {
        self.holdings.set(index, holding, LOCKED).map_err(|source| FastError::Holding { index, source })
    }
}

/// The list of holdings as the kernel reads it: without gaps, and how many pages of it are in use.
struct HeldList {
    places: [Held; MAX_HELD as usize],
    used: usize,
}

impl HeldList {
    /// The list that an earlier agent left, without the gap or the double that it may have died on.
    fn restore(view: &View) -> Self {
        let mut list = Self { places: [Held::default(); MAX_HELD as usize], used: 0 };
        for place in 0..MAX_HELD {
            let held = from_word(view.shared.held.word(place, 0).load(Acquire));
            if held.index_plus_one != 0 && !list.lists(held.index_plus_one - 1) {
                list.places[list.used] = held;
                list.used += 1;
            }
        }
        for place in 0..list.places.len() {
            list.store(view, place);
        }
        list.store_pages(view);
        list
    }

    fn places(&self) -> &[Held] {
        &self.places[..self.used]
    }

    fn lists(&self, index: u32) -> bool {
        self.places().iter().any(|held| held.index_plus_one == index + 1)
    }

    fn add(&mut self, view: &View, service: ServiceId, index: u32) -> Result<(), FastError> {
        if self.lists(index) {
            return Ok(());
        }
        let place = self.places.get_mut(self.used).ok_or(FastError::ListFull)?;
        *place = Held { service: service.0, index_plus_one: index + 1 };
        self.store(view, self.used);
        self.used += 1;
        self.store_pages(view);
        Ok(())
    }

    /// The last entry takes the free place, before its own is emptied: the kernel may list it twice for a moment, but
    /// never misses it.
    fn remove(&mut self, view: &View, index: u32) {
        let Some(place) = self.places().iter().position(|held| held.index_plus_one == index + 1) else {
            return;
        };
        self.used -= 1;
        self.places[place] = self.places[self.used];
        self.places[self.used] = Held::default();
        self.store(view, place);
        self.store(view, self.used);
        self.store_pages(view);
    }

    fn store(&self, view: &View, place: usize) {
        view.shared.held.word(place as u32, 0).store(to_word(self.places[place]), Release);
    }

    fn store_pages(&self, view: &View) {
        let pages = self.used.div_ceil(SLOTS) as u32;
        view.shared.control.half(0, offset_of!(Control, held_pages)).store(pages, Release);
    }
}

/// A place of the list as the one word that it is stored as.
fn to_word(held: Held) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&held.service.to_ne_bytes());
    bytes[4..].copy_from_slice(&held.index_plus_one.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

fn from_word(word: u64) -> Held {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    Held { service: u32::from_ne_bytes([a, b, c, d]), index_plus_one: u32::from_ne_bytes([e, f, g, h]) }
}

/// Held places written as one word must look to the kernel like the struct.
const _: () = assert!(offset_of!(Held, service) == 0 && offset_of!(Held, index_plus_one) == 4);
