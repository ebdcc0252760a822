//! Aligned columns of text: how every table for people looks.

use std::fmt;

use afc_engine::availability::UnavailableReason;
use unicode_width::UnicodeWidthStr;

/// What stands where there is nothing to say.
pub const NOTHING: &str = "-";
/// Between two columns.
const GAP: usize = 2;

/// Writes rows below a head, each column as wide as its widest cell. A row may have fewer cells than the head.
///
/// # Errors
/// That of the formatter.
pub fn write(f: &mut fmt::Formatter<'_>, head: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    let mut widths: Vec<_> = head.iter().map(|cell| cell.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let head = head.iter().map(|&cell| cell.to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + GAP - cell.width()));
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// `A`, or `N` with its reasons.
pub fn availability(reasons: &[UnavailableReason]) -> String {
    let names: Vec<_> = reasons.iter().map(|reason| reason.name()).collect();
    if names.is_empty() { "A".to_owned() } else { format!("N({})", names.join(",")) }
}
