//! How the height of the screen is shared among the sections: the least important are the first to be hidden, and what the
//! keys scroll never is.

use crate::top::looking::Section;

/// Sections from the most important to the least.
const IMPORTANCE: [Section; 5] =
    [Section::Services, Section::Events, Section::Nodes, Section::Matrix, Section::Counters];

/// Rows that a section shows before a less important one gets any.
const FIRST_ROWS: usize = 6;
/// With fewer lines than these, events say little.
const EVENT_LINES: usize = 3;

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Which.
    pub(super) section: Section,
    /// Lines above its rows: its title, and those of its columns.
    pub(super) head: usize,
    /// Its rows.
    pub(super) rows: usize,
}

impl Wish {
    /// With fewer lines than these it is hidden.
    fn least(&self) -> usize {
        self.head
            + match self.section {
                Section::Events => EVENT_LINES,
                Section::Services | Section::Matrix | Section::Nodes | Section::Counters => {
                    self.rows.clamp(1, FIRST_ROWS)
                }
            }
    }

    /// It has no use for more lines than these.
    fn most(&self) -> usize {
        self.head + self.rows.max(1)
    }
}

/// The lines of each section that is shown, in the order of the wishes.
pub(super) fn arrange(wishes: &[Wish], focus: Section, height: usize) -> Vec<(Section, usize)> {
    let wish = |section: Section| wishes.iter().find(|wish| wish.section == section);
    let by_importance =
        || std::iter::once(focus).chain(IMPORTANCE.into_iter().filter(move |&it| it != focus));
    let mut shares: Vec<(Section, usize)> = Vec::new();
    let mut left = height;
    for wish in by_importance().filter_map(wish) {
        // The first is shown however little it is.
        let lines = if shares.is_empty() { wish.least().min(left) } else { wish.least() };
        if lines <= left && lines > 0 {
            left -= lines;
            shares.push((wish.section, lines));
        }
    }
    // One line each in turn, so that many services leave room for nodes, too.
    let mut is_anybody_in_need = true;
    while left > 0 && is_anybody_in_need {
        is_anybody_in_need = false;
        for (section, lines) in &mut shares {
            if left > 0 && wish(*section).is_some_and(|wish| *lines < wish.most()) {
                *lines += 1;
                left -= 1;
                is_anybody_in_need = true;
            }
        }
    }
    // The rest is for what comes: a log grows.
    if let Some((_, lines)) = shares.iter_mut().find(|(section, _)| *section == Section::Events) {
        *lines += left;
    }
    let share = |wish: &Wish| shares.iter().copied().find(|(section, _)| *section == wish.section);
    wishes.iter().filter_map(share).collect()
}

#[cfg(test)]
mod tests {
    use Section::{Counters, Events, Matrix, Nodes, Services};

    use super::*;

    fn wishes(services: usize, nodes: usize) -> [Wish; 5] {
        [
            Wish { section: Services, head: 2, rows: services },
            Wish { section: Matrix, head: 2, rows: services + 1 },
            Wish { section: Nodes, head: 2, rows: nodes },
            Wish { section: Counters, head: 2, rows: 5 },
            Wish { section: Events, head: 1, rows: 100 },
        ]
    }

    #[test]
    fn the_least_important_are_hidden_first_and_every_line_is_used() {
        for (height, wanted) in [
            (0, &[][..]),
            (1, &[(Services, 1)]),
            (5, &[(Services, 5)]),
            (9, &[(Services, 5), (Events, 4)]),
            (17, &[(Services, 5), (Nodes, 8), (Events, 4)]),
            (22, &[(Services, 5), (Nodes, 8), (Events, 9)]),
            (23, &[(Services, 5), (Matrix, 6), (Nodes, 8), (Events, 4)]),
            (30, &[(Services, 5), (Matrix, 6), (Nodes, 8), (Counters, 7), (Events, 4)]),
            (57, &[(Services, 5), (Matrix, 6), (Nodes, 8), (Counters, 7), (Events, 31)]),
        ] {
            assert_eq!(arrange(&wishes(3, 6), Services, height), wanted, "{height}");
        }
    }

    #[test]
    fn the_section_in_focus_is_always_shown() {
        assert_eq!(arrange(&wishes(3, 6), Counters, 4), [(Counters, 4)]);
        assert_eq!(arrange(&wishes(3, 6), Matrix, 11), [(Services, 5), (Matrix, 6)]);
        assert_eq!(arrange(&wishes(3, 6), Events, 2), [(Events, 2)]);
    }

    #[test]
    fn many_services_leave_room_for_the_nodes() {
        let shares = arrange(&wishes(300, 300), Services, 57);
        assert_eq!(shares, [(Services, 14), (Matrix, 13), (Nodes, 13), (Counters, 7), (Events, 10)]);
    }

    #[test]
    fn what_is_empty_keeps_a_line_that_says_so() {
        assert_eq!(arrange(&wishes(0, 1), Services, 10), [(Services, 3), (Nodes, 3), (Events, 4)]);
    }
}
