//! What a campaign has found, by kind of fault: a table for people, JSON for documents.

use std::{collections::BTreeMap, fmt, time::Duration};

use afc_lab::{
    observer::Tally,
    pulse::Stall,
    report::{Distribution, millis},
};
use serde_json::{Value, json};

use crate::{
    bound::Bounds,
    campaign::{GAP, Outcome},
    fault::Kind,
    schedule::Plot,
};

/// Everything but what the observer counts.
#[derive(Debug)]
pub(crate) struct Report {
    bounds: Bounds,
    struck: BTreeMap<Kind, usize>,
    rows: BTreeMap<Label, Row>,
    load_max: f64,
    stalls: usize,
    longest_stall: Duration,
}

/// The frame of a campaign, for its report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) seed: u64,
    pub(crate) lasted: Duration,
    pub(crate) tally: &'a Tally,
    /// What ended it early.
    pub(crate) failure: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    One(Kind),
    Two,
    Storm,
}

/// What came of the episodes of one label.
#[derive(Debug, Default)]
struct Row {
    episodes: usize,
    moves: usize,
    gaps: Vec<Duration>,
    /// The longest part of a gap in which there was a majority and a candidate, and nothing was done.
    demanded: Duration,
    unexplained: usize,
}

impl Report {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            struck: BTreeMap::new(),
            rows: BTreeMap::new(),
            load_max: 0.0,
            stalls: 0,
            longest_stall: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.load_max = self.load_max.max(load());
        self.stalls += outcome.stalls.len();
        let longest = outcome.stalls.iter().map(Stall::length).max().unwrap_or_default();
        self.longest_stall = self.longest_stall.max(longest);
        for fault in &outcome.faults {
            *self.struck.entry(fault.kind).or_default() += 1;
        }
        let row = self.rows.entry(Label::of(outcome.plot)).or_default();
        row.episodes += 1;
        row.moves += outcome.moves;
        for gap in &outcome.gaps {
            row.gaps.push(gap.gap.duration());
            row.unexplained += usize::from(gap.is_unexplained(&self.bounds));
            row.demanded = row.demanded.max(gap.demanded);
        }
    }

    /// How many faults struck.
    fn faults(&self) -> usize {
        self.struck.values().sum()
    }

    pub(crate) fn unexplained(&self) -> usize {
        self.rows.values().map(|row| row.unexplained).sum()
    }

    fn demanded(&self) -> Duration {
        self.rows.values().map(|row| row.demanded).max().unwrap_or_default()
    }

    /// For programs.
    pub(crate) fn to_json(&self, frame: &Frame, violations: usize) -> Value {
        let kinds = Kind::ALL.map(|kind| {
            let mut row =
                self.rows.get(&Label::One(kind)).map_or_else(|| Row::default().to_json(), Row::to_json);
            row["kind"] = kind.name().into();
            row["struck"] = self.struck.get(&kind).copied().unwrap_or(0).into();
            row
        });
        let other = |label| self.rows.get(&label).map_or_else(|| Row::default().to_json(), Row::to_json);
        let tally = frame.tally;
        json!({
            "seed": frame.seed,
            "seconds": frame.lasted.as_secs_f64(),
            "failure": frame.failure,
            "faults": self.faults(),
            "violations": violations,
            "unexplained_outages": self.unexplained(),
            "bound_ms": self.bounds.full.as_secs_f64() * 1e3,
            "bound_disturbed_ms": self.bounds.disturbed.as_secs_f64() * 1e3,
            "longest_wait_with_majority_ms": self.demanded().as_secs_f64() * 1e3,
            "load_average": load(),
            "load_average_max": self.load_max,
            "stalls": self.stalls,
            "longest_stall_ms": self.longest_stall.as_secs_f64() * 1e3,
            "frames": tally.frames,
            "answers_at_the_switch": tally.answers(),
            "answers_at_clients": tally.arrived,
            "missed_frames": tally.lost,
            "placed_within_1_ms": tally.within(Duration::from_millis(1)),
            "kinds": kinds,
            "two_at_once": other(Label::Two),
            "storms": other(Label::Storm),
        })
    }

    /// For people.
    pub(crate) fn table(&self, frame: &Frame, violations: usize) -> String {
        let mut lines = vec![format!(
            "{:<32}{:>8}{:>8}{:>8}{:>8}{:>12}{:>12}{:>12}",
            "fault", "struck", "alone", "moves", "gaps", "median ms", "max ms", "demanded ms"
        )];
        for kind in Kind::ALL {
            let struck = self.struck.get(&kind).copied().unwrap_or(0);
            lines.push(self.line(kind.name(), struck, Label::One(kind)));
        }
        for (name, label) in [("two at once", Label::Two), ("storm", Label::Storm)] {
            let episodes = self.rows.get(&label).map_or(0, |row| row.episodes);
            lines.push(self.line(name, episodes, label));
        }
        lines.push(format!(
            "processors stood still for more than 5 ms {} times, for {} ms at most",
            self.stalls,
            millis(self.longest_stall)
        ));
        let tally = frame.tally;
        lines.push(format!(
            "seed {}, {:.0} s, {} faults, load average {:.2} (max {:.2})",
            frame.seed,
            frame.lasted.as_secs_f64(),
            self.faults(),
            load(),
            self.load_max
        ));
        lines.push(format!(
            "observed: {} frames, {} answers of nodes ({:.1} % placed within 1 ms), {} answers at clients, {} missed",
            tally.frames,
            tally.answers(),
            tally.within(Duration::from_millis(1)) * 100.0,
            tally.arrived,
            tally.lost
        ));
        lines.push(format!(
            "gaps: of a client, longer than {} ms; demanded: the longest part of one with a majority and a candidate",
            millis(GAP)
        ));
        lines.push(format!(
            "longest wait with a majority and a candidate: {} ms (bound {} ms)",
            millis(self.demanded()),
            millis(self.bounds.full)
        ));
        lines.push(format!("violations: {violations}, unexplained outages: {}", self.unexplained()));
        lines.join("\n")
    }

    fn line(&self, name: &str, struck: usize, label: Label) -> String {
        let nothing = Row::default();
        let row = self.rows.get(&label).unwrap_or(&nothing);
        let [median, max] =
            row.median_and_max().map_or(["-".to_owned(), "-".to_owned()], |it| it.map(millis));
        let Row { episodes, moves, gaps, demanded, .. } = row;
        let (gaps, demanded) = (gaps.len(), millis(*demanded));
        format!("{name:<32}{struck:>8}{episodes:>8}{moves:>8}{gaps:>8}{median:>12}{max:>12}{demanded:>12}")
    }
}

impl Label {
    fn of(plot: Plot) -> Self {
        match plot {
            Plot::One(kind) => Self::One(kind),
            Plot::Two(..) => Self::Two,
            Plot::Storm => Self::Storm,
        }
    }
}

impl Row {
    fn median_and_max(&self) -> Option<[Duration; 2]> {
        let gaps = (!self.gaps.is_empty()).then(|| Distribution::of(self.gaps.iter().copied()))?;
        Some([gaps.median(), gaps.percentile(100)])
    }

    fn to_json(&self) -> Value {
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        let [median, max] = self.median_and_max().map_or([None, None], |it| it.map(|it| Some(millis(it))));
        json!({
            "episodes": self.episodes,
            "moves": self.moves,
            "gaps": self.gaps.len(),
            "gap_median_ms": median,
            "gap_max_ms": max,
            "demanded_max_ms": millis(self.demanded),
            "unexplained": self.unexplained,
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let faults: Vec<_> = self.faults.iter().map(ToString::to_string).collect();
        write!(formatter, "{}: {} moves, {} gaps", faults.join(" + "), self.moves, self.gaps.len())?;
        if let Some(gap) = self.gaps.iter().max_by_key(|gap| gap.gap.duration()) {
            let length = millis(gap.gap.duration());
            write!(formatter, ", longest {length} ms ({}, {})", gap.service, gap.client.name())?;
        }
        if let Some(stall) = self.stalls.iter().max_by_key(|stall| stall.length()) {
            let (count, longest) = (self.stalls.len(), millis(stall.length()));
            write!(formatter, "; the machine stood still {count} times, for {longest} ms at most")?;
        }
        write!(formatter, "; well after {:.1} s", self.took.as_secs_f64())
    }
}

impl fmt::Display for crate::fault::Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self { kind, node, other, measure } = self;
        formatter.write_str(kind.name())?;
        if matches!(kind, Kind::Loss | Kind::Reordering) {
            write!(formatter, " {measure} %")
        } else if *kind == Kind::Starvation {
            write!(formatter, " {measure} ms")
        } else if matches!(kind, Kind::Partition | Kind::Parting | Kind::OneWay) {
            write!(formatter, " ({node}, {other})")
        } else {
            write!(formatter, " {node}")
        }
    }
}

/// The machine's load average over a minute; 0 where nobody knows.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
