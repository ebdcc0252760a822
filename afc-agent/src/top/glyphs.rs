//! Bars made of characters: of Unicode's blocks, or of ASCII where the terminal has nothing else.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Which characters there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glyphs {
    /// Blocks in eighths, lines, an ellipsis.
    Unicode,
    /// Nothing beyond ASCII.
    Ascii,
}

/// A cell filled from its left, in eighths.
const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// Eight heights.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_HEIGHTS: [char; 8] = ['_', '.', '-', ':', '=', '+', '*', '#'];

impl Glyphs {
    /// What the environment says of the terminal: `variable` is `std::env::var` with an empty one taken for none. The
    /// console of Linux has a font of 256 characters, without most blocks.
    pub(super) fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(&variable).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
        if is_utf8 && variable("TERM").is_none_or(|term| term != "linux") {
            Self::Unicode
        } else {
            Self::Ascii
        }
    }

    /// A bar of `width` cells that is filled by a share of 0 to 1.
    pub(super) fn gauge(self, share: f64, width: usize) -> String {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        match self {
            Self::Unicode => {
                let eighths = (share * (width * 8) as f64).round() as usize;
                let cell = |at: usize| match eighths.saturating_sub(at * 8) {
                    0 => '░',
                    part => EIGHTHS[part.min(8)],
                };
                (0..width).map(cell).collect()
            }
            Self::Ascii => {
                let full = (share * width as f64).round() as usize;
                (0..width).map(|at| if at < full { '#' } else { '.' }).collect()
            }
        }
    }

    /// The newest values that fit into `width` cells, as heights between nothing and the highest of them.
    pub(super) fn sparkline(self, values: &[Option<f64>], width: usize) -> String {
        let shown = &values[values.len().saturating_sub(width)..];
        let highest = shown.iter().flatten().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let heights = match self {
            Self::Unicode => &HEIGHTS,
            Self::Ascii => &ASCII_HEIGHTS,
        };
        let cell = |value: &Option<f64>| match value {
            Some(value) if highest > 0.0 && value.is_finite() => {
                heights[((value / highest * 8.0).ceil().max(1.0) as usize - 1).min(7)]
            }
            Some(_) => heights[0],
            None => ' ',
        };
        let padding = std::iter::repeat_n(' ', width - shown.len());
        padding.chain(shown.iter().map(cell)).collect()
    }

    /// The line above a section.
    pub(super) const fn rule(self) -> char {
        match self {
            Self::Unicode => '─',
            Self::Ascii => '-',
        }
    }

    /// Stands for what was cut off.
    const fn ellipsis(self) -> char {
        match self {
            Self::Unicode => '…',
            Self::Ascii => '~',
        }
    }

    /// A text without what a terminal would obey.
    pub(super) fn printable(self, text: &str) -> String {
        let mark = match self {
            Self::Unicode => char::REPLACEMENT_CHARACTER,
            Self::Ascii => '?',
        };
        text.chars().map(|character| if character.is_control() { mark } else { character }).collect()
    }

    /// As much of a text, made printable, as fits into `width` cells, which it says if that is not all.
    pub(super) fn clip(self, text: &str, width: usize) -> String {
        let text = self.printable(text);
        if text.width() <= width {
            return text;
        }
        let mut clipped = String::new();
        let mut left = width.saturating_sub(1);
        for character in text.chars() {
            let needed = character.width().unwrap_or(0);
            if needed > left {
                break;
            }
            left -= needed;
            clipped.push(character);
        }
        if width > 0 {
            clipped.push(self.ellipsis());
        }
        clipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_says_which_characters_there_are() {
        for (variables, wanted) in [
            (&[("LANG", "en_US.UTF-8")][..], Glyphs::Unicode),
            (&[("LC_ALL", "C.utf8"), ("LANG", "C")], Glyphs::Unicode),
            (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], Glyphs::Ascii),
            (&[("LANG", "C.UTF-8"), ("TERM", "linux")], Glyphs::Ascii),
            (&[("LANG", "C.UTF-8"), ("TERM", "xterm-256color")], Glyphs::Unicode),
            (&[], Glyphs::Ascii),
        ] {
            let found = Glyphs::detect(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            });
            assert_eq!(found, wanted, "{variables:?}");
        }
    }

    #[test]
    fn a_gauge_is_as_full_as_its_share_and_always_as_wide_as_asked_for() {
        for (share, unicode, ascii) in [
            (0.0, "░░░░", "...."),
            (0.1, "▍░░░", "...."),
            (0.5, "██░░", "##.."),
            (0.97, "███▉", "####"),
            (1.0, "████", "####"),
            (7.0, "████", "####"),
            (-1.0, "░░░░", "...."),
            (f64::NAN, "░░░░", "...."),
        ] {
            assert_eq!(Glyphs::Unicode.gauge(share, 4), unicode, "{share}");
            assert_eq!(Glyphs::Ascii.gauge(share, 4), ascii, "{share}");
        }
        assert_eq!(Glyphs::Unicode.gauge(0.5, 0), "");
    }

    #[test]
    fn a_sparkline_has_the_newest_at_its_right_and_a_hole_where_nothing_was_measured() {
        for (values, unicode, ascii) in [
            (&[][..], "    ", "    "),
            (&[Some(8.0)], "   █", "   #"),
            (&[Some(9.0), Some(1.0), None, Some(4.0), Some(8.0)], "▁ ▄█", "_ :#"),
            (&[Some(0.0), Some(0.0)], "  ▁▁", "  __"),
            (&[Some(f64::NAN), Some(f64::INFINITY), Some(-3.0), Some(2.0)], "▁▁▁█", "___#"),
        ] {
            assert_eq!(Glyphs::Unicode.sparkline(values, 4), unicode, "{values:?}");
            assert_eq!(Glyphs::Ascii.sparkline(values, 4), ascii, "{values:?}");
        }
        assert_eq!(Glyphs::Unicode.sparkline(&[Some(1.0)], 0), "");
    }

    #[test]
    fn a_text_is_cut_by_the_width_of_its_characters() {
        for (text, width, clipped) in [
            ("web-1", 5, "web-1"),
            ("web-1", 4, "web…"),
            ("web-1", 1, "…"),
            ("web-1", 0, ""),
            ("a\u{1b}[2J", 9, "a\u{fffd}[2J"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
        ] {
            assert_eq!(Glyphs::Unicode.clip(text, width), clipped, "{text} in {width}");
        }
        assert_eq!(Glyphs::Ascii.clip("web-1", 4), "web~");
        assert_eq!(Glyphs::Ascii.printable("a\r\nb"), "a??b");
    }
}
