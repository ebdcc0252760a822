//! A screen as an SVG picture, for the documentation.

use std::fmt::Write;

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};

/// Of one cell, in the picture's own units.
const WIDTH: usize = 8;
const HEIGHT: usize = 17;
const MARGIN: usize = 12;
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d8dae0";
/// Of the colours that the palette has; all others are the terminal's own.
const INKS: [(Color, &str); 3] =
    [(Color::Red, "#f2777a"), (Color::Yellow, "#f0c674"), (Color::Cyan, "#7fc1ca")];

/// The screen as one text element for each run of cells that look the same.
pub(super) fn render(buffer: &Buffer) -> String {
    let [columns, rows] = [buffer.area.width, buffer.area.height].map(usize::from);
    let [width, height] = [columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\">\n\
         <title>afc top</title>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for (row, cells) in buffer.content.chunks(columns).enumerate() {
        let mut column = 0;
        for run in cells.chunk_by(|a, b| looks(a) == looks(b)) {
            write_run(&mut svg, [column, row], run);
            column += run.len();
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Its colour, bold, dim and reversed.
fn looks(cell: &Cell) -> (Color, Modifier) {
    (cell.fg, cell.modifier)
}

fn write_run(svg: &mut String, [column, row]: [usize; 2], run: &[Cell]) {
    let text: String = run.iter().map(Cell::symbol).collect();
    let (colour, modifier) = looks(&run[0]);
    let is_reversed = modifier.contains(Modifier::REVERSED);
    if text.trim().is_empty() && !is_reversed {
        return;
    }
    let colour = INKS.iter().find(|(known, _)| *known == colour).map_or(FOREGROUND, |(_, ink)| ink);
    let [x, y, width] = [MARGIN + column * WIDTH, MARGIN + row * HEIGHT, run.len() * WIDTH];
    let mut ink = colour;
    if is_reversed {
        writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"{colour}\"/>")
            .unwrap();
        ink = BACKGROUND;
    }
    let weight = if modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let opacity = if modifier.contains(Modifier::DIM) { " opacity=\"0.55\"" } else { "" };
    let escaped = text.trim_end().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let length = text.trim_end().chars().count() * WIDTH;
    if length > 0 {
        let baseline = y + 13;
        writeln!(
            svg,
            "<text x=\"{x}\" y=\"{baseline}\" fill=\"{ink}\"{weight}{opacity} textLength=\"{length}\" \
             xml:space=\"preserve\">{escaped}</text>"
        )
        .unwrap();
    }
}
