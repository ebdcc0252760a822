//! What the engine remembers of another node. State only; `probing`, `suspicion` and `voter` change it.

use afc_ebpf::{
    layout::MAX_HELD,
    wire::{SLOTS, flag},
};

use super::{
    message::{Message, Slots},
    setup::Role,
    suspicion::{Life, Liveness},
    view::Watch,
};

/// Pages that a holder can list.
const PAGES_MAX: usize = MAX_HELD as usize / SLOTS;

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) role: Role,
    pub(super) liveness: Liveness,
    /// Session as of its last REPLY; 0 while unknown.
    pub(super) session: u64,
    /// Flags of its latest message.
    pub(super) flags: u16,
    /// Its clock when it sent them.
    flags_sent_ns: u64,
    /// Pages that it lists.
    pub(super) pages: usize,
    /// Grants that wait for the next PROBE of each page: they answer that page's last REPLY, once.
    pub(super) grants: Vec<Grants>,
    /// How often it is probed,
    pub(super) rate: Rate,
    /// and was in the round before.
    pub(super) rate_before: Rate,
}

/// Grants for one REPLY.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grants {
    /// The holder's clock in that REPLY.
    pub(super) echo_ns: u64,
    /// What is granted.
    pub(super) slots: Slots,
}

/// How often a node is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// Not at all.
    Never,
    /// Each tenth interval.
    Tenth,
    /// Each interval.
    Every,
}

impl Node {
    /// A node that may hold so many services, and so lists as many at most: in a large cluster each node holds few of all.
    pub(super) fn new(role: Role, services: usize) -> Self {
        let pages = services.div_ceil(SLOTS).clamp(1, PAGES_MAX);
        Self::with_grants(role, vec![Grants::default(); pages])
    }

    /// Nothing is known of it any more.
    pub(super) fn forget(&mut self) {
        let mut grants = std::mem::take(&mut self.grants);
        grants.fill(Grants::default());
        *self = Self::with_grants(self.role, grants);
    }

    fn with_grants(role: Role, grants: Vec<Grants>) -> Self {
        Self {
            role,
            liveness: Liveness::new(),
            session: 0,
            flags: 0,
            flags_sent_ns: 0,
            pages: 1,
            grants,
            rate: Rate::Never,
            rate_before: Rate::Never,
        }
    }

    /// Forgets what belongs to one session, of this node or of the other.
    pub(super) fn forget_session(&mut self) {
        self.pages = 1;
        self.flags_sent_ns = 0;
        self.grants.fill(Grants::default());
    }

    /// Remembers the flags of its latest message, by its own clock; whether they changed.
    pub(super) fn note_flags(&mut self, message: &Message) -> bool {
        if message.sent_ns < self.flags_sent_ns {
            return false;
        }
        self.flags_sent_ns = message.sent_ns;
        let before = std::mem::replace(&mut self.flags, message.flags & (flag::AVAILABLE | flag::DRAINING));
        before != self.flags
    }

    pub(super) fn is_alive(&self) -> bool {
        matches!(self.liveness.life(), Life::Alive { .. })
    }

    pub(super) fn is_suspected(&self) -> bool {
        self.liveness.life() == Life::Suspected
    }

    /// What to tell others about it.
    pub(super) fn watch(&self) -> Option<Watch> {
        match (self.rate, self.liveness.life()) {
            (Rate::Never, _) | (_, Life::Unknown) => None,
            (Rate::Tenth | Rate::Every, Life::Alive { .. }) => Some(Watch::Alive),
            (Rate::Tenth | Rate::Every, Life::Suspected) => Some(Watch::Suspected),
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.flags & flag::DRAINING != 0
    }

    pub(super) fn is_available(&self) -> bool {
        self.flags & flag::AVAILABLE != 0 && !self.is_draining()
    }

    /// Whether grants wait to be sent.
    pub(super) fn has_grants(&self) -> bool {
        self.grants.iter().any(|grants| !grants.slots.as_slice().is_empty())
    }
}
