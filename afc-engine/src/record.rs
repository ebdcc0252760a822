//! The voter's rule as pure functions of the record: what the model checker and the simulation call as well.
//!
//! Nothing here sends, stores or reads a clock. Times are `CLOCK_BOOTTIME` ns of the voter.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord},
    layout::Record,
    lease::FOREVER_NS,
};

use super::message::Refusal;

/// What a node asks a voter for: to be granted, or granted again, this epoch of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who asks.
    pub from: NodeId,
    /// The epoch that it holds.
    pub epoch: Epoch,
}

impl Ask {
    /// What a listed or claimed word asks for.
    pub fn of(word: OwnerWord) -> Self {
        Self { from: word.owner(), epoch: word.epoch() }
    }
}

/// What the voter itself holds of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnHolding {
    /// Nothing, or it is the voter itself who asks.
    Nothing,
    /// It is protected: "with a live lease it refuses instead".
    Protected,
    /// Tentative or lapsed: "before a node votes for another ... it must drop its own holding".
    Yielding(Epoch),
}

/// The voter's situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// "For G the node neither grants nor claims."
    pub in_quarantine: bool,
    /// What it holds of the service itself.
    pub own: OwnHolding,
    /// Counter up to which the floor is safe on disk.
    pub reserved: u32,
    /// How long a grant is guarded, ns.
    pub guard_ns: u64,
}

/// What the voter does with an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Keep this record, then grant.
    Grant(Record),
    /// Drop the own holding, keep this record, then grant.
    DropAndGrant(Record),
    /// Say no.
    Refuse(Refusal),
}

/// The voter's rule: "v grants iff it is not in quarantine, e is at or above its floor and its recorded
/// epoch, and the recorded holder is o, or the guard has run out, or nobody holds it. It first records (o, e,
/// now + G), then grants."
///
/// The guard is looked at before the epochs, so [`Refusal::BelowRecord`] and [`Refusal::BelowFloor`] say that
/// a higher epoch would be granted.
pub fn decide(record: Record, standing: Standing, ask: Ask, now_ns: u64) -> Decision {
    if standing.in_quarantine {
        return Decision::Refuse(Refusal::Quarantine);
    }
    let before = match standing.own {
        OwnHolding::Nothing => record,
        OwnHolding::Protected => return Decision::Refuse(Refusal::Held),
        OwnHolding::Yielding(own) if ask.epoch <= own => return Decision::Refuse(Refusal::Held),
        OwnHolding::Yielding(_) => released(record),
    };
    if let Some(refusal) = refusal(before, standing.reserved, ask, now_ns) {
        return Decision::Refuse(refusal);
    }
    let granted = granted(before, ask, now_ns.saturating_add(standing.guard_ns));
    match standing.own {
        OwnHolding::Nothing => Decision::Grant(granted),
        OwnHolding::Protected | OwnHolding::Yielding(_) => Decision::DropAndGrant(granted),
    }
}

fn refusal(record: Record, reserved: u32, ask: Ask, now_ns: u64) -> Option<Refusal> {
    let word = OwnerWord(record.word);
    if is_guarded_from(record, ask.from, now_ns) {
        return Some(Refusal::Guarded);
    }
    // "e is never held again": a late REPLY must not bring back the guard that its RELEASE ended.
    let was_released = !word.is_none() && !word.owner().is_some() && ask.epoch == word.epoch();
    if ask.epoch < word.epoch() || was_released {
        return Some(Refusal::BelowRecord);
    }
    if ask.epoch < OwnerWord(record.floor).epoch() {
        return Some(Refusal::BelowFloor);
    }
    // "What survives is the floor, at or above every epoch it granted or held, reserved on disk ahead of
    // use."
    (ask.epoch.counter() > reserved).then_some(Refusal::FloorPending)
}

/// Whether the guard of a recorded holder runs.
pub fn is_guarded(record: Record, now_ns: u64) -> bool {
    OwnerWord(record.word).owner().is_some() && now_ns < record.guard_until_ns
}

/// Whether it runs for another node than this one.
pub fn is_guarded_from(record: Record, node: NodeId, now_ns: u64) -> bool {
    OwnerWord(record.word).owner() != node && is_guarded(record, now_ns)
}

/// The record of a grant, guarded until then.
fn granted(before: Record, ask: Ask, guard_until_ns: u64) -> Record {
    Record {
        word: ask.epoch.owned_by(ask.from).0,
        guard_until_ns,
        floor: before.floor.max(ask.epoch.owned_by(NodeId::NONE).0),
    }
}

/// The own record of a holder: "its own vote counts: while it holds, its own record is itself". It ends with
/// the drop, not with a time.
pub fn held(granted: Record) -> Record {
    Record { guard_until_ns: FOREVER_NS, ..granted }
}

/// The record after its holder gave the epoch up, for good.
pub fn released(record: Record) -> Record {
    Record {
        word: OwnerWord(record.word).epoch().owned_by(NodeId::NONE).0,
        guard_until_ns: 0,
        floor: record.floor,
    }
}

/// The record that a RELEASE by its holder leaves: "it counts only for exactly that holder and epoch".
pub fn after_release(record: Record, word: OwnerWord) -> Option<Record> {
    (word.owner().is_some() && record.word == word.0).then(|| released(record))
}

/// The own record of an owner that hands over: the taker's, "now + G". The epoch stays the one that was held.
pub fn handed_over(record: Record, to: NodeId, guard_until_ns: u64) -> Record {
    Record { word: OwnerWord(record.word).epoch().owned_by(to).0, guard_until_ns, floor: record.floor }
}

/// The record that a TRANSFER by its holder leaves: "record exactly (o, e) becomes holder c, the guard's end unchanged".
pub fn after_transfer(record: Record, handed: OwnerWord, to: NodeId) -> Option<Record> {
    let is_exact = handed.owner().is_some() && record.word == handed.0;
    is_exact.then(|| Record { word: handed.epoch().owned_by(to).0, ..record })
}

/// What a node that takes a service over holds, and its own record then: "the epoch (e with hop + 1) is above its floor,
/// and its own record is (o, e) or grantable".
pub fn taken(
    record: Record,
    standing: Standing,
    handed: OwnerWord,
    by: NodeId,
    now_ns: u64,
) -> Option<(Epoch, Record)> {
    let epoch = handed.epoch().next_hop()?;
    if epoch <= OwnerWord(record.floor).epoch() {
        return None;
    }
    // The owner gave it up to this node: as if its TRANSFER were here already.
    let before = after_transfer(record, handed, by).unwrap_or(record);
    match decide(before, standing, Ask { from: by, epoch }, now_ns) {
        Decision::Grant(granted) | Decision::DropAndGrant(granted) => Some((epoch, held(granted))),
        Decision::Refuse(_) => None,
    }
}

/// Whether a node with this record may take what exactly this owner hands over, whenever that comes: its vote stands for that
/// owner, or by a TRANSFER for itself, so [`taken`] will say yes.
pub fn allows_taking(record: Record, handed: OwnerWord, by: NodeId) -> bool {
    let (floor, epoch) = (OwnerWord(record.floor).epoch(), handed.epoch());
    let is_recorded = record.word == handed.0 || record.word == epoch.owned_by(by).0;
    handed.owner().is_some() && is_recorded && epoch.next_hop() > Some(floor)
}

/// An empty record that keeps the floor. While in quarantine its guard names no holder but the quarantine's
/// end, so that an agent which adopts it goes on with the quarantine.
pub fn forgotten(floor: Epoch, quarantine_until_ns: u64) -> Record {
    Record { word: 0, guard_until_ns: quarantine_until_ns, floor: floor.owned_by(NodeId::NONE).0 }
}

/// The end of the quarantine that a record remembers, if it does.
pub fn quarantine_until_ns(record: Record) -> u64 {
    if OwnerWord(record.word).is_none() { record.guard_until_ns } else { 0 }
}

/// The epoch of a node's next claim, "above all it has seen"; none once the counter is used up.
pub fn next_epoch(record: Record, seen: Epoch, me: NodeId) -> Option<Epoch> {
    let floor = OwnerWord(record.floor).epoch();
    let highest = seen.max(floor).max(OwnerWord(record.word).epoch());
    highest.counter().checked_add(1).map(|counter| Epoch::claim(counter, me))
}

/// What an agent does that adopts the kernel's maps from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// What is not on the own record cannot be held: drop it in the kernel.
    Drop,
    /// Go on holding this epoch.
    Hold(Epoch),
    /// Drop it in the kernel, and RELEASE this epoch: the agent before died between its drop, or the kernel's, and the RELEASE;
    /// or before it heard what the kernel took of it.
    Release(Epoch),
}

/// What the own record and the kernel's holding say after a restart within `agent_timeout`.
pub fn adoption(record: Record, held: OwnerWord, me: NodeId) -> Adoption {
    let word = OwnerWord(record.word);
    match (word.owner() == me, held.owner() == me) {
        (false, _) => Adoption::Drop,
        (true, true) if held.epoch() <= word.epoch() => Adoption::Hold(held.epoch()),
        (true, _) => Adoption::Release(word.epoch()),
    }
}

/// The floor of a node whose memory is gone: above every epoch that its disk let it grant or hold.
pub fn floor_from_disk(reserved: u32) -> Epoch {
    match reserved {
        0 => Epoch::ZERO,
        _ => Epoch::claim(reserved.saturating_add(1), NodeId::NONE),
    }
}
