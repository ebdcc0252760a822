//! The replay window over one sender's counter (RFC 6479), wide enough for a burst that arrives out of order.
//!
//! The heartbeat's window is 64 wide, which is what the kernel can afford (`afc_ebpf::replay`).

/// Bits of one word.
const WORD: u64 = u64::BITS as u64;
/// Words in the ring; one is always being refilled.
const WORDS: usize = 33;
/// Counters below the highest that can still be told apart.
pub(super) const WIDTH: u64 = (WORDS as u64 - 1) * WORD;

/// Which counters were seen.
#[derive(Clone, Debug)]
pub(super) struct Window {
    top: u64,
    seen: [u64; WORDS],
}

impl Window {
    /// A window in which everything up to `counter` was seen: what a sender sent before it was proven to be alive is
    /// nothing that it says now.
    pub(super) fn starting_at(counter: u64) -> Self {
        let mut window = Self { top: counter, seen: [u64::MAX; WORDS] };
        window.seen[Self::word(counter)] = u64::MAX >> (WORD - 1 - counter % WORD);
        window
    }

    /// Whether a counter was not seen yet and is not too old to tell.
    pub(super) fn is_new(&self, counter: u64) -> bool {
        counter > self.top || (self.top - counter < WIDTH && !self.has(counter))
    }

    /// Remembers a counter; whether it was new.
    pub(super) fn accept(&mut self, counter: u64) -> bool {
        if !self.is_new(counter) {
            return false;
        }
        if counter > self.top {
            let (from, to) = (self.top / WORD + 1, counter / WORD);
            for word in from..=to.min(from + WORDS as u64 - 1) {
                self.seen[(word % WORDS as u64) as usize] = 0;
            }
            self.top = counter;
        }
        self.seen[Self::word(counter)] |= 1 << (counter % WORD);
        true
    }

    fn has(&self, counter: u64) -> bool {
        self.seen[Self::word(counter)] & (1 << (counter % WORD)) != 0
    }

    fn word(counter: u64) -> usize {
        (counter / WORD % WORDS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_counter_is_accepted_once_in_any_order_and_as_a_set_says() {
        let mut random = fastrand::Rng::with_seed(3);
        for round in 0..50 {
            let start = random.u64(1..5000);
            let mut window = Window::starting_at(start);
            let (mut seen, mut top) = (BTreeSet::new(), start);
            for step in 0..5000 {
                let leap = if random.u32(0..500) == 0 { 3 * WIDTH } else { 20 };
                let counter = (top + leap).saturating_sub(random.u64(0..WIDTH + 40));
                let expected = counter > start && top.saturating_sub(counter) < WIDTH && seen.insert(counter);
                assert_eq!(
                    window.is_new(counter),
                    expected,
                    "round {round}, step {step}: {counter} at {top}"
                );
                assert_eq!(window.accept(counter), expected);
                top = top.max(counter);
            }
        }
    }

    #[test]
    fn a_window_is_at_least_1024_wide_and_the_extremes_do_not_overflow() {
        const { assert!(WIDTH >= 1024) };
        let mut window = Window::starting_at(0);
        assert!(!window.accept(0) && window.accept(u64::MAX) && !window.accept(u64::MAX));
        assert!(window.accept(u64::MAX - WIDTH + 1) && !window.accept(u64::MAX - WIDTH));
    }
}
