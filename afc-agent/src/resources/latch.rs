//! A yes or no that changes only after what speaks for it has lasted. Pure.

/// What one look at it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// It should be on.
    Enter,
    /// Nothing speaks for a change, or nothing is known.
    Stay,
    /// It should be off.
    Leave,
}

/// Off at first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latch {
    on_since_ns: Option<u64>,
    /// Since when every look has said that it should change.
    against_since_ns: Option<u64>,
}

impl Latch {
    /// Takes one look; a change that was called for at every look for so long happens now.
    pub(super) fn look(&mut self, signal: Signal, now_ns: u64, lasting_ns: u64) {
        let is_against = match signal {
            Signal::Enter => self.on_since_ns.is_none(),
            Signal::Leave => self.on_since_ns.is_some(),
            Signal::Stay => false,
        };
        if !is_against {
            self.against_since_ns = None;
            return;
        }
        let since_ns = *self.against_since_ns.get_or_insert(now_ns);
        if now_ns.saturating_sub(since_ns) >= lasting_ns {
            self.against_since_ns = None;
            self.on_since_ns = if self.on_since_ns.is_some() { None } else { Some(now_ns) };
        }
    }

    /// Forgets what spoke for a change: there was a time when nobody looked.
    pub(super) fn interrupt(&mut self) {
        self.against_since_ns = None;
    }

    /// Since when it is on.
    pub(super) fn on_since_ns(&self) -> Option<u64> {
        self.on_since_ns
    }
}
