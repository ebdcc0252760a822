//! The live view: the cluster at work on a terminal, with keys to break it.
//!
//! Three threads: this one draws and reads keys; `poller` asks the agents; the clients are the scene's own.

mod hands;
mod model;
mod poller;
mod view;

use std::{
    thread,
    time::{Duration, Instant},
};

use afc_lab::{LabSpec, Scene, clock::now_ns};
use anyhow::Result;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};

use self::{
    hands::{Deed, Hands},
    model::{Log, Model},
    poller::Poller,
};
use super::signals;

/// Between two pictures.
const FRAME: Duration = Duration::from_millis(200);

/// Brings the cluster up and shows it until somebody quits.
pub(super) fn show(spec: LabSpec, rate_hz: u32) -> Result<()> {
    println!("building the network and starting the agents ..");
    let scene = Scene::start(spec, rate_hz)?;
    // Restores the terminal also when something panics.
    let mut terminal = ratatui::init();
    let poller = Poller::default();
    let shown = thread::scope(|scope| {
        scope.spawn(|| poller.poll(&scene.lab));
        let _end = poller.end_on_drop();
        watch(&mut terminal, &scene, &poller)
    });
    ratatui::restore();
    shown
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Select(usize),
    Do(Deed),
    Help,
    Quit,
    Nothing,
}

/// Draws and obeys.
fn watch(terminal: &mut DefaultTerminal, scene: &Scene, poller: &Poller) -> Result<()> {
    let mut hands = Hands::new(&scene.lab);
    let mut log = Log::new(Instant::now());
    let mut selected = 0;
    let mut help = view::Help::Hidden;
    let mut first_served_ns = None;
    while !signals::asked() {
        if scene.is_served() {
            first_served_ns.get_or_insert_with(now_ns);
        }
        let since_ns = first_served_ns.unwrap_or_else(now_ns);
        let model = Model::read(scene, &poller.statuses(), &hands, since_ns);
        log.note_owners(&model);
        terminal
            .draw(|frame| view::draw(frame, &view::Picture { model: &model, log: &log, selected, help }))?;
        match next_request()? {
            Request::Select(node) => selected = node.min(model.nodes.len() - 1),
            Request::Do(deed) => log.note(hands.act(deed, &model.nodes[selected].name)),
            Request::Help => help = help.toggled(),
            Request::Quit => return Ok(()),
            Request::Nothing => {}
        }
    }
    Ok(())
}

/// Waits for a key, for one frame at most.
fn next_request() -> Result<Request> {
    if event::poll(FRAME)?
        && let Event::Key(key) = event::read()?
        && key.kind == KeyEventKind::Press
    {
        return Ok(request_of(key));
    }
    Ok(Request::Nothing)
}

/// What a key means.
fn request_of(key: KeyEvent) -> Request {
    let KeyCode::Char(character) = key.code else {
        return if key.code == KeyCode::Esc { Request::Quit } else { Request::Nothing };
    };
    match character {
        'c' if key.modifiers.contains(KeyModifiers::CONTROL) => Request::Quit,
        'q' => Request::Quit,
        '?' => Request::Help,
        'k' => Request::Do(Deed::PowerCut),
        'f' => Request::Do(Deed::FreezeOrThaw),
        'c' => Request::Do(Deed::Cut),
        'o' => Request::Do(Deed::Mute),
        'x' => Request::Do(Deed::Kill),
        'h' => Request::Do(Deed::Heal),
        '1'..='9' => Request::Select(character as usize - '1' as usize),
        _ => Request::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_c_quits_and_c_alone_cuts() {
        let press = |modifiers| request_of(KeyEvent::new(KeyCode::Char('c'), modifiers));
        assert_eq!(press(KeyModifiers::CONTROL), Request::Quit);
        assert_eq!(press(KeyModifiers::NONE), Request::Do(Deed::Cut));
    }

    #[test]
    fn digits_select_nodes_from_one() {
        let press = |key| request_of(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
        assert_eq!(press('1'), Request::Select(0));
        assert_eq!(press('5'), Request::Select(4));
        assert_eq!(press('0'), Request::Nothing);
    }
}
