//! The help, above everything else.

use ratatui::{
    Frame,
    layout::Constraint,
    text::Line,
    widgets::{Block, Clear, Paragraph},
};

use super::Picture;
use crate::top::{glyphs::Glyphs, keys};

/// What the words mean that the keys do not explain.
const WORDS: [&str; 6] = [
    "A is available as a backup, N is not, with its reasons; a number is a place in a list",
    "lease     how long this node may still serve a service, and its share of the longest seen",
    "silence   since a node's last message",
    "lost      heartbeats that a node did not answer, or not yet",
    "dimmed    the last that is known of an agent that does not answer",
    "*         the node whose agent is asked",
];
const WIDTH: usize = 90;

pub(super) fn draw(frame: &mut Frame, picture: &Picture<'_>) {
    let keys = keys::HELP.map(|[keys, meaning]| format!("{keys:<18} {meaning}"));
    let blank = std::iter::once(String::new());
    let lines: Vec<_> = keys.into_iter().chain(blank).chain(WORDS.map(str::to_owned)).collect();
    let area = frame
        .area()
        .centered(Constraint::Length(WIDTH as u16 + 4), Constraint::Length(lines.len() as u16 + 2))
        .intersection(frame.area());
    let width = usize::from(area.width).saturating_sub(4);
    let lines: Vec<_> =
        lines.iter().map(|line| Line::raw(format!(" {}", picture.glyphs.clip(line, width)))).collect();
    let block = match picture.glyphs {
        Glyphs::Unicode => Block::bordered(),
        Glyphs::Ascii => Block::bordered().border_set(ASCII_BORDER),
    };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block.title(" help ")), area);
}

const ASCII_BORDER: ratatui::symbols::border::Set<'static> = ratatui::symbols::border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};
