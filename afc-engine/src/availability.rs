//! Why a node is not available (design.md section 1), one by one and as a set.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a node is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnavailableReason {
    /// Too little memory.
    Memory,
    /// Too little CPU time.
    Cpu,
    /// Too many I/O operations.
    Iops,
    /// Too high a load average.
    Load,
    /// It serves as much as it may.
    Serving,
    /// It was drained by an operator.
    Drained,
    /// Its health check fails.
    Unhealthy,
    /// It does not answer.
    Dead,
}

impl UnavailableReason {
    /// Every reason, in the order of their bits in [`Reasons`].
    pub const ALL: [Self; 8] = [
        Self::Memory,
        Self::Cpu,
        Self::Iops,
        Self::Load,
        Self::Serving,
        Self::Drained,
        Self::Unhealthy,
        Self::Dead,
    ];

    /// Its name in JSON and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Iops => "iops",
            Self::Load => "load",
            Self::Serving => "serving",
            Self::Drained => "drained",
            Self::Unhealthy => "unhealthy",
            Self::Dead => "dead",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of reasons; empty means available (A), anything else not available (N).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reasons(u8);

impl Reasons {
    /// Available.
    pub const NONE: Self = Self(0);

    /// The set as bits, in the order of [`UnavailableReason::ALL`]: what goes into digests and messages.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether there is no reason.
    pub const fn is_available(self) -> bool {
        self.0 == 0
    }

    /// Whether a reason is among them.
    pub const fn contains(self, reason: UnavailableReason) -> bool {
        self.0 & reason.bit() != 0
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, reason: UnavailableReason) -> Self {
        Self(self.0 | reason.bit())
    }

    /// The set with one less.
    #[must_use]
    pub const fn without(self, reason: UnavailableReason) -> Self {
        Self(self.0 & !reason.bit())
    }

    /// The reasons of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Every reason in it, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = UnavailableReason> {
        UnavailableReason::ALL.into_iter().filter(move |reason| self.contains(*reason))
    }
}

impl FromIterator<UnavailableReason> for Reasons {
    fn from_iter<I: IntoIterator<Item = UnavailableReason>>(reasons: I) -> Self {
        reasons.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(UnavailableReason::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in_and_nothing_else() {
        for reason in UnavailableReason::ALL {
            let set = Reasons::NONE.with(reason);
            assert!(!set.is_available() && set.contains(reason), "{reason:?}");
            assert_eq!(set.iter().collect::<Vec<_>>(), [reason]);
            assert_eq!(set.without(reason), Reasons::NONE);
        }
        let all: Reasons = UnavailableReason::ALL.into_iter().collect();
        assert_eq!(all.bits(), 0xff);
        assert_eq!(all.iter().collect::<Vec<_>>(), UnavailableReason::ALL);
    }
}
