//! What the engine remembers of one service: the voter's record, the holding, the trial, and what was heard.
//! State only; `voter`, `holder`, `candidate` and `announce` change it.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord},
    layout::Record,
};

use super::{
    effect::{Cause, Offer},
    ranking::Ranking,
    record,
};

/// One service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) home: NodeId,
    /// Who may hold it, in the order of the lists.
    pub(super) ranking: Ranking,
    pub(super) voters: Vec<NodeId>,
    pub(super) preempt: bool,

    /// The voter's record.
    pub(super) record: Record,
    /// The floor is safe on disk up to this counter,
    pub(super) reserved: u32,
    /// and was asked to be up to this one.
    pub(super) reserve_asked: u32,

    /// The highest epoch heard of anywhere: a claim goes above it.
    pub(super) seen: Epoch,
    /// Who serves, as announced; without owner once released.
    pub(super) owner: OwnerWord,
    /// Who holds, tentatively or not, as listed, claimed or announced; without owner once released.
    pub(super) holder: OwnerWord,
    /// REPLYs of `holder` since it last listed the service.
    pub(super) unlisted: u8,

    /// What this node holds of it.
    pub(super) holding: Option<Holding>,
    /// The pre-vote that runs.
    pub(super) trial: Option<Trial>,
    /// The handover that this node asks for.
    pub(super) take: Option<Take>,
    /// Since when it has no holder that this node could see, and this node may claim it.
    pub(super) vacant_since_ns: Option<u64>,
    /// "A random time" after an own failure.
    pub(super) not_before_ns: u64,
    /// Since when its owner gives it away to this node, and when this node may make ready for it again.
    pub(super) offered_since_ns: Option<u64>,
    pub(super) prepare_after_ns: u64,
    /// This node handed it over itself, and was not asked to by a drain: it does not preempt it.
    pub(super) is_given_away: bool,
}

/// An epoch that this node holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holding {
    pub(super) epoch: Epoch,
    /// When it was claimed.
    pub(super) since_ns: u64,
    /// The kernel's `lease_until`, and when it was looked up.
    pub(super) until_ns: u64,
    pub(super) looked_ns: u64,
    /// Until when the owner before lets it serve; 0 if it was claimed.
    pub(super) window_until_ns: u64,
    pub(super) stage: Stage,
    /// A higher epoch that it moves to.
    pub(super) raise: Option<Raise>,
    /// Voters that refused the claim.
    pub(super) refused: Voters,
    /// When the CLAIM is sent again, until a majority has granted or recorded it.
    pub(super) resend_ns: u64,
    /// The next ANNOUNCE: when, and how many were sent.
    pub(super) announce: Burst,
    /// Whose turn it is to hear a later one: counts nodes.
    pub(super) announce_turn: usize,
    /// The next gratuitous ARP: when, and how many were sent.
    pub(super) arp: Burst,
    /// Two announcers are acted on once a lease,
    pub(super) contested_ns: u64,
    /// and so are raises.
    pub(super) raise_after_ns: u64,
}

/// How far a holding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Claimed; a majority has not granted yet.
    Tentative,
    /// A majority has granted, and the owner word says so. The kernel serves while the lease lives.
    Owner,
}

/// A higher epoch on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raise {
    pub(super) epoch: Epoch,
    /// Voters that have it on record.
    pub(super) recorded: Voters,
    pub(super) since_ns: u64,
}

impl Holding {
    /// A claim without any grant yet.
    pub(super) fn claimed(epoch: Epoch, now_ns: u64, interval_ns: u64) -> Self {
        Self {
            epoch,
            since_ns: now_ns,
            until_ns: 0,
            looked_ns: now_ns,
            window_until_ns: 0,
            stage: Stage::Tentative,
            raise: None,
            refused: Voters::default(),
            resend_ns: now_ns.saturating_add(interval_ns),
            announce: Burst::default(),
            announce_turn: 0,
            arp: Burst::default(),
            contested_ns: 0,
            raise_after_ns: 0,
        }
    }

    /// Whether a majority has not granted it yet, or not its next epoch.
    pub(super) fn awaits_grants(&self) -> bool {
        let is_on_window = self.window_until_ns != 0 && self.until_ns <= self.window_until_ns;
        self.stage == Stage::Tentative || self.raise.is_some() || is_on_window
    }
}

/// A series of sendings.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Burst {
    pub(super) next_ns: Option<u64>,
    pub(super) sent: u8,
}

impl Burst {
    pub(super) fn starting(now_ns: u64) -> Self {
        Self { next_ns: Some(now_ns), sent: 0 }
    }

    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        self.next_ns.is_some_and(|next_ns| next_ns <= now_ns)
    }
}

/// A trial CLAIM and its answers. Voters answer statelessly, so a later answer replaces an earlier one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) cause: Cause,
    /// Answers to questions from before this are void.
    pub(super) since_ns: u64,
    pub(super) yes: Voters,
    /// Rounds sent.
    pub(super) rounds: u8,
    /// When the next round is sent.
    pub(super) next_ns: u64,
}

/// A handover that this node asks for, again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Take {
    /// Answers to what was asked before are void: an agent that was restarted since has released what they gave.
    pub(super) since_ns: u64,
    /// When it asks again,
    pub(super) next_ns: u64,
    /// and when it gives up.
    pub(super) until_ns: u64,
    /// Why the owner gives it away, if nobody else wants it taken.
    pub(super) offer: Option<Offer>,
    /// The owner word whose HANDOVER the kernel takes at once; none if this node's vote does not allow it.
    pub(super) asked: OwnerWord,
}

/// A set of a service's voters, by their order in its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Voters(u8);

impl Voters {
    pub(super) fn insert(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    pub(super) fn remove(&mut self, place: usize) {
        self.0 &= !(1 << place);
    }

    pub(super) fn contains(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }
}

impl Service {
    /// A voter's place in [`Voters`].
    pub(super) fn voter_place(&self, node: NodeId) -> Option<usize> {
        self.voters.iter().position(|voter| *voter == node)
    }

    /// How many *other* voters make a majority together with a holder, which always votes: ⌊n/2⌋.
    pub(super) fn majority_of_others(&self) -> usize {
        self.voters.len() / 2
    }

    /// Takes over what the lists say.
    pub(super) fn rank(&mut self, wanted: &Ranking) {
        self.ranking = self.ranking.reordered(self.home, wanted);
    }

    /// Remembers an epoch: a claim goes above it.
    pub(super) fn see(&mut self, epoch: Epoch) {
        self.seen = self.seen.max(epoch);
    }

    /// The epoch of this node's next claim.
    pub(super) fn next_epoch(&self, me: NodeId) -> Option<Epoch> {
        record::next_epoch(self.record, self.seen, me)
    }
}
