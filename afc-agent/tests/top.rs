//! The real `afc top` in a pseudo-terminal and in a pipe, before an agent that only answers. Needs no root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

#[path = "top/answerer.rs"]
mod answerer;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use afc_terminal::{LineMode, Size, Terminal};

use answerer::Answerer;

/// For something that should take a moment, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(60);
const SIZE: Size = Size { columns: 100, rows: 30 };

fn top(answerer: &Answerer, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afc"));
    command.arg("top").arg("--socket").arg(answerer.socket()).args(["--interval", "100ms"]).args(arguments);
    command.env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
    command.env_remove("LC_ALL").env_remove("LC_CTYPE").env_remove("NO_COLOR");
    command
}

/// A terminal that shows the services.
fn shown(answerer: &Answerer) -> Terminal {
    let mut terminal = Terminal::spawn(top(answerer, &[]), SIZE).unwrap();
    terminal.wait_for("the services are shown", SOON, |it| it.line("web-1").is_some()).unwrap();
    assert!(terminal.is_on_alternate_screen() && terminal.is_cursor_hidden());
    assert_eq!(terminal.line_mode().unwrap(), LineMode::RAW);
    terminal
}

/// Checks that the terminal is as it was.
fn assert_left(terminal: &mut Terminal) {
    terminal.wait_for("the second screen is left", SOON, |it| !it.is_on_alternate_screen()).unwrap();
    terminal.wait_for("the cursor is back", SOON, |it| !it.is_cursor_hidden()).unwrap();
    assert_eq!(terminal.line_mode().unwrap(), LineMode::COOKED);
}

#[test]
fn each_way_to_quit_leaves_the_terminal_as_it_was() {
    let answerer = Answerer::start();
    for keys in ["q", "\u{3}", "\u{1b}"] {
        let mut terminal = shown(&answerer);
        terminal.type_keys(keys).unwrap();
        assert!(terminal.wait_for_end(SOON).unwrap().success(), "{keys:?}");
        assert_left(&mut terminal);
    }
    let mut terminal = shown(&answerer);
    terminal.terminate().unwrap();
    assert!(terminal.wait_for_end(SOON).unwrap().success());
    assert_left(&mut terminal);
}

#[test]
fn a_new_owner_and_a_new_size_are_drawn_and_the_help_opens() {
    let answerer = Answerer::start();
    let mut terminal = shown(&answerer);
    answerer.give_to("n5");
    let is_moved = |it: &mut Terminal| it.line("web-1").is_some_and(|line| line.starts_with("web-1    n5"));
    terminal.wait_for("n5 serves web-1", SOON, is_moved).unwrap();
    terminal.wait_for("the event is shown", SOON, |it| it.screen().contains("n5 serves web-1")).unwrap();
    terminal.type_keys("?").unwrap();
    terminal.wait_for("the help is shown", SOON, |it| it.screen().contains("Shift-Tab")).unwrap();
    terminal.type_keys("?").unwrap();
    terminal.wait_for("the help is closed", SOON, |it| !it.screen().contains("Shift-Tab")).unwrap();
    terminal.resize(Size { columns: 60, rows: 20 }).unwrap();
    let shows = |it: &mut Terminal, title: &str| it.screen().contains(title);
    let is_cut = |it: &mut Terminal| shows(it, "BACKUPS") && !shows(it, "ADDRESSES");
    terminal.wait_for("addresses are the first to go", SOON, is_cut).unwrap();
    terminal.resize(Size { columns: 180, rows: 40 }).unwrap();
    terminal.wait_for("there is room for addresses", SOON, |it| shows(it, "ADDRESSES")).unwrap();
    terminal.resize(Size { columns: 1, rows: 1 }).unwrap();
    terminal.type_keys("q").unwrap();
    assert!(terminal.wait_for_end(SOON).unwrap().success());
}

/// As when somebody drags the window's edge and types meanwhile.
#[test]
fn a_key_is_read_at_once_while_the_size_changes() {
    let answerer = Answerer::start();
    let mut terminal = shown(&answerer);
    for is_open in [true, false].repeat(50) {
        for columns in (SIZE.columns - 20..=SIZE.columns).rev() {
            terminal.resize(Size { columns, ..SIZE }).unwrap();
        }
        terminal.type_keys("?").unwrap();
        let is_toggled = |it: &mut Terminal| it.screen().contains("Shift-Tab") == is_open;
        terminal.wait_for("the help is opened or closed", SOON, is_toggled).unwrap();
    }
}

#[test]
fn the_screen_is_drawn_anew_when_asked_for_and_after_a_stop() {
    let answerer = Answerer::start();
    let mut terminal = shown(&answerer);
    // Ctrl-L, then Ctrl-Z: as nobody here could continue it, the system does not let it stop.
    for (keys, times) in [("\u{c}", 2), ("\u{1a}", 3)] {
        terminal.type_keys(keys).unwrap();
        let is_taken_again = |it: &mut Terminal| {
            let written = String::from_utf8_lossy(&it.written()).into_owned();
            written.matches("\u{1b}[?1049h").count() == times && it.line("web-1").is_some()
        };
        terminal.wait_for("the screen is taken again", SOON, is_taken_again).unwrap();
        assert_eq!(terminal.line_mode().unwrap(), LineMode::RAW);
    }
    terminal.type_keys("q").unwrap();
    assert!(terminal.wait_for_end(SOON).unwrap().success());
    assert_left(&mut terminal);
}

#[test]
fn an_agent_that_goes_away_is_said_to_and_seen_when_it_is_back() {
    let mut answerer = Answerer::start();
    let mut terminal = shown(&answerer);
    answerer.stop();
    terminal
        .wait_for("it is said to be away", SOON, |it| it.screen().contains("not reachable since"))
        .unwrap();
    assert!(terminal.line("web-1").is_some(), "what was known is gone:\n{}", terminal.screen());
    answerer.restart();
    terminal.wait_for("it is back", SOON, |it| !it.screen().contains("not reachable")).unwrap();
    terminal.type_keys("q").unwrap();
    assert!(terminal.wait_for_end(SOON).unwrap().success());
}

#[test]
fn no_colours_are_written_if_no_color_says_so() {
    let answerer = Answerer::start();
    let colours = |no_color: &str| {
        let mut command = top(&answerer, &[]);
        command.env("NO_COLOR", no_color);
        let mut terminal = Terminal::spawn(command, SIZE).unwrap();
        terminal.wait_for("the services are shown", SOON, |it| it.line("web-1").is_some()).unwrap();
        // How crossterm sets one of the palette's colours.
        String::from_utf8_lossy(&terminal.written()).contains("38;5;")
    };
    assert!(colours(""), "with colours there are some");
    assert!(!colours("1"));
}

#[test]
fn output_that_is_no_terminal_is_plain_text_and_ends_after_its_frames_or_with_its_reader() {
    let answerer = Answerer::start();
    let output = top(&answerer, &["--count", "3"]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(text.matches("afc top 20").count(), 3, "{text}");
    assert_eq!(text.matches("\nweb-1 ").count(), 2 * 3, "among the services and in the matrix:\n{text}");

    let mut endless = top(&answerer, &[]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    drop(endless.stdout.take());
    assert!(endless.wait().unwrap().success(), "that its reader hung up is no failure");
}

#[test]
fn once_prints_one_frame_also_on_a_terminal() {
    let answerer = Answerer::start();
    let mut terminal = Terminal::spawn(top(&answerer, &["--once"]), SIZE).unwrap();
    assert!(terminal.wait_for_end(SOON).unwrap().success());
    terminal.wait_for("the frame is printed", SOON, |it| it.screen().contains("n1 serves web-1")).unwrap();
    assert!(!terminal.written().contains(&0x1b));
    assert_eq!(terminal.line_mode().unwrap(), LineMode::COOKED);
}

#[test]
fn without_an_agent_it_fails_at_once_and_touches_no_terminal() {
    let mut answerer = Answerer::start();
    answerer.stop();
    let mut terminal = Terminal::spawn(top(&answerer, &[]), SIZE).unwrap();
    assert_eq!(terminal.wait_for_end(SOON).unwrap().code(), Some(1));
    terminal.wait_for("why is said", SOON, |it| it.screen().contains("afc: no agent answers at")).unwrap();
    assert!(!terminal.written().contains(&0x1b));
}
