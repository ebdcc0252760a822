//! What was to be reached, and whether it was. Pure.

use std::fmt;

use crate::row::Row;

/// A figure to reach: the largest that any row it applies to may have.
struct Target {
    what: &'static str,
    limit: f64,
    applies: fn(&Row) -> bool,
    figure: fn(&Row) -> Option<f64>,
}

/// A target and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    what: &'static str,
    limit: f64,
    /// The worst of the rows that it applies to; `None` if there is none.
    worst: Option<f64>,
}

const TARGETS: [Target; 14] = [
    Target {
        what: "power cut, idle: afc's median gap by keepalived's, default timeout",
        limit: 0.4,
        applies: |row| is(row, "gap", "power cut", "afc"),
        figure: |row| row.ratio_to_keepalived,
    },
    Target {
        what: "the same with the shortest timeout",
        limit: 0.4,
        applies: |row| is(row, "gap", "power cut", "afc-short"),
        figure: |row| row.ratio_to_keepalived,
    },
    Target {
        what: "the same, the further target",
        limit: 0.25,
        applies: |row| is(row, "gap", "power cut", "afc-short"),
        figure: |row| row.ratio_to_keepalived,
    },
    Target {
        what: "power cut beside FIFO-50 hogs: afc's median gap by keepalived's, default timeout",
        limit: 0.4,
        applies: |row| is(row, "starved", "power cut", "afc") && row.subject.load.starts_with("FIFO"),
        figure: |row| row.ratio_to_keepalived,
    },
    Target {
        what: "the same with the shortest timeout",
        limit: 0.4,
        applies: |row| is(row, "starved", "power cut", "afc-short") && row.subject.load.starts_with("FIFO"),
        figure: |row| row.ratio_to_keepalived,
    },
    Target {
        what: "false failovers under load, afc",
        limit: 0.0,
        applies: |row| is_afc(row) && row.subject.section == "steady" && row.subject.unit == "/hour",
        figure: |row| row.max,
    },
    Target {
        what: "answers from two nodes under load, afc",
        limit: 0.0,
        applies: |row| is_afc(row) && row.subject.section == "steady" && row.subject.unit == "times",
        figure: |row| row.max,
    },
    Target {
        what: "planned move, idle: packets lost, afc",
        limit: 0.0,
        applies: |row| is_afc(row) && row.subject.section == "gap" && row.subject.unit == "lost",
        figure: |row| row.max,
    },
    Target {
        what: "agent at 1 ms, 5 nodes: % of a core",
        limit: 2.0,
        applies: |row| is(row, "footprint", "5 nodes, processor", "afc") && is_each_millisecond(row),
        figure: |row| row.max,
    },
    Target {
        what: "agent at 1 ms, 5 nodes: MiB resident",
        limit: 20.0,
        applies: |row| is(row, "footprint", "5 nodes, resident", "afc") && is_each_millisecond(row),
        figure: |row| row.max,
    },
    Target {
        what: "foreign traffic, over an empty program: ns",
        limit: 15.0,
        applies: |row| is_path(row, "foreign"),
        figure: |row| row.median,
    },
    Target {
        what: "own virtual IP with a live lease: ns",
        limit: 60.0,
        applies: |row| is_path(row, "own virtual IP, lease live"),
        figure: |row| row.median,
    },
    Target {
        what: "redirect: ns",
        limit: 80.0,
        applies: |row| is_path(row, "redirect"),
        figure: |row| row.median,
    },
    Target {
        what: "authenticated heartbeat answered: ns",
        limit: 200.0,
        applies: |row| is_path(row, "heartbeat answered, one grant"),
        figure: |row| row.median,
    },
];

/// Every target that a row of these applies to.
pub(crate) fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let verdict = |target: &Target| {
        let figures: Vec<Option<f64>> =
            rows.iter().filter(|row| (target.applies)(row)).map(target.figure).collect();
        let worst = figures.iter().copied().collect::<Option<Vec<f64>>>();
        let worst = worst.and_then(|all| all.into_iter().max_by(f64::total_cmp));
        (!figures.is_empty()).then_some(Verdict { what: target.what, limit: target.limit, worst })
    };
    TARGETS.iter().filter_map(verdict).collect()
}

impl Verdict {
    /// Whether it was reached; a row without a figure reaches nothing.
    pub(crate) fn is_met(&self) -> bool {
        self.worst.is_some_and(|worst| worst <= self.limit)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let verdict = if self.is_met() { "met   " } else { "MISSED" };
        let worst = self.worst.map_or_else(|| "no figure".to_owned(), |worst| format!("{worst:.3}"));
        write!(formatter, "{verdict}  {}: {worst}, target at most {}", self.what, self.limit)
    }
}

fn is(row: &Row, section: &str, scenario: &str, system: &str) -> bool {
    (row.subject.section.as_str(), row.subject.scenario.as_str(), row.subject.system.as_str())
        == (section, scenario, system)
}

fn is_path(row: &Row, begins: &str) -> bool {
    row.subject.section == "paths" && row.subject.scenario.starts_with(begins)
}

fn is_afc(row: &Row) -> bool {
    row.subject.system.starts_with("afc")
}

fn is_each_millisecond(row: &Row) -> bool {
    row.subject.interval_ms == Some(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{circumstances::Circumstances, row::Subject};

    fn cut(system: &str, ratio: Option<f64>) -> Row {
        let subject = Subject::new("gap", "power cut", system, "ms");
        let row = Row::new(subject, vec![20.0], &Circumstances::default());
        Row { ratio_to_keepalived: ratio, ..row }
    }

    #[test]
    fn the_worst_row_decides() {
        let verdicts = verdicts(&[cut("afc", Some(0.6)), cut("afc-short", Some(0.2))]);
        let met: Vec<_> = verdicts.iter().map(Verdict::is_met).collect();
        assert_eq!(met, [false, true, true]);
        assert!(verdicts[0].to_string().starts_with("MISSED"), "{}", verdicts[0]);
    }

    #[test]
    fn a_row_without_a_figure_misses_and_no_row_is_no_verdict() {
        let verdicts = verdicts(&[cut("afc-short", None)]);
        assert_eq!(verdicts.iter().map(Verdict::is_met).collect::<Vec<_>>(), [false; 2]);
        assert_eq!(super::verdicts(&[]), []);
    }
}
