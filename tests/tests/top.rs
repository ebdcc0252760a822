//! `afc top` before a real cluster: somebody at a terminal sees a failover as it happens. Needs root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{process::Command, time::Duration};

use afc_lab::{Lab, LabSpec, agent, status::Expected};
use afc_terminal::{LineMode, Size, Terminal};

/// For something that should take a moment, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(20);
const SIZE: Size = Size { columns: 120, rows: 34 };

/// Five nodes at home, and a terminal that shows them as one of them sees them. The terminal goes first.
struct Watched {
    terminal: Terminal,
    lab: Lab,
}

impl Watched {
    fn start(node: &str) -> Self {
        let lab = Lab::new(LabSpec::five_nodes()).unwrap();
        lab.start_agents().unwrap();
        lab.wait_for_homes(SOON).unwrap();
        lab.wait_until_whole(SOON).unwrap();
        let mut command = Command::new(agent::binary().unwrap());
        command.arg("top").arg("--socket").arg(lab.control_socket(node)).args(["--interval", "100ms"]);
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        Self { terminal: Terminal::spawn(command, SIZE).unwrap(), lab }
    }

    /// Waits until the screen has a line that begins with some words, with these behind them somewhere.
    fn wait_for_line(&mut self, words: &[&str]) {
        let has_line = |terminal: &mut Terminal| {
            terminal.screen().lines().any(|line| {
                let mut of_line = line.split_whitespace();
                words.iter().all(|word| of_line.next() == Some(word))
            })
        };
        self.terminal.wait_for(&format!("a line begins with {words:?}"), SOON, has_line).unwrap();
    }

    /// Quits and checks that the terminal is as it was.
    fn quit(&mut self) {
        self.terminal.type_keys("q").unwrap();
        assert!(self.terminal.wait_for_end(SOON).unwrap().success());
        let is_left = |it: &mut Terminal| !it.is_on_alternate_screen() && !it.is_cursor_hidden();
        self.terminal.wait_for("the second screen is left", SOON, is_left).unwrap();
        assert_eq!(self.terminal.line_mode().unwrap(), LineMode::COOKED);
    }
}

#[test]
fn the_owner_changes_on_the_screen_when_a_node_is_cut_off() {
    let mut watched = Watched::start("n2");
    // What happens at the start must not push what is looked for out of the list of events.
    watched.lab.wait_until_whole(SOON).unwrap();
    watched.wait_for_line(&["web-1", "n1", "elsewhere", "-", "n1", "1", "n4:A", "n5:A"]);
    watched.wait_for_line(&["web-2", "n2", "serving"]);
    watched.wait_for_line(&["n1", "member", "yes", "N(serving)"]);
    watched.lab.cut("n1").unwrap();
    let mut owner = None;
    let has_moved = |it: &mut Terminal| {
        owner = it.line("web-1").and_then(|line| Some(line.split_whitespace().nth(1)?.to_owned()));
        owner.as_ref().is_some_and(|owner| ["n4", "n5"].contains(&owner.as_str()))
    };
    watched.terminal.wait_for("a passive node serves web-1", SOON, has_moved).unwrap();
    let owner = owner.unwrap();
    let expected = Expected { service: "web-1", owner: &owner, seen_by: &["n2", "n3", "n4", "n5"] };
    watched.lab.wait_for_owner(expected, SOON).unwrap();
    watched.wait_for_line(&["n1", "member", "NO", "N(dead)"]);
    let shown = watched.terminal.screen();
    println!("{shown}");
    assert!(shown.contains(&format!("{owner} serves web-1")), "the event is missing:\n{shown}");
    assert!(shown.contains("probe_"), "no counter moves:\n{shown}");
    watched.quit();
}

#[test]
fn an_agent_that_is_killed_is_said_to_be_away_and_back_when_another_one_runs() {
    let mut watched = Watched::start("n5");
    watched.wait_for_line(&["web-1", "n1", "elsewhere"]);
    watched.lab.kill9("n5").unwrap();
    let is_away = |it: &mut Terminal| it.screen().contains("not reachable since");
    watched.terminal.wait_for("the agent is away", SOON, is_away).unwrap();
    watched.wait_for_line(&["web-1", "n1", "elsewhere"]);
    watched.lab.start_agent("n5").unwrap();
    watched.terminal.wait_for("the agent is back", SOON, |it| !is_away(it)).unwrap();
    watched.quit();
}

#[test]
fn a_frozen_agent_does_not_freeze_the_screen() {
    let mut watched = Watched::start("n5");
    watched.wait_for_line(&["web-1", "n1", "elsewhere"]);
    watched.lab.freeze("n5").unwrap();
    let says_so = |it: &mut Terminal| it.screen().contains("it takes connections and says nothing");
    watched.terminal.wait_for("its silence is seen before the client gives up", SOON, says_so).unwrap();
    watched.terminal.type_keys("?").unwrap();
    watched.terminal.wait_for("keys work", SOON, |it| it.screen().contains("Shift-Tab")).unwrap();
    watched.terminal.type_keys("?").unwrap();
    watched.lab.thaw("n5").unwrap();
    watched.terminal.wait_for("it goes on", SOON, |it| !it.screen().contains("not reachable")).unwrap();
    watched.quit();
}
