//! One frame as plain text: every row, every column, no escape, for pipes, logs and whoever has no terminal.

use std::{
    fmt,
    time::{Instant, SystemTime},
};

use super::{
    glyphs::Glyphs,
    model::Model,
    view::{self, Cell, Shape, Table, Words},
};
use crate::columns;

/// Events that a frame ends with.
const EVENTS: usize = 10;
/// Counters that a frame shows.
const COUNTERS: usize = 12;
/// Values over time that a frame shows.
const TREND_WIDTH: usize = 20;

/// A moment in plain text.
pub(super) struct Text<'a> {
    /// What is known.
    pub(super) model: &'a Model,
    /// Now.
    pub(super) now: Instant,
    /// Now, for people.
    pub(super) wall: SystemTime,
    /// Which characters there are.
    pub(super) glyphs: Glyphs,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.model;
        write!(f, "afc top {}", humantime::format_rfc3339_millis(self.wall))?;
        for words in view::headline(model) {
            write!(f, "  {}", self.glyphs.printable(&words.text))?;
        }
        writeln!(f)?;
        for Words { text, .. } in view::alarms(model, self.now) {
            writeln!(f, "! {}", self.glyphs.printable(&text))?;
        }
        self.table(f, &view::services(model, 0..usize::MAX))?;
        let [rows, nodes] = view::matrix_extent(model);
        if rows > 0 {
            self.table(f, &view::matrix(model, 0..rows, 0..nodes))?;
        }
        self.table(f, &view::nodes(model, 0..usize::MAX))?;
        self.table(f, &view::counters(&model.rates.lately(), 0..COUNTERS))?;
        writeln!(f)?;
        let events = model.events.len();
        for [time, text] in view::events(model, events.saturating_sub(EVENTS)..events) {
            writeln!(f, "{}  {}", self.glyphs.printable(&time.text), self.glyphs.printable(&text.text))?;
        }
        Ok(())
    }
}

impl Text<'_> {
    /// A table below a blank line.
    fn table(&self, f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
        writeln!(f)?;
        let titles: Vec<_> =
            table.columns.iter().map(|column| self.glyphs.printable(&column.title)).collect();
        let titles: Vec<_> = titles.iter().map(String::as_str).collect();
        let row = |row: &Vec<Cell>| {
            let cells = row.iter().zip(&table.columns);
            cells.map(|(cell, column)| self.cell(cell, column.shape)).collect()
        };
        let rows: Vec<Vec<String>> = table.rows.iter().map(row).collect();
        columns::write(f, &titles, &rows)
    }

    fn cell(&self, cell: &Cell, shape: Shape) -> String {
        match (cell, shape) {
            (Cell::Words(words), _) => self.glyphs.printable(&words.text),
            (Cell::Gauge(share), Shape::Gauge(width)) => self.glyphs.gauge(*share, width),
            (Cell::Gauge(share), _) => format!("{:.0}%", share * 100.0),
            (Cell::Trend(values), _) => self.glyphs.sparkline(values, TREND_WIDTH),
        }
    }
}

#[cfg(test)]
mod tests;
