//! A table in the cells of a rectangle: which columns fit, how wide each is, and the lines that come of it.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::palette::Palette;
use crate::top::{
    glyphs::Glyphs,
    model::HISTORY,
    view::{Cell, Column, Shape, Table, Tone},
};

/// Between two columns.
const GAP: usize = 2;

/// A column that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fitted {
    /// Its place in the table.
    pub(super) column: usize,
    /// Its width.
    pub(super) width: usize,
}

/// Chooses columns for a width: those with the least weight are hidden first, the first never is. What is left over goes
/// to the column that can use it.
pub(super) fn fit(table: &Table, width: usize) -> Vec<Fitted> {
    let mut needed: Vec<_> = (0..table.columns.len()).map(|at| (at, Need::of(table, at))).collect();
    let total = |needed: &[(usize, Need)]| {
        needed.iter().map(|(_, need)| need.least).sum::<usize>() + GAP * needed.len().saturating_sub(1)
    };
    while needed.len() > 1 && total(&needed) > width {
        let weight = |at: &usize| table.columns[needed[*at].0].weight;
        let lightest = (1..needed.len()).min_by_key(weight).expect("there is more than one column");
        needed.remove(lightest);
    }
    let mut left = width.saturating_sub(total(&needed));
    let mut fitted = Vec::new();
    for (column, need) in needed {
        let more = left.min(need.most - need.least);
        left -= more;
        fitted.push(Fitted { column, width: (need.least + more).min(width) });
    }
    fitted
}

/// How much room a column can do with, and what it can use.
#[derive(Clone, Copy, Debug)]
struct Need {
    least: usize,
    most: usize,
}

impl Need {
    fn of(table: &Table, at: usize) -> Self {
        let column = &table.columns[at];
        let widest = table.rows.iter().filter_map(|row| row.get(at)).map(width_of).max().unwrap_or(0);
        let natural = widest.max(column.title.width());
        match column.shape {
            Shape::Left | Shape::Right => Self { least: natural, most: natural },
            Shape::Shrinks(least) => {
                Self { least: natural.min(least.max(column.title.width())), most: natural }
            }
            Shape::Gauge(cells) => Self { least: cells, most: cells },
            Shape::Trend(least) => {
                let least = least.max(column.title.width());
                Self { least, most: least.max(HISTORY) }
            }
        }
    }
}

fn width_of(cell: &Cell) -> usize {
    match cell {
        Cell::Words(words) => words.text.width(),
        Cell::Gauge(_) | Cell::Trend(_) => 0,
    }
}

/// How it shall look.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) glyphs: Glyphs,
    pub(super) palette: Palette,
}

/// The titles of the columns.
pub(super) fn title_line(table: &Table, fitted: &[Fitted], look: Look) -> Line<'static> {
    let cells = fitted.iter().map(|&Fitted { column, width }| {
        let Column { title, shape, .. } = &table.columns[column];
        Span::styled(padded(&look.glyphs.clip(title, width), width, *shape), look.palette.title())
    });
    joined(cells)
}

/// One row.
pub(super) fn row_line(table: &Table, row: &[Cell], fitted: &[Fitted], look: Look) -> Line<'static> {
    let cells = fitted.iter().map(|&Fitted { column, width }| match &row[column] {
        Cell::Words(words) => {
            let text = look.glyphs.clip(&words.text, width);
            let text = padded(&text, width, table.columns[column].shape);
            Span::styled(text, look.palette.style(words.tone))
        }
        Cell::Gauge(share) => Span::styled(look.glyphs.gauge(*share, width), look.palette.style(Tone::Plain)),
        Cell::Trend(values) => {
            Span::styled(look.glyphs.sparkline(values, width), look.palette.style(Tone::Plain))
        }
    });
    joined(cells)
}

fn joined(cells: impl Iterator<Item = Span<'static>>) -> Line<'static> {
    let mut spans = Vec::new();
    for cell in cells {
        if !spans.is_empty() {
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        spans.push(cell);
    }
    Line::from(spans)
}

fn padded(text: &str, width: usize, shape: Shape) -> String {
    let padding = " ".repeat(width.saturating_sub(text.width()));
    match shape {
        Shape::Right => format!("{padding}{text}"),
        Shape::Left | Shape::Shrinks(_) | Shape::Gauge(_) | Shape::Trend(_) => format!("{text}{padding}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::view::Words;

    fn table() -> Table {
        let columns = vec![
            Column::new("NAME", Shape::Left, 9),
            Column::new("N", Shape::Right, 3),
            Column::new("WHY", Shape::Shrinks(4), 5),
            Column::new("OVER TIME", Shape::Trend(4), 1),
        ];
        let row = |name: &str, number: &str, why: &str| {
            let words = [name, number, why].map(|text| Words::plain(text).into());
            words.into_iter().chain([Cell::Trend(vec![Some(1.0)])]).collect()
        };
        Table { columns, rows: vec![row("web-1", "7", "serving,drained"), row("日本", "12", "-")] }
    }

    #[test]
    fn columns_shrink_then_go_by_weight_and_what_is_left_is_used() {
        for (width, wanted) in [
            (200, &[(0, 5), (1, 2), (2, 15), (3, 120)][..]),
            (40, &[(0, 5), (1, 2), (2, 15), (3, 12)]),
            (30, &[(0, 5), (1, 2), (2, 8), (3, 9)]),
            (25, &[(0, 5), (1, 2), (2, 14)]),
            (15, &[(0, 5), (1, 2), (2, 4)]),
            (14, &[(0, 5), (2, 7)]),
            (10, &[(0, 5)]),
            (3, &[(0, 3)]),
            (0, &[(0, 0)]),
        ] {
            let fitted = fit(&table(), width);
            let found: Vec<_> = fitted.iter().map(|fitted| (fitted.column, fitted.width)).collect();
            assert_eq!(found, wanted, "{width}");
        }
    }

    #[test]
    fn lines_are_aligned_by_the_width_of_their_characters() {
        let look = Look { glyphs: Glyphs::Unicode, palette: Palette::Plain };
        let table = table();
        for (width, lines) in [
            (25, ["NAME    N  WHY           ", "web-1   7  serving,drain…", "日本   12  -             "]),
            (14, ["NAME   WHY    ", "web-1  servin…", "日本   -      "]),
            (3, ["NA…", "we…", "日…"]),
        ] {
            let fitted = fit(&table, width);
            let rows = table.rows.iter().map(|row| row_line(&table, row, &fitted, look));
            let found: Vec<_> = std::iter::once(title_line(&table, &fitted, look)).chain(rows).collect();
            let found: Vec<_> = found.iter().map(Line::to_string).collect();
            assert_eq!(found, lines, "{width}");
        }
    }

    #[test]
    fn a_table_without_columns_takes_no_room() {
        assert_eq!(fit(&Table { columns: vec![], rows: vec![] }, 80), []);
    }
}
