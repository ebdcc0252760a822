//! How a simulated cluster looks, what its network does, and which bugs can be planted.

use crate::{Role, Safety};

/// One millisecond.
pub(super) const MS: u64 = 1_000_000;
/// The lease of every simulated cluster.
pub(super) const LEASE: u64 = 25 * MS;
/// Its interval.
pub(super) const INTERVAL: u64 = 5 * MS;

/// A planted bug: the simulation must find each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// A restarted node votes at once.
    NoQuarantine,
    /// G is 0.75 L.
    GuardBelowLease,
    /// G is L, with clocks that differ by 11 %.
    GuardWithoutMargin,
    /// A lease counts from the grant's arrival.
    LeaseFromArrival,
    /// A grant for any epoch extends the lease.
    GrantOfAnyEpoch,
    /// A RELEASE counts for whatever epoch of its sender is on record.
    ReleaseOfAnyEpoch,
    /// The disk's floor is ignored.
    FloorLost,
    /// An adopting agent forgets what it voted.
    RecordsLost,
    /// A drop never reaches the kernel.
    DropNotInTheKernel,
}

/// What the network does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    /// Of 1000 messages, how many are lost,
    pub(super) lost: u32,
    /// come twice,
    pub(super) doubled: u32,
    /// or are held up for up to `held_up_ns`.
    pub(super) held_up: u32,
    pub(super) held_up_ns: u64,
    /// Every message takes at least this,
    pub(super) delay_ns: u64,
    /// and up to this more.
    pub(super) jitter_ns: u64,
}

impl Network {
    pub(super) const GOOD: Self =
        Self { lost: 0, doubled: 0, held_up: 0, held_up_ns: 0, delay_ns: 20_000, jitter_ns: 100_000 };
}

/// How a cluster looks.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) roles: Vec<Role>,
    /// Home and backups of each service; the first is the home.
    pub(super) services: Vec<Vec<u16>>,
    pub(super) safety: Safety,
    pub(super) preempt: bool,
    pub(super) capacity: u32,
    pub(super) start_grace_ns: u64,
    pub(super) lease_ns: u64,
    pub(super) interval_ns: u64,
}

impl Shape {
    /// Three homes, two passive backups.
    pub(super) fn five() -> Self {
        Self {
            roles: vec![Role::Member; 5],
            services: vec![vec![1, 4, 5], vec![2, 4, 5], vec![3, 4, 5]],
            safety: Safety::Quorum,
            preempt: false,
            capacity: 1,
            start_grace_ns: 100 * MS,
            lease_ns: LEASE,
            interval_ns: INTERVAL,
        }
    }

    /// Three members, one service that each may hold.
    pub(super) fn three() -> Self {
        Self { roles: vec![Role::Member; 3], services: vec![vec![1, 2, 3]], ..Self::five() }
    }
}
