//! What each key asks for.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::looking::Step;

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// To end.
    Quit,
    /// To close what is open, or to end.
    Back,
    /// To be put into the background, as the shell's job control does.
    Suspend,
    /// To look at the next section.
    FocusNext,
    /// To look at the section before.
    FocusPrevious,
    /// To scroll the section in focus.
    Scroll(Step),
    /// To stop the picture, or to let it go on.
    Pause,
    /// To see or to close the help.
    Help,
    /// To draw everything anew.
    Redraw,
    /// Nothing.
    Nothing,
}

/// What the keys do, for the help.
pub(super) const HELP: [[&str; 2]; 9] = [
    ["q, Esc, Ctrl-C", "quit"],
    ["Tab, Shift-Tab", "the next section, or the one before: what is in focus is always shown"],
    ["Up, Down, k, j", "scroll it by a row"],
    ["PgUp, PgDn", "scroll it by what is shown"],
    ["Home, End, g, G", "to its first row, to its last; events are followed at their end"],
    ["Left, Right, h, l", "scroll the matrix sideways"],
    ["p, Space", "stop the picture, or let it go on"],
    ["Ctrl-L, Ctrl-Z", "draw everything anew, go into the background"],
    ["?", "show or close this"],
];

/// What a key means.
#[expect(clippy::wildcard_enum_match_arm, reason = "keys are not ours, and most mean nothing")]
pub(super) fn request_of(key: KeyEvent) -> Request {
    if key.kind == KeyEventKind::Release {
        return Request::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Request::Quit,
            KeyCode::Char('z') => Request::Suspend,
            KeyCode::Char('l') => Request::Redraw,
            _ => Request::Nothing,
        };
    }
    match key.code {
        KeyCode::Char('q') => Request::Quit,
        KeyCode::Esc => Request::Back,
        KeyCode::Tab => Request::FocusNext,
        KeyCode::BackTab => Request::FocusPrevious,
        KeyCode::Up | KeyCode::Char('k') => Request::Scroll(Step::Up),
        KeyCode::Down | KeyCode::Char('j') => Request::Scroll(Step::Down),
        KeyCode::Left | KeyCode::Char('h') => Request::Scroll(Step::Left),
        KeyCode::Right | KeyCode::Char('l') => Request::Scroll(Step::Right),
        KeyCode::PageUp => Request::Scroll(Step::PageUp),
        KeyCode::PageDown => Request::Scroll(Step::PageDown),
        KeyCode::Home | KeyCode::Char('g') => Request::Scroll(Step::Home),
        KeyCode::End | KeyCode::Char('G') => Request::Scroll(Step::End),
        KeyCode::Char('p' | ' ') => Request::Pause,
        KeyCode::Char('?') => Request::Help,
        _ => Request::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_help_says() {
        use KeyCode::{BackTab, Char, Down, End, Esc, F, Home, Left, PageDown, PageUp, Right, Tab, Up};
        for (code, control, request) in [
            (Char('q'), false, Request::Quit),
            (Char('c'), true, Request::Quit),
            (Char('c'), false, Request::Nothing),
            (Char('q'), true, Request::Nothing),
            (Esc, false, Request::Back),
            (Char('z'), true, Request::Suspend),
            (Char('l'), true, Request::Redraw),
            (Tab, false, Request::FocusNext),
            (BackTab, false, Request::FocusPrevious),
            (Up, false, Request::Scroll(Step::Up)),
            (Char('k'), false, Request::Scroll(Step::Up)),
            (Down, false, Request::Scroll(Step::Down)),
            (Char('j'), false, Request::Scroll(Step::Down)),
            (Left, false, Request::Scroll(Step::Left)),
            (Right, false, Request::Scroll(Step::Right)),
            (Char('l'), false, Request::Scroll(Step::Right)),
            (PageUp, false, Request::Scroll(Step::PageUp)),
            (PageDown, false, Request::Scroll(Step::PageDown)),
            (Home, false, Request::Scroll(Step::Home)),
            (End, false, Request::Scroll(Step::End)),
            (Char('G'), false, Request::Scroll(Step::End)),
            (Char('p'), false, Request::Pause),
            (Char(' '), false, Request::Pause),
            (Char('?'), false, Request::Help),
            (Char('ä'), false, Request::Nothing),
            (F(5), false, Request::Nothing),
        ] {
            let modifiers = if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            assert_eq!(request_of(KeyEvent::new(code, modifiers)), request, "{code:?}, control {control}");
        }
    }

    #[test]
    fn letting_a_key_go_means_nothing() {
        let key = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(request_of(key), Request::Nothing);
    }
}
