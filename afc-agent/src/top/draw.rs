//! Draws one moment on a frame of any size. Decides nothing but what fits.

mod arrange;
mod grid;
mod help;
mod palette;
mod sections;

use std::time::Instant;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Modifier,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

pub(super) use palette::Palette;

use super::{
    glyphs::Glyphs,
    looking::Looking,
    model::{Contact, Model},
    view::{self, Tone, Words},
};
use grid::Look;
use sections::Sections;

/// With fewer lines than these, all are for the sections.
const LINES_FOR_KEYS: u16 = 8;
/// With fewer lines than these, one is for the header.
const LINES_FOR_HEADER: u16 = 14;

/// The line at the bottom, as much of it as fits.
const KEYS: [&str; 6] =
    ["q quit", "? help", "p pause", "Tab next section", "arrows scroll", "End follow events"];

/// Whether the help is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Help {
    /// It is not.
    Hidden,
    /// It is.
    Shown,
}

/// Whether the picture goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    /// It does.
    Live,
    /// Somebody stopped it.
    Paused,
}

/// Everything that is drawn.
pub(super) struct Picture<'a> {
    /// What is known.
    pub(super) model: &'a Model,
    /// Whether that goes on.
    pub(super) motion: Motion,
    /// Whether the help lies above it.
    pub(super) help: Help,
    /// Now.
    pub(super) now: Instant,
    /// Which characters there are.
    pub(super) glyphs: Glyphs,
    /// Which colours there are.
    pub(super) palette: Palette,
}

/// Draws it, and notes in `looking` how much of each section there was room for.
pub(super) fn draw(frame: &mut Frame, picture: &Picture<'_>, looking: &mut Looking) {
    let area = frame.area();
    let banners = banners(picture);
    let header = header_lines(picture, area);
    let keys = u16::from(area.height >= LINES_FOR_KEYS);
    let lengths = [header.len() as u16, banners.len() as u16];
    let [head, alarms, body, foot] = Layout::vertical([
        Constraint::Length(lengths[0]),
        Constraint::Length(lengths[1]),
        Constraint::Fill(1),
        Constraint::Length(keys),
    ])
    .areas(area);
    write_lines(frame, head, header);
    let sections = Sections { picture, look: Look { glyphs: picture.glyphs, palette: picture.palette } };
    sections.draw(frame, body, looking);
    if picture.model.contact(picture.now) != Contact::Live {
        frame.buffer_mut().set_style(head, picture.palette.stale());
        frame.buffer_mut().set_style(body, picture.palette.stale());
    }
    write_banners(frame, alarms, &banners, picture);
    write_keys(frame, foot);
    if picture.help == Help::Shown {
        help::draw(frame, picture);
    }
}

/// Lines of text, as many as there is room for.
fn write_lines(frame: &mut Frame, area: Rect, lines: Vec<Line<'_>>) {
    for (line, row) in lines.into_iter().zip(area.rows()) {
        frame.render_widget(line, row);
    }
}

/// The headline in one line or two, as much of it as fits.
fn header_lines(picture: &Picture<'_>, area: Rect) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    let most = if area.height < LINES_FOR_HEADER { 1 } else { 2 };
    let mut lines = vec![Vec::new()];
    let mut used = 0;
    for Words { text, tone } in view::headline(picture.model) {
        let gap = if used > 0 { 2 } else { 0 };
        if used + gap + text.width() <= width {
            used += gap + text.width();
        } else if lines.len() < most && text.width() <= width {
            used = text.width();
            lines.push(Vec::new());
        } else {
            continue;
        }
        let line = lines.last_mut().expect("there is a line from the start");
        if !line.is_empty() {
            line.push(Span::raw("  "));
        }
        line.push(Span::styled(text, picture.palette.style(tone)));
    }
    lines.into_iter().map(Line::from).collect()
}

/// What must be seen before anything else.
fn banners(picture: &Picture<'_>) -> Vec<Words> {
    let paused = Words::new(Tone::Notable, "paused; p goes on");
    let paused = (picture.motion == Motion::Paused).then_some(paused);
    paused.into_iter().chain(view::alarms(picture.model, picture.now)).collect()
}

fn write_banners(frame: &mut Frame, area: Rect, banners: &[Words], picture: &Picture<'_>) {
    for (Words { text, tone }, row) in banners.iter().zip(area.rows()) {
        let text = picture.glyphs.clip(&format!(" {text}"), row.width.into());
        frame.render_widget(Line::raw(text), row);
        frame.buffer_mut().set_style(row, picture.palette.banner(*tone));
    }
}

fn write_keys(frame: &mut Frame, area: Rect) {
    let mut text = String::new();
    for key in KEYS {
        if text.len() + key.len() + 3 > area.width.into() {
            break;
        }
        text.push_str("  ");
        text.push_str(key);
    }
    frame.render_widget(Line::raw(text), area);
    frame.buffer_mut().set_style(area, Modifier::REVERSED);
}

#[cfg(test)]
mod tests;
