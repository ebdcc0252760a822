//! What the scenario `figures` has seen, as text and as JSON, and whether it is as it must be. Pure.

use std::time::Duration;

use afc_lab::{
    clock::between,
    report::{Distribution, millis},
    spec::ListMode,
    spread::Spread,
};
use serde_json::{Value, json};

use super::{matrix::aligned, views::Views};
use crate::run::timeline::{Timeline, in_ms};

/// Both runs.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) figures: Vec<Views>,
    pub(super) changes: Vec<Change>,
    pub(super) takeovers: Vec<Takeover>,
    pub(super) timelines: Vec<Timeline>,
}

/// How something that happened got into every node's lists.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// What happened.
    pub(super) cause: &'static str,
    /// When, ns of `CLOCK_BOOTTIME`.
    pub(super) cause_ns: u64,
    pub(super) spread: Spread,
}

/// Who took web-1 over when n1 died while n4 was short of memory.
#[derive(Clone, Debug)]
pub(super) struct Takeover {
    pub(super) lists: ListMode,
    pub(super) by: String,
    pub(super) available_mib: u64,
    pub(super) threshold_mib: u64,
    /// The longest time without an answer.
    pub(super) gateway: Duration,
    pub(super) direct: Duration,
    pub(super) http: Duration,
}

impl Change {
    /// The lines that say how long it took.
    pub(super) fn lines(&self) -> Vec<String> {
        let origin = &self.spread.origin;
        let delays = self.spread.delays();
        let each: Vec<_> = delays.iter().map(|(node, delay)| format!("{node} {}", millis(*delay))).collect();
        vec![
            format!("{origin} had it {} ms after {}", millis(self.until_origin()), self.cause),
            format!("ms from {origin}'s lists to the others': {}{}", each.join("  "), self.summary()),
        ]
    }

    fn until_origin(&self) -> Duration {
        between(self.cause_ns, self.spread.origin_ns)
    }

    fn delays(&self) -> Option<Distribution> {
        let delays: Vec<_> = self.spread.delays().into_values().collect();
        (!delays.is_empty()).then(|| Distribution::of(delays))
    }

    fn summary(&self) -> String {
        self.delays().map_or_else(String::new, |delays| {
            format!("  (median {}, max {})", millis(delays.median()), millis(delays.percentile(100)))
        })
    }

    fn to_json(&self) -> Value {
        let delays = self.spread.delays();
        let each: serde_json::Map<_, _> =
            delays.iter().map(|(node, delay)| ((*node).to_owned(), json!(in_ms(*delay)))).collect();
        let delays = self.delays();
        json!({
            "cause": self.cause,
            "origin": self.spread.origin,
            "until_origin_ms": in_ms(self.until_origin()),
            "delays_ms": each,
            "median_ms": delays.as_ref().map(|delays| in_ms(delays.median())),
            "max_ms": delays.as_ref().map(|delays| in_ms(delays.percentile(100))),
        })
    }
}

impl Takeover {
    /// Whether a node took the service over that could not afford it.
    pub(super) fn is_in_vain(&self) -> bool {
        self.available_mib < self.threshold_mib
    }

    fn row(&self) -> Vec<String> {
        let memory = if self.is_in_vain() { "SHORT of memory" } else { "has memory" };
        vec![
            self.lists.name().to_owned(),
            self.by.clone(),
            format!("{memory}: {} MiB left, needs {}", self.available_mib, self.threshold_mib),
            millis(self.gateway),
            millis(self.direct),
            millis(self.http),
        ]
    }

    fn to_json(&self) -> Value {
        json!({
            "lists": self.lists.name(),
            "by": self.by,
            "short_of_memory": self.is_in_vain(),
            "memory_available_mib": self.available_mib,
            "memory_threshold_mib": self.threshold_mib,
            "gap_ms": {
                "gateway": in_ms(self.gateway),
                "direct": in_ms(self.direct),
                "http": in_ms(self.http),
            },
        })
    }
}

impl Record {
    /// The runs side by side.
    pub(super) fn comparison(&self) -> Vec<String> {
        let head = ["lists", "taken over by", "which", "gateway gap ms", "direct", "http"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.takeovers.iter().map(Takeover::row));
        let mut lines = vec!["n1 dies while n4 is short of memory: who takes web-1 over?".to_owned()];
        lines.extend(aligned(&rows).into_iter().map(|line| format!("  {line}")));
        lines
    }

    /// Everything that is not as it must be, a sentence each.
    pub(super) fn complaints(&self, budget: Duration) -> Vec<String> {
        let figures = self.figures.iter().flat_map(Views::complaints);
        let clients = self.timelines.iter().flat_map(|timeline| timeline.complaints(budget));
        let takeovers = self.takeovers.iter().filter_map(complaint);
        figures.chain(takeovers).chain(clients).collect()
    }

    /// All of it for programs.
    pub(super) fn to_json(&self, budget: Duration) -> Value {
        let complaints = self.complaints(budget);
        json!({
            "budget_ms": budget.as_millis() as u64,
            "ok": complaints.is_empty(),
            "complaints": complaints,
            "figures": self.figures.iter().map(Views::to_json).collect::<Vec<_>>(),
            "changes": self.changes.iter().map(Change::to_json).collect::<Vec<_>>(),
            "takeovers": self.takeovers.iter().map(Takeover::to_json).collect::<Vec<_>>(),
            "timelines": self.timelines.iter().map(|timeline| timeline.to_json(budget)).collect::<Vec<_>>(),
        })
    }
}

/// Lists that adapt must spare a node that is short; static ones must not, or the comparison would show nothing.
fn complaint(takeover: &Takeover) -> Option<String> {
    let Takeover { by, available_mib, .. } = takeover;
    match (takeover.lists, takeover.is_in_vain()) {
        (ListMode::Adaptive, true) => {
            Some(format!("with lists that adapt web-1 went to {by}, which has {available_mib} MiB left"))
        }
        (ListMode::Static, false) => {
            Some(format!("with static lists web-1 went to {by}, not to n4, which is first in them"))
        }
        (ListMode::Adaptive, false) | (ListMode::Static, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const BUDGET: Duration = Duration::from_millis(250);

    fn takeover(lists: ListMode, by: &str, available_mib: u64) -> Takeover {
        let gap = Duration::from_millis(31);
        let by = by.to_owned();
        Takeover { lists, by, available_mib, threshold_mib: 64, gateway: gap, direct: gap, http: gap }
    }

    fn record(takeovers: Vec<Takeover>) -> Record {
        Record { figures: Vec::new(), changes: Vec::new(), takeovers, timelines: Vec::new() }
    }

    #[test]
    fn lists_that_adapt_spare_a_short_node_and_static_ones_do_not() {
        let (adaptive, fixed) = (ListMode::Adaptive, ListMode::Static);
        let good = record(vec![takeover(adaptive, "n5", 256), takeover(fixed, "n4", 30)]);
        assert_eq!(good.complaints(BUDGET), Vec::<String>::new());
        assert_eq!(good.to_json(BUDGET)["takeovers"][1]["short_of_memory"], true);
        let lines = good.comparison();
        assert!(lines[2].contains("adaptive  n5             has memory: 256 MiB left"), "{lines:#?}");
        assert!(lines[3].contains("SHORT of memory: 30 MiB left"), "{lines:#?}");
        let bad = record(vec![takeover(adaptive, "n4", 30), takeover(fixed, "n5", 256)]);
        assert_eq!(bad.complaints(BUDGET).len(), 2);
    }

    #[test]
    fn a_change_says_how_long_each_node_took() {
        let others = BTreeMap::from([("n1".to_owned(), 5_000_000), ("n2".to_owned(), 3_500_000)]);
        let spread = Spread { origin: "n4".to_owned(), origin_ns: 3_000_000, others };
        let change = Change { cause: "its memory was taken", cause_ns: 1_000_000, spread };
        let lines = change.lines();
        assert_eq!(lines[0], "n4 had it 2.00 ms after its memory was taken");
        assert_eq!(lines[1], "ms from n4's lists to the others': n1 2.00  n2 0.50  (median 1.25, max 2.00)");
        assert_eq!(change.to_json()["median_ms"], 1.25);
    }
}
