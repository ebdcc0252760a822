//! How fast the kernel's counters grow.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A counter that did not change for this long is not shown.
const LATELY: Duration = Duration::from_secs(30);

/// Every counter, and when it was read last.
#[derive(Clone, Debug, Default)]
pub(in crate::top) struct Rates {
    counters: BTreeMap<String, Counter>,
    noted: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    total: u64,
    per_second: Option<f64>,
    changed: Instant,
}

/// One counter.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::top) struct Rate {
    /// Its name.
    pub(in crate::top) name: String,
    /// Its value.
    pub(in crate::top) total: u64,
    /// Its growth between the last two samples; unknown with the first.
    pub(in crate::top) per_second: Option<f64>,
}

impl Rates {
    /// Takes the counters as they were at a moment.
    pub(in crate::top) fn note(&mut self, at: Instant, totals: &BTreeMap<String, u64>) {
        let passed = self.noted.map(|noted| at.saturating_duration_since(noted).as_secs_f64());
        let before = std::mem::take(&mut self.counters);
        for (name, &total) in totals {
            let counter = match (before.get(name), passed) {
                (Some(before), Some(passed)) if passed > 0.0 => Counter {
                    total,
                    per_second: Some(total.saturating_sub(before.total) as f64 / passed),
                    changed: if total == before.total { before.changed } else { at },
                },
                (Some(before), _) => Counter { total, ..*before },
                (None, _) => Counter { total, per_second: None, changed: at },
            };
            self.counters.insert(name.clone(), counter);
        }
        self.noted = Some(at);
    }

    /// Those that changed lately, the fastest first.
    pub(in crate::top) fn lately(&self) -> Vec<Rate> {
        let Some(noted) = self.noted else {
            return Vec::new();
        };
        let is_shown =
            |counter: &Counter| counter.total > 0 && noted.duration_since(counter.changed) < LATELY;
        let mut rates: Vec<_> = self
            .counters
            .iter()
            .filter(|(_, counter)| is_shown(counter))
            .map(|(name, counter)| Rate {
                name: name.clone(),
                total: counter.total,
                per_second: counter.per_second,
            })
            .collect();
        let speed = |rate: &Rate| rate.per_second.unwrap_or(0.0);
        rates.sort_by(|a, b| speed(b).total_cmp(&speed(a)).then(b.total.cmp(&a.total)));
        rates
    }
}
