//! The sections below the header: each a line with its title, the titles of its columns, and the rows in view.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    Picture,
    arrange::{Wish, arrange},
    grid::{self, Fitted, Look},
    palette::Focused,
    write_lines,
};
use crate::top::{
    looking::{Looking, Page, Section},
    model::Rate,
    view::{self, Table},
};

/// From this width on, the counters stand beside the events and take no lines from others.
const WIDE: u16 = 120;
/// The counters' width there.
const COUNTERS_WIDTH: u16 = 48;
/// A column of the matrix is at least this wide, with its gap: more columns than fit need not be made.
const LEAST_NODE_WIDTH: usize = 4;

/// All of them.
pub(super) struct Sections<'a> {
    pub(super) picture: &'a Picture<'a>,
    pub(super) look: Look,
}

impl Sections<'_> {
    /// Draws those that there is room for.
    pub(super) fn draw(&self, frame: &mut Frame, area: Rect, looking: &mut Looking) {
        let rates = self.picture.model.rates.lately();
        let is_wide = area.width >= WIDE;
        let wishes: Vec<_> = Section::ALL
            .into_iter()
            .filter(|&section| !(is_wide && section == Section::Counters))
            .map(|section| Wish { section, head: head_of(section), rows: self.rows(section, &rates) })
            .collect();
        let is_beside_events = is_wide && looking.focus == Section::Counters;
        let focus = if is_beside_events { Section::Events } else { looking.focus };
        let shares = arrange(&wishes, focus, area.height.into());
        let lengths = shares.iter().map(|(_, lines)| Constraint::Length(*lines as u16));
        for ((section, _), area) in shares.iter().zip(Layout::vertical(lengths).split(area).iter()) {
            if *section == Section::Events && is_wide {
                let [events, _, counters] = Layout::horizontal([
                    Constraint::Fill(1),
                    Constraint::Length(2),
                    Constraint::Length(COUNTERS_WIDTH),
                ])
                .areas(*area);
                self.draw_section(frame, events, Section::Events, looking, &rates);
                self.draw_section(frame, counters, Section::Counters, looking, &rates);
            } else {
                self.draw_section(frame, *area, *section, looking, &rates);
            }
        }
    }

    fn rows(&self, section: Section, rates: &[Rate]) -> usize {
        let model = self.picture.model;
        match section {
            Section::Services => model.status.services.len(),
            Section::Matrix => view::matrix_extent(model)[0],
            Section::Nodes => model.status.nodes.len(),
            Section::Counters => rates.len(),
            Section::Events => model.events.len(),
        }
    }

    fn draw_section(
        &self,
        frame: &mut Frame,
        area: Rect,
        section: Section,
        looking: &mut Looking,
        rates: &[Rate],
    ) {
        let model = self.picture.model;
        let height = usize::from(area.height).saturating_sub(head_of(section));
        let page = Page { rows: self.rows(section, rates), height };
        looking.note_page(section, page);
        let first = match section {
            Section::Events => looking.first_event(&model.events, height),
            Section::Services | Section::Matrix | Section::Nodes | Section::Counters => {
                looking.first(section, page)
            }
        };
        let rows = first..first + height;
        let body = match section {
            Section::Services => self.table_lines(&view::services(model, rows), area),
            Section::Nodes => self.table_lines(&view::nodes(model, rows), area),
            Section::Counters => self.table_lines(&view::counters(rates, rows), area),
            Section::Matrix => self.matrix_lines(rows, area, looking),
            Section::Events => self.event_lines(rows, area),
        };
        let mut lines = vec![self.title(section, Shown { first, page }, looking, area)];
        if page.rows == 0 {
            lines.push(Line::styled("none", self.look.palette.style(view::Tone::Faint)));
        } else {
            lines.extend(body);
        }
        write_lines(frame, area, lines);
    }

    /// `─ services 11-20 of 300 ────────`
    fn title(&self, section: Section, shown: Shown, looking: &Looking, area: Rect) -> Line<'static> {
        let name = match section {
            Section::Services => "services",
            Section::Matrix => "matrix",
            Section::Nodes => "nodes",
            Section::Counters => "counters that changed lately",
            Section::Events => "events",
        };
        let Shown { first, page: Page { rows, height } } = shown;
        let rule = self.look.glyphs.rule();
        let mut title = format!("{rule} {name} ");
        if rows > height && height > 0 {
            title.push_str(&format!("{}-{} of {rows} ", first + 1, first + height));
        }
        if section == Section::Events && rows > first + height {
            title.push_str("(End follows) ");
        }
        let missing = usize::from(area.width).saturating_sub(title.width());
        title.extend(std::iter::repeat_n(rule, missing));
        let focused = if looking.focus == section { Focused::Yes } else { Focused::No };
        Line::styled(title, self.look.palette.section(focused))
    }

    fn table_lines(&self, table: &Table, area: Rect) -> Vec<Line<'static>> {
        self.fitted_lines(table, &grid::fit(table, area.width.into()))
    }

    fn fitted_lines(&self, table: &Table, fitted: &[Fitted]) -> Vec<Line<'static>> {
        let rows = table.rows.iter().map(|row| grid::row_line(table, row, fitted, self.look));
        std::iter::once(grid::title_line(table, fitted, self.look)).chain(rows).collect()
    }

    fn matrix_lines(
        &self,
        rows: std::ops::Range<usize>,
        area: Rect,
        looking: &mut Looking,
    ) -> Vec<Line<'static>> {
        let width = usize::from(area.width);
        let [_, nodes] = view::matrix_extent(self.picture.model);
        let first = looking.first_node(nodes);
        let table = view::matrix(self.picture.model, rows, first..first + width / LEAST_NODE_WIDTH + 1);
        let fitted = grid::fit(&table, width);
        looking.note_nodes(Page { rows: nodes, height: fitted.len().saturating_sub(1).max(1) });
        self.fitted_lines(&table, &fitted)
    }

    fn event_lines(&self, rows: std::ops::Range<usize>, area: Rect) -> Vec<Line<'static>> {
        let width = usize::from(area.width);
        let line = |[time, text]: [view::Words; 2]| {
            let text_width = width.saturating_sub(time.text.width() + 2);
            Line::from(vec![
                Span::styled(time.text, self.look.palette.style(time.tone)),
                Span::raw("  "),
                Span::styled(
                    self.look.glyphs.clip(&text.text, text_width),
                    self.look.palette.style(text.tone),
                ),
            ])
        };
        view::events(self.picture.model, rows).into_iter().map(line).collect()
    }
}

/// Lines above a section's rows: its title, and those of its columns.
fn head_of(section: Section) -> usize {
    if section == Section::Events { 1 } else { 2 }
}

/// Which rows of a section are shown.
#[derive(Clone, Copy)]
struct Shown {
    first: usize,
    page: Page,
}
