//! Draws one moment of the cluster. Decides nothing.

use std::time::Duration;

use afc_lab::report::millis;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Block, Cell, Clear, Paragraph, Row, Table},
};

use super::model::{Log, Model, NodeRow, ServiceRow};

/// A gap that a client would notice is shown in another colour.
const NOTICEABLE: Duration = Duration::from_millis(15);

/// The line at the bottom.
const KEYS: &str = " 1-5 select   k power cut   f freeze/thaw   c cut   o one-way   x kill -9   h heal all   ? help   q quit ";

/// What the keys do, at length.
const HELP: &str = "\
1-5  select a node (6: the gateway)
k    power cut: the selected node's link goes down
f    freeze its agent (SIGSTOP), or let it go on
c    cut it off: every frame from and to it is lost, its link stays up
o    one-way: what it sends is lost, but it hears the others
x    kill its agent outright (SIGKILL); its kernel goes on
h    heal everything: power, cuts, frozen and dead agents
?    close this
q    quit; everything is removed

Gaps are the longest times without an answer in the last 10 s: of a UDP
client behind the gateway, of one beside the nodes, and of an HTTP client.";

/// Whether the help is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Help {
    Hidden,
    Shown,
}

impl Help {
    /// The other one.
    pub(super) const fn toggled(self) -> Self {
        match self {
            Self::Hidden => Self::Shown,
            Self::Shown => Self::Hidden,
        }
    }
}

/// Everything that is drawn.
pub(super) struct Picture<'a> {
    pub(super) model: &'a Model,
    pub(super) log: &'a Log,
    pub(super) selected: usize,
    pub(super) help: Help,
}

/// Draws it.
pub(super) fn draw(frame: &mut Frame, picture: &Picture) {
    let rows = |count: usize| Constraint::Length(count as u16 + 3);
    let [services, nodes, events, keys] = Layout::vertical([
        rows(picture.model.services.len()),
        rows(picture.model.nodes.len()),
        Constraint::Min(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_services(frame, services, &picture.model.services);
    draw_nodes(frame, nodes, picture);
    draw_events(frame, events, picture.log);
    frame.render_widget(Line::styled(KEYS, Style::new().add_modifier(Modifier::REVERSED)), keys);
    if picture.help == Help::Shown {
        draw_help(frame);
    }
}

fn draw_services(frame: &mut Frame, area: Rect, services: &[ServiceRow]) {
    let header = ["service", "home", "served by", "epoch", "lease", "gw gap", "direct", "http", "backups"];
    let widths = [8, 5, 10, 7, 9, 9, 9, 9].map(Constraint::Length).into_iter().chain([Constraint::Min(20)]);
    let rows = services.iter().map(|service| {
        let owner = match &service.served_by {
            Some(owner) if *owner == service.home => Cell::from(owner.clone()).style(Color::Green),
            Some(owner) => Cell::from(owner.clone()).style(Color::Yellow),
            None => Cell::from("nobody").style(Color::Red),
        };
        let gaps = service.gaps.map(gap_cell);
        let words = [service.name.clone(), service.home.clone()].map(Cell::from).into_iter();
        let more = [service.epoch.clone(), service.lease.clone()].map(Cell::from);
        Row::new(words.chain([owner]).chain(more).chain(gaps).chain([Cell::from(service.backups.clone())]))
    });
    let table =
        Table::new(rows, widths).header(header_row(header)).block(Block::bordered().title(" services "));
    frame.render_widget(table, area);
}

fn draw_nodes(frame: &mut Frame, area: Rect, picture: &Picture) {
    let header = ["", "node", "role", "agent", "wire", "heartbeat rtt p50/p99", "state"];
    let widths = [2, 5, 9, 8, 10, 22].map(Constraint::Length).into_iter().chain([Constraint::Min(10)]);
    let rows = picture.model.nodes.iter().enumerate().map(|(index, node)| {
        let row = node_row(index, node);
        if index == picture.selected { row.style(Style::new().add_modifier(Modifier::REVERSED)) } else { row }
    });
    let table = Table::new(rows, widths).header(header_row(header)).block(Block::bordered().title(" nodes "));
    frame.render_widget(table, area);
}

fn node_row(index: usize, node: &NodeRow) -> Row<'static> {
    let warning = |word: &'static str, usual: &str| {
        Cell::from(word).style(if word == usual { Style::new() } else { Style::new().fg(Color::Red) })
    };
    Row::new([
        Cell::from((index + 1).to_string()),
        Cell::from(node.name.clone()),
        Cell::from(node.role),
        warning(node.agent, "runs"),
        warning(node.wire, "up"),
        Cell::from(node.rtt.clone()),
        Cell::from(node.state.clone()),
    ])
}

fn draw_events(frame: &mut Frame, area: Rect, log: &Log) {
    let lines: Vec<_> = log.last(area.height.saturating_sub(2).into()).map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" events ")), area);
}

fn draw_help(frame: &mut Frame) {
    let area =
        frame.area().centered(Constraint::Length(76), Constraint::Length(HELP.lines().count() as u16 + 2));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title(" keys ")), area);
}

fn header_row<const N: usize>(words: [&'static str; N]) -> Row<'static> {
    Row::new(words).style(Style::new().add_modifier(Modifier::BOLD))
}

fn gap_cell(gap: Duration) -> Cell<'static> {
    let colour = if gap > NOTICEABLE { Color::Yellow } else { Color::Reset };
    Cell::from(millis(gap)).style(colour)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    fn screen(help: Help) -> String {
        let service = ServiceRow {
            name: "web-1".into(),
            home: "n1".into(),
            served_by: Some("n4".into()),
            epoch: "7".into(),
            lease: "21.4 ms".into(),
            backups: "n4 N serving, n5 A".into(),
            gaps: [31_200, 400, 90_000].map(Duration::from_micros),
            last_gap: Duration::from_micros(31_200),
        };
        let node = NodeRow {
            name: "n1".into(),
            role: "member",
            agent: "runs",
            wire: "no power",
            state: "dead".into(),
            rtt: "9 / 22 µs".into(),
        };
        let model = Model { services: vec![service], nodes: vec![node] };
        let mut log = Log::new(Instant::now());
        log.note("n1 loses power".into());
        log.note_owners(&model);
        let mut terminal = Terminal::new(TestBackend::new(120, 30)).unwrap();
        let picture = Picture { model: &model, log: &log, selected: 0, help };
        terminal.draw(|frame| draw(frame, &picture)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_picture_says_who_serves_what_is_broken_and_what_happened() {
        let screen = screen(Help::Hidden);
        for word in [
            "n4",
            "21.4 ms",
            "31.20",
            "n4 N serving, n5 A",
            "no power",
            "9 / 22 µs",
            "n4 serves web-1",
            "q quit",
        ] {
            assert!(screen.contains(word), "{word} is missing in\n{screen}");
        }
    }

    #[test]
    fn the_help_is_shown_over_the_picture_when_it_is_asked_for() {
        assert!(!screen(Help::Hidden).contains("close this"));
        assert!(screen(Help::Shown).contains("close this"));
    }
}
