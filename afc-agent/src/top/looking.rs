//! Where somebody looks: which section the keys scroll, and how far each is scrolled. Knows no keys and draws nothing.

use std::collections::{BTreeMap, VecDeque};

use crate::events::EventRecord;

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    /// Who serves what.
    Services,
    /// What each node is to each service.
    Matrix,
    /// How the nodes are.
    Nodes,
    /// What the kernel counts.
    Counters,
    /// What happened.
    Events,
}

impl Section {
    /// From top to bottom.
    pub(super) const ALL: [Self; 5] =
        [Self::Services, Self::Matrix, Self::Nodes, Self::Counters, Self::Events];

    /// The one so many places further down, from the last to the first.
    fn further(self, places: usize) -> Self {
        let place = Self::ALL.iter().position(|&section| section == self).expect("all sections are in ALL");
        Self::ALL[(place + places) % Self::ALL.len()]
    }
}

/// A movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A row up.
    Up,
    /// A row down.
    Down,
    /// A column of the matrix to the left.
    Left,
    /// A column of the matrix to the right.
    Right,
    /// As many rows up as are shown.
    PageUp,
    /// As many rows down as are shown.
    PageDown,
    /// To the first row.
    Home,
    /// To the last row; with events, to follow them.
    End,
}

/// How much of a section was shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Its rows.
    pub(super) rows: usize,
    /// Those that there was room for.
    pub(super) height: usize,
}

impl Page {
    /// The last row that may be the first one shown.
    const fn last_first(self) -> usize {
        self.rows.saturating_sub(self.height)
    }
}

/// Focus and scroll positions.
#[derive(Clone, Debug)]
pub(super) struct Looking {
    /// What the keys scroll.
    pub(super) focus: Section,
    firsts: BTreeMap<Section, usize>,
    /// The first node shown in the matrix.
    first_node: usize,
    /// The id of the first event shown; `None` while the newest are followed.
    first_event: Option<u64>,
    pages: BTreeMap<Section, Page>,
    nodes: Page,
}

impl Default for Looking {
    fn default() -> Self {
        Self {
            focus: Section::Services,
            firsts: BTreeMap::new(),
            first_node: 0,
            first_event: None,
            pages: BTreeMap::new(),
            nodes: Page::default(),
        }
    }
}

impl Looking {
    /// Moves the focus to the next section.
    pub(super) fn focus_next(&mut self) {
        self.focus = self.focus.further(1);
    }

    /// Moves the focus to the section before.
    pub(super) fn focus_previous(&mut self) {
        self.focus = self.focus.further(Section::ALL.len() - 1);
    }

    /// The first row that is shown of a section other than the events.
    pub(super) fn first(&self, section: Section, page: Page) -> usize {
        self.firsts.get(&section).copied().unwrap_or(0).min(page.last_first())
    }

    /// The first node that is shown in the matrix, of so many.
    pub(super) fn first_node(&self, nodes: usize) -> usize {
        self.first_node.min(nodes.saturating_sub(1))
    }

    /// The first event that is shown.
    pub(super) fn first_event(&self, events: &VecDeque<EventRecord>, height: usize) -> usize {
        let last_first = events.len().saturating_sub(height);
        let anchored = |id| events.partition_point(|event| event.id < id).min(last_first);
        self.first_event.map_or(last_first, anchored)
    }

    /// Remembers how much of a section was shown, for the next step.
    pub(super) fn note_page(&mut self, section: Section, page: Page) {
        self.pages.insert(section, page);
    }

    /// Remembers how many of the nodes were shown in the matrix.
    pub(super) fn note_nodes(&mut self, page: Page) {
        self.nodes = page;
    }

    /// Scrolls the section in focus.
    pub(super) fn step(&mut self, step: Step, events: &VecDeque<EventRecord>) {
        let page = self.pages.get(&self.focus).copied().unwrap_or_default();
        match (self.focus, step) {
            (Section::Matrix, Step::Left) => self.first_node = self.first_node.saturating_sub(1),
            (Section::Matrix, Step::Right) => {
                self.first_node = (self.first_node + 1).min(self.nodes.last_first());
            }
            (_, Step::Left | Step::Right) => {}
            (Section::Events, step) => {
                let page = Page { rows: events.len(), ..page };
                let first = moved(self.first_event(events, page.height), page, step);
                let is_newest = first >= page.last_first();
                self.first_event = events.get(first).filter(|_| !is_newest).map(|event| event.id);
            }
            (section, step) => {
                let first = moved(self.first(section, page), page, step);
                self.firsts.insert(section, first);
            }
        }
    }
}

/// Where a step leads from a first row.
fn moved(first: usize, page: Page, step: Step) -> usize {
    let screenful = page.height.max(1);
    let moved = match step {
        Step::Up => first.saturating_sub(1),
        Step::Down => first + 1,
        Step::PageUp => first.saturating_sub(screenful),
        Step::PageDown => first + screenful,
        Step::Home => 0,
        Step::End => usize::MAX,
        Step::Left | Step::Right => first,
    };
    moved.min(page.last_first())
}

#[cfg(test)]
mod tests {
    use Step::{Down, End, Home, Left, PageDown, PageUp, Right, Up};

    use super::*;
    use crate::events::{EventKind, Happening};

    fn events(ids: std::ops::RangeInclusive<u64>) -> VecDeque<EventRecord> {
        let event = |id| EventRecord {
            id,
            at: String::new(),
            boot_ns: 0,
            happening: Happening::new(EventKind::Alive, "x"),
        };
        ids.map(event).collect()
    }

    #[test]
    fn steps_stay_within_the_rows() {
        let page = Page { rows: 10, height: 4 };
        for (steps, first) in [
            (&[Up][..], 0),
            (&[Down], 1),
            (&[Down, Down, Up], 1),
            (&[PageDown], 4),
            (&[PageDown, PageDown, PageDown], 6),
            (&[End], 6),
            (&[End, Down], 6),
            (&[End, PageUp], 2),
            (&[End, Home], 0),
            (&[Left, Right], 0),
        ] {
            let mut looking = Looking::default();
            looking.note_page(Section::Services, page);
            steps.iter().for_each(|&step| looking.step(step, &VecDeque::new()));
            assert_eq!(looking.first(Section::Services, page), first, "{steps:?}");
        }
    }

    #[test]
    fn a_section_that_got_shorter_shows_its_last_rows() {
        let mut looking = Looking::default();
        looking.note_page(Section::Services, Page { rows: 100, height: 10 });
        looking.step(End, &VecDeque::new());
        assert_eq!(looking.first(Section::Services, Page { rows: 12, height: 10 }), 2);
        assert_eq!(looking.first(Section::Services, Page { rows: 3, height: 10 }), 0);
    }

    #[test]
    fn the_newest_events_are_followed_until_somebody_scrolls_up_and_again_at_the_end() {
        let mut looking = Looking { focus: Section::Events, ..Looking::default() };
        looking.note_page(Section::Events, Page { rows: 10, height: 4 });
        assert_eq!(looking.first_event(&events(1..=10), 4), 6);
        assert_eq!(looking.first_event(&events(1..=12), 4), 8);
        looking.step(Up, &events(1..=12));
        assert_eq!(looking.first_event(&events(1..=12), 4), 7);
        assert_eq!(looking.first_event(&events(1..=20), 4), 7, "the same event, whatever comes");
        assert_eq!(looking.first_event(&events(5..=24), 4), 3, "also when the oldest are gone");
        assert_eq!(looking.first_event(&events(21..=40), 4), 0);
        looking.step(End, &events(5..=24));
        assert_eq!(looking.first_event(&events(5..=25), 4), 17);
    }

    #[test]
    fn the_focus_goes_round_both_ways() {
        let mut looking = Looking::default();
        let seen: Vec<_> = (0..6)
            .map(|_| {
                looking.focus_next();
                looking.focus
            })
            .collect();
        use Section::{Counters, Events, Matrix, Nodes, Services};
        assert_eq!(seen, [Matrix, Nodes, Counters, Events, Services, Matrix]);
        looking.focus_previous();
        looking.focus_previous();
        assert_eq!(looking.focus, Events);
    }

    #[test]
    fn the_matrix_scrolls_sideways_as_far_as_there_are_nodes() {
        let mut looking = Looking { focus: Section::Matrix, ..Looking::default() };
        looking.note_nodes(Page { rows: 5, height: 3 });
        for (step, first) in [(Right, 1), (Right, 2), (Right, 2), (Left, 1), (Left, 0), (Left, 0)] {
            looking.step(step, &VecDeque::new());
            assert_eq!(looking.first_node(5), first);
        }
        assert_eq!(looking.first_node(0), 0);
    }
}
