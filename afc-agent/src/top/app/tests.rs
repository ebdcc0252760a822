//! Keys and samples in, screens out.

use std::time::Duration;

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyModifiers},
};

use super::*;
use crate::top::example::{FIVE, INTERVAL};

struct Bench {
    app: App,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        let start = Instant::now();
        let app = App::new(FIVE.model(start, 1), Glyphs::Unicode, Palette::Plain);
        Self { app, start }
    }

    fn press(&mut self, code: KeyCode) -> Next {
        self.app.handle_key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn screen(&mut self, after: Duration) -> String {
        let mut terminal = Terminal::new(TestBackend::new(100, 24)).unwrap();
        let now = self.start + after;
        terminal.draw(|frame| self.app.draw(frame, now)).unwrap();
        terminal.backend().to_string()
    }

    /// The agent says that another node serves `web-2` now.
    fn move_service(&mut self) {
        let mut sample = FIVE.sample(self.start + INTERVAL, 1);
        sample.status.services[1].owner = Some("n5".to_owned());
        sample.status.services[1].epoch = 77;
        self.app.handle_sample(Ok(Box::new(sample)));
    }
}

#[test]
fn keys_quit_and_go_into_the_background() {
    for (code, next) in [
        (KeyCode::Char('q'), Next::Quit),
        (KeyCode::Esc, Next::Quit),
        (KeyCode::Char('x'), Next::Draw),
        (KeyCode::Tab, Next::Draw),
    ] {
        assert_eq!(Bench::new().press(code), next, "{code:?}");
    }
    let control = |key| Bench::new().app.handle_key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL));
    assert_eq!([control('c'), control('z'), control('l')], [Next::Quit, Next::Suspend, Next::DrawAnew]);
}

#[test]
fn the_help_opens_and_escape_closes_it_before_it_quits() {
    let mut bench = Bench::new();
    assert!(!bench.screen(INTERVAL).contains("q, Esc, Ctrl-C"));
    bench.press(KeyCode::Char('?'));
    assert!(bench.screen(INTERVAL).contains("q, Esc, Ctrl-C"));
    assert_eq!(bench.press(KeyCode::Esc), Next::Draw);
    assert!(!bench.screen(INTERVAL).contains("q, Esc, Ctrl-C"));
    assert_eq!(bench.press(KeyCode::Esc), Next::Quit);
}

#[test]
fn a_paused_picture_stands_still_and_goes_on_with_the_latest() {
    let mut bench = Bench::new();
    bench.press(KeyCode::Char('p'));
    bench.move_service();
    let paused = bench.screen(INTERVAL);
    assert!(paused.contains("paused; p goes on") && !paused.contains("77"), "{paused}");
    bench.press(KeyCode::Char('p'));
    let live = bench.screen(INTERVAL);
    assert!(!live.contains("paused") && live.contains("77"), "{live}");
}

#[test]
fn an_agent_that_goes_away_is_said_to_and_what_was_known_stays() {
    let mut bench = Bench::new();
    bench.app.handle_sample(Err("no agent answers".to_owned()));
    let lost = bench.screen(Duration::from_secs(3));
    assert!(lost.contains("not reachable since 3s, trying again: no agent answers"), "{lost}");
    assert!(lost.contains("web-1"), "{lost}");
    bench.move_service();
    let back = bench.screen(INTERVAL);
    assert!(!back.contains("not reachable") && back.contains("77"), "{back}");
}

#[test]
fn the_focus_moves_and_scrolls_what_it_is_on() {
    let mut bench = Bench::new();
    bench.screen(INTERVAL);
    bench.press(KeyCode::BackTab);
    assert!(!bench.screen(INTERVAL).contains("(End follows)"), "the newest events are followed at first");
    bench.press(KeyCode::Home);
    let oldest = bench.screen(INTERVAL);
    assert!(oldest.contains("(End follows)") && oldest.contains("a new session"), "{oldest}");
    bench.press(KeyCode::End);
    let newest = bench.screen(INTERVAL);
    assert!(!newest.contains("(End follows)") && newest.contains("web-2 is backed up"), "{newest}");
}
