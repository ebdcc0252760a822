//! What was sent. A message stays here for good and can arrive at any time, any number of times, or never.
//!
//! Times in a message are ages by the clock that stamped them, in ticks; at a lease they are too old for anything to
//! depend on how old they are.

use afc_ebpf::identity::{Epoch, OwnerWord};

use crate::shape::{Nodes, place_of};

/// One message, or many of one kind that differ in age only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// CLAIMs and REPLYs of a holder that list an epoch, of every age from `young` to `old`.
    Ask(Ask),
    /// A voter's grants, by the ages of the asks that they echo: bit n is age n.
    Grant {
        /// The voter.
        by: u8,
        /// What it answers, without its ages.
        ask: Ask,
        /// Ages.
        ages: u8,
    },
    /// A voter's REFUSE of a renewal, because it has the holder's own raised epoch on record.
    Recorded {
        /// The voter.
        by: u8,
        /// The raised epoch and its owner.
        word: u64,
    },
    /// A holding was given up, for good.
    Release {
        /// What was held.
        word: u64,
    },
    /// A node asks for the service.
    Take {
        /// Who asks.
        by: u8,
        /// In which session.
        session: u8,
        /// Which of its agents.
        life: u8,
        /// How long ago, by its clock.
        age: u8,
    },
    /// The owner hands over.
    Handover {
        /// To whom.
        to: u8,
        /// For which session.
        session: u8,
        /// For which of its agents.
        life: u8,
        /// What was held.
        word: u64,
        /// How long ago the taker asked, by its clock.
        age: u8,
        /// R, ticks.
        remaining: u8,
    },
    /// The old owner tells the voters.
    Transfer {
        /// What was held.
        word: u64,
        /// Who takes it.
        to: u8,
    },
}

/// A holder's request to grant an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask {
    /// Epoch and holder.
    pub word: u64,
    /// The holder's session.
    pub session: u8,
    /// Its membership generation.
    pub generation: u8,
    /// Ticks since the last one was sent, by the holder's clock,
    pub young: u8,
    /// and since the first.
    pub old: u8,
}

impl Ask {
    /// Epoch and holder.
    pub fn owner_word(&self) -> OwnerWord {
        OwnerWord(self.word)
    }

    /// The place of the holder.
    pub fn by(&self) -> usize {
        place_of(self.owner_word().owner()).expect("a holder asks")
    }

    /// The same without its ages.
    #[must_use]
    pub fn ageless(self) -> Self {
        Self { young: 0, old: 0, ..self }
    }
}

/// Everything that was sent, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Network {
    sent: Vec<Message>,
}

impl Network {
    /// Every message.
    pub fn iter(&self) -> impl Iterator<Item = Message> + '_ {
        self.sent.iter().copied()
    }

    /// Every request.
    pub fn asks(&self) -> impl Iterator<Item = Ask> + '_ {
        self.iter().filter_map(|message| if let Message::Ask(ask) = message { Some(ask) } else { None })
    }

    /// The highest epoch that anybody could have heard of.
    pub fn highest(&self) -> Epoch {
        self.asks().map(|ask| ask.owner_word().epoch()).max().unwrap_or(Epoch::ZERO)
    }

    /// Sends. Grants of one request, and requests of one epoch, are kept together.
    pub fn send(&mut self, message: Message) {
        for known in &mut self.sent {
            match (&mut *known, message) {
                (Message::Grant { by, ask, ages }, Message::Grant { by: other, ask: to, ages: more })
                    if *by == other && *ask == to =>
                {
                    *ages |= more;
                    return;
                }
                (Message::Ask(ask), Message::Ask(again)) if ask.ageless() == again.ageless() => {
                    ask.young = 0;
                    return;
                }
                (known, message) if *known == message => return,
                _ => {}
            }
        }
        self.sent.push(message);
    }

    /// A tick of these nodes' clocks. `is_asking` says which requests go on. What an old boot stamped may lie in the new
    /// one's future, and be of just now at any time.
    pub fn age(&mut self, ticking: Nodes, cap: u8, sessions: &[u8], is_asking: impl Fn(&Ask) -> bool) {
        for message in &mut self.sent {
            match message {
                Message::Ask(ask) if ticking.contains(ask.by()) => {
                    ask.old = (ask.old + 1).min(cap);
                    ask.young = if is_asking(ask) { 0 } else { (ask.young + 1).min(cap) };
                }
                Message::Grant { ask, ages, .. } if ticking.contains(ask.by()) => {
                    *ages = (*ages << 1) & ((1 << cap) - 1);
                }
                Message::Take { by, age, .. } if ticking.contains(usize::from(*by)) => {
                    *age = (*age + 1).min(cap);
                }
                Message::Handover { to, session, age, .. } if ticking.contains(usize::from(*to)) => {
                    let is_of_this_boot = sessions[usize::from(*to)] == *session;
                    *age = if is_of_this_boot { (*age + 1).min(cap) } else { 0 };
                }
                Message::Ask(_)
                | Message::Grant { .. }
                | Message::Recorded { .. }
                | Message::Release { .. }
                | Message::Take { .. }
                | Message::Handover { .. }
                | Message::Transfer { .. } => {}
            }
        }
    }

    /// Changes or takes away messages.
    pub fn retain_mut(&mut self, keep: impl FnMut(&mut Message) -> bool) {
        self.sent.retain_mut(keep);
    }

    /// One order for one set of messages: grants that are too old for anything go.
    pub fn normalise(&mut self) {
        self.sent.retain(|message| !matches!(message, Message::Grant { ages: 0, .. }));
        self.sent.sort_unstable();
        self.sent.dedup();
    }
}
