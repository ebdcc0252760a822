//! The replay window of one peer (RFC 4303 section 3.4.3, 64 wide).

/// Highest sequence seen and which of the 64 below it were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Window {
    /// Highest sequence accepted; 0 before the first.
    pub top: u64,
    /// Bit `i`: sequence `top - i` was accepted.
    pub seen: u64,
}

impl Window {
    /// Whether `sequence` is new; if so, the window that remembers it.
    #[inline(always)]
    pub const fn accept(self, sequence: u64) -> Option<Self> {
        if sequence > self.top {
            let ahead = sequence - self.top;
            let seen = if ahead >= 64 { 0 } else { self.seen << ahead };
            return Some(Self { top: sequence, seen: seen | 1 });
        }
        let behind = self.top - sequence;
        if behind >= 64 || self.seen & (1 << behind) != 0 {
            return None;
        }
        Some(Self { top: self.top, seen: self.seen | (1 << behind) })
    }

    /// Whether `sequence` is too old for the window to say anything of it. A duplicate of what the window covers is a
    /// duplicate, whatever else it proves.
    #[inline(always)]
    pub const fn is_behind(self, sequence: u64) -> bool {
        self.top.saturating_sub(sequence) >= 64
    }

    /// A window that starts anew at `sequence`, for a peer whose restart was proven by a fresh echo.
    #[inline(always)]
    pub const fn restart(sequence: u64) -> Self {
        Self { top: sequence, seen: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_accepted_once_in_any_order_within_the_window() {
        let mut window = Window::default();
        for sequence in [1000, 1001, 999, 1063, 1002, 1126, 1064] {
            window = window.accept(sequence).expect("new sequence");
            assert_eq!(window.accept(sequence), None, "{sequence} twice");
        }
        assert_eq!(window.accept(1062), None, "64 behind the top is too old");
        assert!(window.accept(1065).is_some());
    }

    #[test]
    fn a_leap_forgets_the_old_window() {
        let window = Window::default().accept(5).unwrap().accept(5 + 1000).unwrap();
        assert_eq!(window.seen, 1);
        assert_eq!(window.accept(5), None);
    }

    #[test]
    fn only_what_the_window_does_not_cover_is_behind_it() {
        let window = Window::restart(1000);
        for (sequence, behind) in [(0, true), (936, true), (937, false), (1000, false), (2000, false)] {
            assert_eq!(window.is_behind(sequence), behind, "{sequence}");
        }
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let window = Window::restart(u64::MAX);
        assert_eq!(window.accept(u64::MAX), None);
        assert!(window.accept(u64::MAX - 63).is_some());
        assert_eq!(window.accept(0), None);
    }
}
