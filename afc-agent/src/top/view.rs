//! The model in words: tables of cells, for the screen and for plain text alike. Knows no widths and no colours.
//!
//! Only the rows and columns that are asked for are made, so that a frame costs what the screen holds, not what the
//! cluster has.

mod head;
mod matrix;
mod nodes;
mod services;

use std::{borrow::Cow, ops::Range};

use super::model::{Model, Rate};
use crate::{
    columns::{NOTHING, availability},
    status::UnavailableReason,
};

pub(super) use head::{alarms, headline};
pub(super) use matrix::{matrix, matrix_extent};
pub(super) use nodes::nodes;
pub(super) use services::services;

/// What a reader shall notice. Words say it too: colours only help to find them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it should be.
    Plain,
    /// Of little interest.
    Faint,
    /// Not as usual.
    Notable,
    /// Wrong.
    Bad,
}

/// Some words in one tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// The text.
    pub(super) text: String,
    /// How it is said.
    pub(super) tone: Tone,
}

impl Words {
    /// Words in a tone.
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }

    /// Words that nobody needs to notice.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(Tone::Plain, text)
    }

    /// What stands where there is nothing to say.
    pub(super) fn nothing() -> Self {
        Self::new(Tone::Faint, NOTHING)
    }
}

/// What is in one place of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Words.
    Words(Words),
    /// A bar filled by a share of 0 to 1.
    Gauge(f64),
    /// Values over time, oldest first.
    Trend(Vec<Option<f64>>),
}

impl From<Words> for Cell {
    fn from(words: Words) -> Self {
        Self::Words(words)
    }
}

/// How a column takes room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As wide as its widest cell, aligned left.
    Left,
    /// As wide as its widest cell, aligned right: numbers.
    Right,
    /// The same as left; but it gives room away before a column is hidden, down to so many cells.
    Shrinks(usize),
    /// A bar of so many cells.
    Gauge(usize),
    /// Values over time, in what room is left, at least so many cells.
    Trend(usize),
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Its title.
    pub(super) title: Cow<'static, str>,
    /// How it takes room.
    pub(super) shape: Shape,
    /// The column with the least weight is the first to be hidden.
    pub(super) weight: u16,
}

impl Column {
    /// A column with a title known beforehand.
    pub(super) const fn new(title: &'static str, shape: Shape, weight: u16) -> Self {
        Self { title: Cow::Borrowed(title), shape, weight }
    }
}

/// Rows of cells, one for each column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    /// The columns.
    pub(super) columns: Vec<Column>,
    /// The rows.
    pub(super) rows: Vec<Vec<Cell>>,
}

/// The kernel's counters that changed lately, some of them.
pub(super) fn counters(rates: &[Rate], rows: Range<usize>) -> Table {
    let columns = vec![
        Column::new("COUNTER", Shape::Shrinks(8), 3),
        Column::new("PER SECOND", Shape::Right, 2),
        Column::new("TOTAL", Shape::Right, 1),
    ];
    let row = |rate: &Rate| {
        let is_still = rate.per_second.is_some_and(|per_second| per_second == 0.0);
        let tone = if is_still { Tone::Faint } else { Tone::Plain };
        let speed = rate.per_second.map_or_else(|| NOTHING.to_owned(), |speed| format!("{speed:.1}"));
        let words = [rate.name.clone(), speed, rate.total.to_string()];
        words.map(|text| Words::new(tone, text).into()).to_vec()
    };
    Table { columns, rows: within(rates, rows).iter().map(row).collect() }
}

/// Some of the events, each a line of time and words.
pub(super) fn events(model: &Model, rows: Range<usize>) -> Vec<[Words; 2]> {
    use crate::events::EventKind::*;

    let line = |event: &crate::events::EventRecord| {
        let tone = match event.happening.kind {
            Suspected | TwoAnnouncers | Doubt | Fault => Tone::Bad,
            Claimed | Served | Dropped | OwnerChanged | Refused | NotHandedOver => Tone::Notable,
            Started | Adopted | Stopping | Alive | Availability | Lists | Interface | Recovered
            | Recording => Tone::Plain,
        };
        // "2023-11-14T22:13:20.000001Z": a terminal's line is short, and days are seldom the question.
        let time = event.at.get(11..23).unwrap_or(&event.at);
        [Words::new(Tone::Faint, time), Words::new(tone, event.happening.text.clone())]
    };
    let (start, end) = (rows.start.min(model.events.len()), rows.end.min(model.events.len()));
    model.events.range(start.min(end)..end).map(line).collect()
}

/// Why a node is not available, or that it is. One that serves is not, as it should be.
fn available(reasons: &[UnavailableReason]) -> Words {
    let is_usual = reasons.iter().all(|reason| *reason == UnavailableReason::Serving);
    let tone = if is_usual { Tone::Plain } else { Tone::Notable };
    Words::new(tone, availability(reasons))
}

/// Those of a list that are there.
fn within<T>(list: &[T], rows: Range<usize>) -> &[T] {
    let end = rows.end.min(list.len());
    &list[rows.start.min(end)..end]
}

fn milliseconds(value: f64) -> String {
    if value < 10_000.0 { format!("{value:.1}ms") } else { format!("{:.0}s", value / 1e3) }
}

#[cfg(test)]
mod tests;
