//! Lease arithmetic of the holder (design.md section 2): what a grant does to a holding, when the
//! holding's majority runs out, and when it lapses for good.
//!
//! All times are `CLOCK_BOOTTIME` nanoseconds of the holder. The kernel applies these functions under
//! the holding's spin lock; the simulation and the model call the same ones. They compile to straight-line
//! code: the BPF verifier would walk every path of a branching sort.

use crate::{
    identity::{NodeId, OwnerWord},
    opaque::opaque,
};

/// Voters of one service, at most (design.md section 2).
pub const MAX_VOTERS: usize = 7;
/// Voters other than the holder itself.
pub const MAX_OTHERS: usize = MAX_VOTERS - 1;

/// The guard `G = 1.25 L` that a voter keeps for a holder: 11 % of clock-rate difference, with room.
pub const fn guard_ns(lease_ns: u64) -> u64 {
    lease_ns.saturating_add(lease_ns / 4)
}

/// Until when a node that a service was handed over to serves without a grant: "until `c_ts + R/1.25` at most", where
/// `c_ts` is its own clock when it asked and R the remaining lease by the clock of the owner before.
pub const fn window_until_ns(asked_ns: u64, remaining_ns: u64) -> u64 {
    asked_ns.saturating_add(remaining_ns / 5 * 4)
}

/// The kernel's `struct bpf_spin_lock`, found by this very name in the map value's BTF
/// (Linux 5.1; `BPF_F_LOCK` updates take it from userspace).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct bpf_spin_lock {
    /// The kernel's own.
    pub val: u32,
}

/// What this node holds of one service, and how long each other voter lets it.
///
/// Written whole by the agent with `BPF_F_LOCK`, and by the kernel under the lock; so an extension
/// can never mix with a drop or a new claim.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Holding {
    /// Taken for every access but the agent's unlocked reading for display.
    pub lock: bpf_spin_lock,
    /// How many *other* voters make a majority together with this node: ⌊n/2⌋.
    pub needed: u32,
    /// The epoch held, with this node as owner; 0 when nothing is held.
    pub word: u64,
    /// When this holding was claimed.
    pub since_ns: u64,
    /// The agent's incarnation that wrote it.
    pub incarnation: u64,
    /// Until when the owner before lets this node hold, which handed over to it; 0 if nobody did.
    pub window_until_ns: u64,
    /// While nothing is held: the owner word whose HANDOVER the kernel takes at once; 0 if none.
    pub asked_word: u64,
    /// With it: since when this node asks. What answers an earlier question is not taken.
    pub asked_ns: u64,
    /// Until when each of `others` lets this node hold.
    pub leases: [u64; MAX_OTHERS],
    /// The other voters' node numbers; 0 where unused.
    pub others: [u16; MAX_OTHERS],
    /// Zero.
    pub reserved: [u16; 2],
}

const _: () = assert!(size_of::<Holding>() == 120);

/// What a HANDOVER says, and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    /// The word that the owner held until it handed over.
    pub word: u64,
    /// The time of the TAKE that it answers, by this node's clock.
    pub echo_ns: u64,
    /// What was left of the owner's lease, by its clock.
    pub remaining_ns: u64,
    /// Now.
    pub now_ns: u64,
}

/// What was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The word that this node holds now.
    pub word: OwnerWord,
    /// Until when it serves without a grant.
    pub until_ns: u64,
}

/// What a grant did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The lease was extended (or already reached further); the majority now lasts until then.
    Extended {
        /// See [`Holding::lease_until_ns`].
        lease_until_ns: u64,
    },
    /// Nothing is held, or another epoch: "nothing else extends a lease".
    NotHeld,
    /// The grant is by a node that does not vote for this service.
    NotAVoter,
    /// The echoed time lies in this node's future: of another boot.
    FromTheFuture,
    /// The holding had no majority for a whole lease and was dropped, for good.
    Lapsed,
}

impl Holding {
    /// A holding that was just claimed, with no grant yet, or with those of `before` when the owner
    /// raises its own epoch ("its leases carry over").
    pub fn claimed(
        word: OwnerWord,
        others: &[NodeId],
        now_ns: u64,
        incarnation: u64,
        before: Option<&Self>,
    ) -> Self {
        let mut holding = Self {
            needed: (others.len() as u32).div_ceil(2),
            word: word.0,
            since_ns: now_ns,
            incarnation,
            ..Self::default()
        };
        for (place, other) in holding.others.iter_mut().zip(others) {
            *place = other.0;
        }
        if let Some(before) = before {
            holding.leases = before.leases;
            holding.window_until_ns = before.window_until_ns;
        }
        holding
    }

    /// Nothing held, and the question to an owner whose answer the kernel takes.
    pub fn asking(word: OwnerWord, others: &[NodeId], asked_ns: u64, incarnation: u64) -> Self {
        Self { word: 0, asked_word: word.0, asked_ns, ..Self::claimed(word, others, 0, incarnation, None) }
    }

    /// Takes what this node asked for: "it serves at once, until `c_ts + R/1.25` at most". The agent saw that its vote allows
    /// it before it asked, and takes the question back before it votes otherwise.
    #[inline(always)]
    pub fn take(&mut self, handover: &Handover, me: NodeId, lease_ns: u64) -> Option<Taken> {
        let is_asked = self.word == 0 && self.asked_word != 0 && self.asked_word == handover.word;
        if !is_asked || handover.echo_ns < self.asked_ns || handover.echo_ns > handover.now_ns {
            return None;
        }
        let remaining_ns = if handover.remaining_ns < lease_ns { handover.remaining_ns } else { lease_ns };
        let until_ns = window_until_ns(handover.echo_ns, remaining_ns);
        if until_ns <= handover.now_ns {
            return None;
        }
        let word = OwnerWord(handover.word).epoch().next_hop()?.owned_by(me);
        self.word = word.0;
        self.since_ns = handover.now_ns;
        self.window_until_ns = until_ns;
        (self.asked_word, self.asked_ns) = (0, 0);
        Some(Taken { word, until_ns })
    }

    /// Whether anything is held.
    #[inline(always)]
    pub const fn is_held(&self) -> bool {
        self.word != 0
    }

    /// Applies a grant of `voter` for `word` that echoes our own clock `echo_ns`:
    /// `lease[s][v] = max(lease[s][v], echo + L)`.
    #[inline(always)]
    pub fn grant(&mut self, word: u64, voter: u16, echo_ns: u64, lease_ns: u64, now_ns: u64) -> Grant {
        if word == 0 || self.word != word {
            return Grant::NotHeld;
        }
        if echo_ns > now_ns {
            return Grant::FromTheFuture;
        }
        if self.drop_if_lapsed(lease_ns, now_ns) {
            return Grant::Lapsed;
        }
        if voter == 0 {
            return Grant::NotAVoter;
        }
        let until = echo_ns.wrapping_add(lease_ns);
        let mut known = 0;
        let mut i = 0;
        while i < MAX_OTHERS {
            let hit = equal(self.others[i] as u64, voter as u64);
            known |= hit;
            self.leases[i] = max(self.leases[i], until & hit.wrapping_neg());
            i += 1;
        }
        if known == 0 {
            return Grant::NotAVoter;
        }
        Grant::Extended { lease_until_ns: self.lease_until_ns() }
    }

    /// Drops the holding for good if it had no majority for a whole lease; whether it did.
    #[inline(always)]
    pub fn drop_if_lapsed(&mut self, lease_ns: u64, now_ns: u64) -> bool {
        if self.word == 0 || self.lasted_until(now_ns, lease_ns) != 0 {
            return false;
        }
        self.word = 0;
        true
    }

    /// 1 if the claim, the window or a majority of the leases lasted until a lease before `now_ns`: at least `needed`
    /// leases reach a time exactly if the `needed`-th largest does.
    #[inline(always)]
    fn lasted_until(&self, now_ns: u64, lease_ns: u64) -> u64 {
        let reaches = |until_ns: u64| 1 - less(until_ns.wrapping_add(lease_ns), now_ns);
        let mut reached = 0;
        let mut i = 0;
        while i < MAX_OTHERS {
            reached += reaches(self.leases[i]);
            i += 1;
        }
        reaches(self.since_ns) | reaches(self.window_until_ns) | (1 - less(reached, self.needed as u64))
    }

    /// Until when this node may hold: the ⌊n/2⌋-th largest of the other voters' leases, or the end of the
    /// window that it was handed. Without other voters, for ever.
    #[inline(always)]
    pub fn lease_until_ns(&self) -> u64 {
        if self.needed == 0 {
            return FOREVER_NS;
        }
        // How many leases go before each: longer ones, and of equal ones those in front.
        let mut before = [0, 1, 2, 3, 4, 5];
        let mut i = 0;
        while i < MAX_OTHERS {
            let mut j = i + 1;
            while j < MAX_OTHERS {
                let shorter = less(self.leases[i], self.leases[j]);
                before[i] += shorter;
                before[j] -= shorter;
                j += 1;
            }
            i += 1;
        }
        let mut majority_ns = 0;
        let mut i = 0;
        while i < MAX_OTHERS {
            majority_ns |= self.leases[i] & equal(before[i], self.needed as u64 - 1).wrapping_neg();
            i += 1;
        }
        max(self.window_until_ns, majority_ns)
    }
}

/// The lowest margin of a lease once it is extended from `before_ns` to `until_ns`: the least that was ever left of it when
/// it was; 1 if it had run out meanwhile. 0 as long as nothing was extended, which a first grant does not count as.
#[inline(always)]
pub fn lowest_margin_ns(lowest_ns: u64, before_ns: u64, until_ns: u64, now_ns: u64) -> u64 {
    let left = max(before_ns, now_ns + 1) - now_ns;
    let is_extended = less(before_ns, until_ns) & less(0, before_ns);
    let is_lower = less(left, lowest_ns) | (1 - less(0, lowest_ns));
    let take = (is_extended & is_lower).wrapping_neg();
    (left & take) | (lowest_ns & !take)
}

/// Later than any BOOTTIME, and below 2^63, so that the arithmetic here holds.
pub const FOREVER_NS: u64 = 1 << 62;

/// 1 if `a < b`, for values below 2^63, without a branch: the compiler must not know that it is 0 or 1.
#[inline(always)]
fn less(a: u64, b: u64) -> u64 {
    opaque(a.wrapping_sub(b) >> 63)
}

/// The larger of two values below 2^63, without a branch.
#[inline(always)]
fn max(a: u64, b: u64) -> u64 {
    let second = less(a, b).wrapping_neg();
    (a & !second) | (b & second)
}

/// 1 if two values below 2^63 are equal, without a branch.
#[inline(always)]
fn equal(a: u64, b: u64) -> u64 {
    opaque((a ^ b).wrapping_sub(1) >> 63)
}

#[cfg(test)]
mod tests;
