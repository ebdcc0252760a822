//! The queue of effects, in the order in which they must be done.

use std::collections::VecDeque;

use super::{effect::Effect, message::Message};

/// Messages that wait at most. Beyond it a message is dropped and counted, as a full network would; all other
/// effects are always kept, and one event makes only a few of them a service.
const MESSAGES_MAX: usize = 4096;
/// Room made at the start: what the fast path uses between two pulls.
const EFFECTS_RESERVED: usize = 4096 + 1024;

/// Effects that wait to be pulled.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    queue: VecDeque<Effect>,
    messages: usize,
    dropped: u64,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::with_capacity(EFFECTS_RESERVED), messages: 0, dropped: 0 }
    }

    /// Queues anything but a message.
    pub(super) fn push(&mut self, effect: Effect) {
        self.queue.push_back(effect);
    }

    /// Queues a message, unless too many wait.
    pub(super) fn send(&mut self, message: Message) {
        if self.messages >= MESSAGES_MAX {
            self.dropped += 1;
            return;
        }
        self.messages += 1;
        self.queue.push_back(Effect::Send(message));
    }

    /// The next effect to do.
    pub(super) fn pop(&mut self) -> Option<Effect> {
        let effect = self.queue.pop_front()?;
        if matches!(effect, Effect::Send(_)) {
            self.messages -= 1;
        }
        Some(effect)
    }

    /// Messages dropped because too many waited.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
