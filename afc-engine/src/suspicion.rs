//! When one node suspects another: "late me, late peer" (design.md section 2). Pure; suspicion moves nothing
//! by itself.
//!
//! A verdict uses the kernel's receive times and the probes that were really sent, never the time userspace
//! looked.

use super::event::Heard;

/// Probes that must be sent and not answered.
const UNANSWERED_MIN: u8 = 2;

/// What is known of a node's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It never answered.
    Unknown,
    /// It answers, without a break since then.
    Alive { since_ns: u64 },
    /// Enough probes were sent and none answered.
    Suspected,
}

/// A change of [`Life`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers (again).
    Alive,
    /// It is silent for `silence_ns`.
    Suspected { silence_ns: u64 },
}

/// The liveness of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    life: Life,
    /// Receive time of its last message, and of its last REPLY, by the kernel.
    heard_ns: u64,
    reply_ns: u64,
    /// When the first probe of this silence was sent: a node that never answered is silent since then.
    probing_since_ns: Option<u64>,
    last_probe_ns: u64,
    unanswered: u8,
}

impl Liveness {
    pub(super) const fn new() -> Self {
        Self {
            life: Life::Unknown,
            heard_ns: 0,
            reply_ns: 0,
            probing_since_ns: None,
            last_probe_ns: 0,
            unanswered: 0,
        }
    }

    pub(super) const fn life(&self) -> Life {
        self.life
    }

    /// A probe was really sent. A second one in the same half interval asks nothing new and does not count.
    pub(super) fn probed(&mut self, now_ns: u64, interval_ns: u64) {
        let since_last = now_ns.saturating_sub(self.last_probe_ns);
        if self.probing_since_ns.is_some() && since_last < interval_ns / 2 {
            return;
        }
        self.probing_since_ns.get_or_insert(now_ns);
        self.last_probe_ns = now_ns;
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// The kernel's word on its last REPLY.
    pub(super) fn heard(&mut self, heard: &Heard, lease_ns: u64, now_ns: u64) -> Option<Verdict> {
        if heard.heard_ns <= now_ns {
            self.heard_ns = self.heard_ns.max(heard.heard_ns);
        }
        if heard.reply_ns <= self.reply_ns || heard.reply_ns > now_ns {
            return None;
        }
        self.reply_ns = heard.reply_ns;
        self.unanswered = u8::from(self.last_probe_ns > heard.reply_ns);
        let is_fresh = now_ns - heard.reply_ns < lease_ns;
        if matches!(self.life, Life::Alive { .. }) || !is_fresh {
            return None;
        }
        self.life = Life::Alive { since_ns: heard.reply_ns };
        Some(Verdict::Alive)
    }

    /// Whether it is alive as far as is known: it answers; or nobody probes it, as a witness, and it was
    /// heard lately.
    pub(super) fn is_alive(&self, lately_ns: u64, now_ns: u64) -> bool {
        match self.life {
            Life::Alive { .. } => true,
            Life::Unknown if self.probing_since_ns.is_none() => {
                self.heard_ns != 0 && now_ns.saturating_sub(self.heard_ns) < lately_ns
            }
            Life::Unknown | Life::Suspected => false,
        }
    }

    /// It restarted: alive only since now.
    pub(super) fn restarted(&mut self, now_ns: u64) {
        if let Life::Alive { since_ns } = &mut self.life {
            *since_ns = now_ns;
        }
    }

    /// "A tick that ran late sent no probe, so it proves nothing about the peer": after a pause of a whole
    /// lease, one more probe must go unanswered.
    pub(super) fn paused(&mut self) {
        self.unanswered = self.unanswered.min(UNANSWERED_MIN - 1);
    }

    /// "Suspicion needs ≥ 2 probes that were really sent and not answered, and silence ≥ timeout."
    pub(super) fn judge(&mut self, lease_ns: u64, interval_ns: u64, now_ns: u64) -> Option<Verdict> {
        let asked_long_ago = now_ns.saturating_sub(self.last_probe_ns) >= interval_ns / 2;
        if self.life == Life::Suspected || self.unanswered < UNANSWERED_MIN || !asked_long_ago {
            return None;
        }
        let silence_ns = now_ns.saturating_sub(self.reply_ns.max(self.probing_since_ns?));
        if silence_ns < lease_ns {
            return None;
        }
        self.life = Life::Suspected;
        Some(Verdict::Suspected { silence_ns })
    }
}
