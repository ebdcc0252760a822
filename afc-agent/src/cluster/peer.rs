//! What the controller knows of one other node: its session, what it has of ours, and what is to be repeated.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::{
    change::Outcome,
    record::Version,
    window::Window,
    wire::{Question, Session},
};

/// A peer that answered nothing for so long is silent: it is told of changes once a second at most.
const SILENT_AFTER_NS: u64 = 2_000_000_000;

/// Another node of the cluster.
pub(super) struct Peer {
    pub(super) address: Ipv4Addr,
    /// The session that proved to be alive, with its window.
    pub(super) session: Option<(Session, Window)>,
    /// The one before it: a session that comes back is another machine of the same name.
    pub(super) former: Option<Session>,
    /// Datagrams sent to it.
    pub(super) counter: u64,
    /// The question that only a living session can answer, and when it was first asked.
    pub(super) question: Option<(Question, u64)>,
    /// Repeats the question while no session is known.
    pub(super) hello: Retry,
    /// How many Hellos of it are answered.
    pub(super) hello_budget: Budget,
    /// Since when it was sent records and nothing came from it.
    pub(super) unanswered_since_ns: Option<u64>,
    /// The newest record of ours that it has.
    pub(super) acked: Version,
    /// Repeats our record until it has it.
    pub(super) flood: Retry,
    /// When the present record was a change that it was told of at once: then its acknowledgement is measured.
    pub(super) told_ns: Option<u64>,
    /// Its pages are not sent again before.
    pub(super) pages_after_ns: u64,
    pub(super) lists: ListsView,
    /// Commands from it by id, with what became of them.
    pub(super) commands: BTreeMap<u64, IncomingState>,
    /// Commands up to this id were forgotten, and are not done again.
    pub(super) forgotten_command: u64,
}

/// What a peer's lists look like from here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ListsView {
    pub(super) differs_since_ns: Option<u64>,
    pub(super) is_alarm: bool,
}

/// A command that came.
#[derive(Clone, Debug)]
pub(super) struct IncomingState {
    pub(super) since_ns: u64,
    pub(super) outcome: Option<Outcome>,
}

impl Peer {
    pub(super) fn new(address: Ipv4Addr) -> Self {
        Self {
            address,
            session: None,
            former: None,
            counter: 0,
            question: None,
            hello: Retry::OFF,
            hello_budget: Budget::default(),
            unanswered_since_ns: None,
            acked: Version::default(),
            flood: Retry::OFF,
            told_ns: None,
            pages_after_ns: 0,
            lists: ListsView::default(),
            commands: BTreeMap::new(),
            forgotten_command: 0,
        }
    }

    pub(super) fn known_session(&self) -> Option<Session> {
        self.session.as_ref().map(|(session, _)| *session)
    }

    pub(super) fn is_silent(&self, now_ns: u64) -> bool {
        self.unanswered_since_ns.is_some_and(|since| now_ns.saturating_sub(since) > SILENT_AFTER_NS)
    }
}

/// Something that is repeated with growing pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retry {
    due_ns: u64,
    /// The pause after the next repetition.
    pause_ns: u64,
}

impl Retry {
    /// Nothing to repeat.
    pub(super) const OFF: Self = Self { due_ns: u64::MAX, pause_ns: 0 };

    /// At once, and again after a pause.
    pub(super) fn at_once(now_ns: u64, pause_ns: u64) -> Self {
        Self { due_ns: now_ns, pause_ns }
    }

    /// Again after a pause.
    pub(super) fn after(now_ns: u64, pause_ns: u64) -> Self {
        Self { due_ns: now_ns.saturating_add(pause_ns), pause_ns: pause_ns.saturating_mul(2) }
    }

    /// Once more, and the time after that after twice the pause. Each pause is an eighth shorter or longer, so that nodes
    /// do not fall into step.
    pub(super) fn again(self, now_ns: u64, most_ns: u64, random: &mut fastrand::Rng) -> Self {
        let pause_ns = self.pause_ns.min(most_ns);
        let swing_ns = pause_ns / 8;
        let due_ns = now_ns.saturating_add(pause_ns - swing_ns).saturating_add(random.u64(0..=2 * swing_ns));
        Self { due_ns, pause_ns: pause_ns.saturating_mul(2) }
    }

    pub(super) fn due_ns(self) -> Option<u64> {
        (self.due_ns != u64::MAX).then_some(self.due_ns)
    }

    pub(super) fn is_due(self, now_ns: u64) -> bool {
        self.due_ns().is_some_and(|due_ns| due_ns <= now_ns)
    }

    pub(super) fn is_off(self) -> bool {
        self.due_ns == u64::MAX
    }
}

/// A rate: so many at once, so many a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    /// When it would be full, were nothing more taken.
    full_ns: u64,
}

/// At once.
const BUDGET: u64 = 8;
/// One more after this.
const BUDGET_REFILL_NS: u64 = 100_000_000;

impl Budget {
    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now_ns: u64) -> bool {
        let full_ns = self.full_ns.max(now_ns) + BUDGET_REFILL_NS;
        let has_one = full_ns <= now_ns + BUDGET * BUDGET_REFILL_NS;
        if has_one {
            self.full_ns = full_ns;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_eight_at_once_and_then_ten_a_second() {
        let mut budget = Budget::default();
        let taken = |budget: &mut Budget, now_ns| (0..100).filter(|_| budget.take(now_ns)).count();
        assert_eq!(taken(&mut budget, 5), 8);
        assert_eq!(taken(&mut budget, 99_000_000), 0);
        assert_eq!(taken(&mut budget, 205_000_000), 2);
        assert_eq!(taken(&mut budget, 3_600_000_000_000), 8);
    }

    #[test]
    fn pauses_double_up_to_the_most() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut retry = Retry::after(0, 15);
        assert!(!retry.is_due(14) && retry.is_due(15) && !Retry::OFF.is_due(u64::MAX));
        assert!(Retry::at_once(7, 15).is_due(7));
        for pause in [30, 60, 120, 240, 250, 250] {
            retry = retry.again(1000, 250, &mut random);
            let due_ns = retry.due_ns().unwrap();
            assert!(
                (1000 + pause * 7 / 8..=1000 + pause * 9 / 8).contains(&due_ns),
                "{due_ns} after {pause}"
            );
        }
    }
}
