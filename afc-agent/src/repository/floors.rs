//! Floors of epochs (design.md section 2, "Restart"): for each service a number at or above every epoch that this node
//! granted or held, reserved in blocks ahead of use and made exact by a clean stop.
//!
//! Lost floors are *unknown*, which is not the same as zero: a node that forgot could grant below what it granted. That
//! survives restarts until a floor is reserved anew.

use std::collections::BTreeMap;

use afc_ebpf::identity::{OwnerWord, ServiceId};
use serde::{Deserialize, Serialize};

/// All but the owner's bits below the counter.
const CLAIMER_AND_HOP: u64 = 0xffff_f000;
/// The owner's bits.
const OWNER: u64 = 0xfff;

/// The floor of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Floor {
    /// Every epoch with a counter up to this one may have been granted or held.
    Reserved(u32),
    /// The highest epoch granted or held, as an owner word without owner; nothing for a service never heard of.
    Exact(OwnerWord),
}

impl Floor {
    /// The lowest word at or above every epoch that this floor covers, without owner.
    pub const fn word(self) -> OwnerWord {
        match self {
            Self::Reserved(counter) => OwnerWord(((counter as u64) << 32) | CLAIMER_AND_HOP),
            Self::Exact(word) => OwnerWord(word.0 & !OWNER),
        }
    }

    fn counter(self) -> u32 {
        self.word().epoch().counter()
    }
}

/// What is known of services that are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unlisted {
    /// This node never granted or held any epoch of theirs.
    Zero,
    /// What would have said it is gone.
    Unknown,
}

/// The floors of all services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floors {
    pub(super) unlisted: Unlisted,
    /// Nothing for one that was lost alone.
    pub(super) listed: BTreeMap<ServiceId, Option<Floor>>,
}

impl Floors {
    pub(super) fn new(unlisted: Unlisted) -> Self {
        Self { unlisted, listed: BTreeMap::new() }
    }

    /// The floor of a service; `None` when it was lost, so that only the quarantine and the other voters' records stand
    /// between this node and an old epoch, until it reserves one anew.
    pub fn get(&self, service: ServiceId) -> Option<Floor> {
        let unlisted = match self.unlisted {
            Unlisted::Zero => Some(Floor::Exact(OwnerWord::NONE)),
            Unlisted::Unknown => None,
        };
        self.listed.get(&service).copied().unwrap_or(unlisted)
    }

    /// Covers epochs with a counter up to `counter`. Never lowers a floor. Says what is to be written, if anything.
    pub(super) fn reserve(&mut self, service: ServiceId, counter: u32) -> Option<Floor> {
        let before = self.listed.get(&service).copied().flatten();
        let floor = Floor::Reserved(counter);
        if before.is_some_and(|before| before == floor || counter < before.counter()) {
            return None;
        }
        self.listed.insert(service, Some(floor));
        Some(floor)
    }

    /// Replaces a floor by an exact one. Says what is to be written, if anything.
    pub(super) fn save_exact(&mut self, service: ServiceId, word: OwnerWord) -> Option<Floor> {
        let floor = Floor::Exact(OwnerWord(word.0 & !OWNER));
        (self.listed.insert(service, Some(floor)) != Some(Some(floor))).then_some(floor)
    }
}

#[cfg(test)]
mod tests {
    use afc_ebpf::identity::{Epoch, NodeId};

    use super::*;

    #[test]
    fn a_reserved_floor_covers_every_epoch_of_its_counter_and_no_later_one() {
        let word = Floor::Reserved(7).word();
        let mut last = Epoch::claim(7, NodeId::MAX);
        while let Some(next) = last.next_hop() {
            last = next;
        }
        assert_eq!(word, last.owned_by(NodeId::NONE));
        assert!(word.epoch() < Epoch::claim(8, NodeId(1)));
        assert!(Floor::Reserved(u32::MAX).word().epoch() >= Epoch::claim(u32::MAX, NodeId::MAX));
    }

    #[test]
    fn a_floor_is_never_lowered_by_a_reservation() {
        let service = ServiceId(1);
        let mut floors = Floors::new(Unlisted::Zero);
        assert_eq!(floors.reserve(service, 64), Some(Floor::Reserved(64)));
        assert_eq!(floors.reserve(service, 32), None);
        assert_eq!(floors.reserve(service, 64), None);
        let word = Epoch::claim(9, NodeId(3)).owned_by(NodeId(3));
        let released = Floor::Exact(Epoch::claim(9, NodeId(3)).owned_by(NodeId::NONE));
        assert_eq!(floors.save_exact(service, word), Some(released));
        assert_eq!(floors.save_exact(service, word), None);
        assert_eq!((floors.reserve(service, 8), floors.get(service)), (None, Some(released)));
        assert_eq!(floors.reserve(service, 9), Some(Floor::Reserved(9)));
    }

    #[test]
    fn unknown_is_not_zero() {
        let (known, lost) = (ServiceId(1), ServiceId(2));
        let mut floors = Floors::new(Unlisted::Zero);
        floors.listed.insert(lost, None);
        assert_eq!((floors.get(known), floors.get(lost)), (Some(Floor::Exact(OwnerWord::NONE)), None));
        floors.reserve(lost, 5);
        assert_eq!(floors.get(lost), Some(Floor::Reserved(5)));
        assert_eq!(Floors::new(Unlisted::Unknown).get(known), None);
    }
}
