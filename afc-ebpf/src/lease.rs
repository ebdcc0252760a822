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
    /// Until when each of `others` lets this node hold.
    pub leases: [u64; MAX_OTHERS],
    /// The other voters' node numbers; 0 where unused.
    pub others: [u16; MAX_OTHERS],
    /// Zero.
    pub reserved: [u16; 2],
}

const _: () = assert!(size_of::<Holding>() == 104);

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
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::identity::Epoch;

    const LEASE: u64 = 1_000;

    fn held(voters: u16) -> Holding {
        let others: Vec<NodeId> = (2..=voters).map(NodeId).collect();
        Holding::claimed(word(), &others, 10, 1, None)
    }

    fn word() -> OwnerWord {
        Epoch::claim(7, NodeId(1)).owned_by(NodeId(1))
    }

    #[test]
    fn the_lowest_margin_is_the_least_that_was_left_of_a_lease_when_it_was_extended() {
        let now = 1000;
        for (lowest, before, until, expected) in [
            (0, 0, 1025, 0),
            (0, 1020, 1025, 20),
            (20, 1008, 1025, 8),
            (8, 1020, 1025, 8),
            (8, 1001, 1001, 8),
            (8, 1003, 1002, 8),
            (8, 990, 1025, 1),
            (0, 990, 1025, 1),
            (1, 1020, 1025, 1),
        ] {
            assert_eq!(lowest_margin_ns(lowest, before, until, now), expected, "{lowest} {before} {until}");
        }
    }

    #[test]
    fn the_majority_is_the_lease_that_half_of_the_voters_still_reach() {
        struct Row(u16, &'static [(u16, u64)], u64);
        // (voters, grants as (voter, echo), until)
        let table = [
            Row(1, &[], FOREVER_NS),
            Row(2, &[], 0),
            Row(2, &[(2, 100)], 1100),
            Row(3, &[(3, 90)], 1090),
            Row(3, &[(2, 50), (3, 90)], 1090),
            Row(4, &[(2, 50)], 0),
            Row(4, &[(2, 50), (3, 90)], 1050),
            Row(5, &[(2, 50), (3, 90), (4, 70)], 1070),
            Row(5, &[(2, 50), (2, 90)], 0),
            Row(7, &[(2, 10), (3, 20), (4, 30), (5, 40), (6, 50), (7, 60)], 1040),
            Row(7, &[(2, 10), (3, 20)], 0),
        ];
        for Row(voters, grants, until) in table {
            let mut holding = held(voters);
            for (voter, echo) in grants {
                assert!(matches!(holding.grant(word().0, *voter, *echo, LEASE, 200), Grant::Extended { .. }));
            }
            assert_eq!(holding.lease_until_ns(), until, "{voters} voters, {grants:?}");
        }
    }

    #[test]
    fn majority_and_lapse_are_those_of_the_sorted_leases() {
        let mut random = 1u64;
        let mut below = |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % limit
        };
        for _ in 0..200_000 {
            let mut holding = held(1 + below(7) as u16);
            holding.since_ns = below(8);
            holding.window_until_ns = below(3) * below(12);
            let others = holding.others.iter().filter(|other| **other != 0).count();
            for lease in &mut holding.leases[..others] {
                *lease = below(12);
            }
            let mut sorted = holding.leases;
            sorted.sort_by(|a, b| b.cmp(a));
            let until_ns = match holding.needed {
                0 => FOREVER_NS,
                needed => sorted[needed as usize - 1].max(holding.window_until_ns),
            };
            assert_eq!(holding.lease_until_ns(), until_ns, "{holding:?}");
            let (lease_ns, now_ns) = (below(8), below(24));
            let has_lapsed = now_ns > until_ns.max(holding.since_ns) + lease_ns;
            let before = holding;
            assert_eq!(
                holding.drop_if_lapsed(lease_ns, now_ns),
                has_lapsed,
                "{before:?} {lease_ns} {now_ns}"
            );
            assert_eq!(holding.is_held(), !has_lapsed);
        }
    }

    #[test]
    fn a_late_doubled_or_reordered_grant_never_shortens_a_lease() {
        let mut holding = held(3);
        holding.grant(word().0, 2, 100, LEASE, 200);
        holding.grant(word().0, 2, 50, LEASE, 200);
        holding.grant(word().0, 2, 100, LEASE, 200);
        assert_eq!(holding.lease_until_ns(), 1100);
    }

    #[test]
    fn only_a_voter_s_grant_of_exactly_this_epoch_and_this_past_counts() {
        let mut holding = held(3);
        let next = word().epoch().next_hop().unwrap().owned_by(NodeId(1));
        assert_eq!(holding.grant(next.0, 2, 100, LEASE, 200), Grant::NotHeld);
        assert_eq!(holding.grant(0, 2, 100, LEASE, 200), Grant::NotHeld);
        assert_eq!(holding.grant(word().0, 9, 100, LEASE, 200), Grant::NotAVoter);
        assert_eq!(holding.grant(word().0, 0, 100, LEASE, 200), Grant::NotAVoter);
        assert_eq!(holding.grant(word().0, 2, 201, LEASE, 200), Grant::FromTheFuture);
        assert_eq!(holding.lease_until_ns(), 0);
    }

    #[test]
    fn a_holding_without_a_majority_for_one_lease_is_dropped_for_good() {
        let mut tentative = held(3);
        assert!(!tentative.drop_if_lapsed(LEASE, 10 + LEASE));
        assert!(tentative.drop_if_lapsed(LEASE, 11 + LEASE));
        assert_eq!(tentative.grant(word().0, 2, 100, LEASE, 5000), Grant::NotHeld);

        let mut owner = held(3);
        owner.grant(word().0, 2, 500, LEASE, 600);
        assert!(!owner.drop_if_lapsed(LEASE, 2500));
        assert_eq!(owner.grant(word().0, 2, 2400, LEASE, 2501), Grant::Lapsed);
        assert!(!owner.is_held());
    }

    #[test]
    fn a_window_serves_without_grants_and_not_beyond_its_end() {
        assert_eq!(window_until_ns(100, 1_000), 900);
        let mut taken = held(3);
        taken.window_until_ns = 900;
        assert_eq!(taken.lease_until_ns(), 900);
        taken.grant(word().0, 2, 100, LEASE, 200);
        assert_eq!(taken.lease_until_ns(), 1100);
        assert!(!taken.drop_if_lapsed(LEASE, 2100));
        assert!(taken.drop_if_lapsed(LEASE, 2101));
    }

    #[test]
    fn a_raised_epoch_keeps_its_leases() {
        let mut holding = held(3);
        holding.grant(word().0, 2, 100, LEASE, 200);
        let higher = Epoch::claim(9, NodeId(1)).owned_by(NodeId(1));
        let raised = Holding::claimed(higher, &[NodeId(2), NodeId(3)], 300, 1, Some(&holding));
        assert_eq!(raised.lease_until_ns(), 1100);
    }
}
