//! What each tone looks like. Few colours; without them, weight alone: every word says by itself what it means.

use ratatui::style::{Color, Modifier, Style};

use crate::top::view::Tone;

/// Which styles there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::top) enum Palette {
    /// With colours.
    Coloured,
    /// Without, as NO_COLOR asks for.
    Plain,
}

impl Palette {
    /// What the environment asks for: `variable` is `std::env::var` with an empty one taken for none.
    pub(in crate::top) fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        if variable("NO_COLOR").is_some() { Self::Plain } else { Self::Coloured }
    }

    pub(super) fn style(self, tone: Tone) -> Style {
        let coloured = |colour| match self {
            Self::Coloured => Style::new().fg(colour),
            Self::Plain => Style::new(),
        };
        match tone {
            Tone::Plain => Style::new(),
            Tone::Faint => Style::new().add_modifier(Modifier::DIM),
            Tone::Notable => coloured(Color::Yellow),
            Tone::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    /// Of columns.
    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Of the section that the keys scroll, and of others.
    pub(super) fn section(self, focus: Focused) -> Style {
        match (focus, self) {
            (Focused::Yes, Self::Coloured) => Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
            (Focused::Yes, Self::Plain) => Style::new().add_modifier(Modifier::BOLD),
            (Focused::No, Self::Coloured | Self::Plain) => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Of what must be seen before anything else, and of the line of keys.
    pub(super) fn banner(self, tone: Tone) -> Style {
        self.style(tone).add_modifier(Modifier::REVERSED)
    }

    /// Laid over what is no longer true for sure.
    pub(super) fn stale(self) -> Style {
        match self {
            Self::Coloured => Style::new().fg(Color::Reset).add_modifier(Modifier::DIM),
            Self::Plain => Style::new().add_modifier(Modifier::DIM),
        }
    }
}

/// Whether a section is the one that the keys scroll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focused {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tone_has_a_colour_if_no_color_says_so() {
        let asked = |value: &'static str| {
            Palette::detect(move |name| (name == "NO_COLOR" && !value.is_empty()).then(|| value.to_owned()))
        };
        assert_eq!((asked("1"), asked("")), (Palette::Plain, Palette::Coloured));
        for tone in [Tone::Plain, Tone::Faint, Tone::Notable, Tone::Bad] {
            let styles = [Palette::Plain.style(tone), Palette::Plain.banner(tone), Palette::Plain.stale()];
            assert!(styles.iter().all(|style| style.fg.is_none() && style.bg.is_none()), "{styles:?}");
        }
        assert_eq!(Palette::Plain.section(Focused::Yes).fg, None);
        assert_eq!(Palette::Coloured.style(Tone::Bad).fg, Some(Color::Red));
    }
}
