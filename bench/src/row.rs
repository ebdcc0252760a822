//! A row of the results: what was measured, of whom, under which circumstances. Its fields are the JSON's, which stays
//! stable: fields are added, never renamed.

use serde::{Deserialize, Serialize};

use crate::{circumstances::Circumstances, statistics::Summary};

/// The system that others are compared with.
pub(crate) const BASELINE: &str = "keepalived";

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// Which part of the run.
    pub(crate) section: String,
    /// What was done.
    pub(crate) scenario: String,
    /// To whom.
    pub(crate) system: String,
    /// What else ran: `idle`, or the hogs.
    pub(crate) load: String,
    /// Of the values.
    pub(crate) unit: String,
    /// Between two heartbeats or advertisements.
    pub(crate) interval_ms: Option<f64>,
    /// After which silence the other is given up.
    pub(crate) timeout_ms: Option<f64>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    /// How many values there are.
    pub(crate) n: usize,
    pub(crate) median: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) max: Option<f64>,
    /// This median by keepalived's of the same section, scenario and load.
    pub(crate) ratio_to_keepalived: Option<f64>,
    /// Of the last minute, the mean over the samples.
    pub(crate) load_average: f64,
    /// How often a processor stood still for 5 ms or more: its host had taken it away.
    pub(crate) stalls: usize,
    /// `uname -r`.
    pub(crate) kernel: String,
    /// What must be known to read it.
    pub(crate) notes: String,
    /// Every value, in the order of measuring.
    pub(crate) values: Vec<f64>,
}

impl Subject {
    /// About a system that has no times of its own, on an idle machine.
    pub(crate) fn new(section: &str, scenario: &str, system: &str, unit: &str) -> Self {
        Self {
            section: section.to_owned(),
            scenario: scenario.to_owned(),
            system: system.to_owned(),
            load: "idle".to_owned(),
            unit: unit.to_owned(),
            interval_ms: None,
            timeout_ms: None,
        }
    }

    /// The same under a load.
    #[must_use]
    pub(crate) fn under(mut self, load: &str) -> Self {
        load.clone_into(&mut self.load);
        self
    }
}

impl Row {
    /// Of a sample.
    pub(crate) fn new(subject: Subject, values: Vec<f64>, circumstances: &Circumstances) -> Self {
        let summary = Summary::of(&values);
        Self {
            subject,
            n: values.len(),
            median: summary.map(|summary| summary.median),
            p99: summary.map(|summary| summary.p99),
            max: summary.map(|summary| summary.max),
            ratio_to_keepalived: None,
            load_average: circumstances.load_average(),
            stalls: circumstances.stalls(),
            kernel: crate::circumstances::kernel(),
            notes: String::new(),
            values,
        }
    }

    /// The same with something to know about it.
    #[must_use]
    pub(crate) fn noting(mut self, note: impl AsRef<str>) -> Self {
        let note = note.as_ref();
        if !self.notes.is_empty() && !note.is_empty() {
            self.notes.push_str("; ");
        }
        self.notes.push_str(note);
        self
    }

    /// Whether two rows differ in the system alone.
    fn is_beside(&self, other: &Self) -> bool {
        let (this, other) = (&self.subject, &other.subject);
        (&this.section, &this.scenario, &this.load, &this.unit)
            == (&other.section, &other.scenario, &other.load, &other.unit)
    }
}

/// Fills in every row's ratio to keepalived's row beside it.
pub(crate) fn compare(rows: &mut [Row]) {
    let baselines: Vec<Row> = rows.iter().filter(|row| row.subject.system == BASELINE).cloned().collect();
    for row in rows {
        let baseline = baselines.iter().find(|baseline| baseline.is_beside(row));
        let medians = baseline.and_then(|baseline| Some((row.median?, baseline.median?)));
        row.ratio_to_keepalived = medians.filter(|(_, of)| *of > 0.0).map(|(median, of)| median / of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(system: &str, load: &str, values: &[f64]) -> Row {
        let subject = Subject::new("gap", "power cut", system, "ms").under(load);
        Row::new(subject, values.to_vec(), &Circumstances::default())
    }

    #[test]
    fn a_ratio_is_to_the_row_of_keepalived_with_the_same_load() {
        let mut rows = [
            row("afc", "idle", &[10.0]),
            row("keepalived", "idle", &[40.0]),
            row("afc", "busy", &[30.0]),
            row("keepalived", "busy", &[]),
        ];
        compare(&mut rows);
        assert_eq!(rows.map(|row| row.ratio_to_keepalived), [Some(0.25), Some(1.0), None, None]);
    }

    #[test]
    fn the_json_of_a_row_has_the_promised_fields_and_is_read_back() {
        let row = row("afc", "idle", &[1.0, 3.0]).noting("first").noting("second");
        let json = serde_json::to_value(&row).unwrap();
        for field in [
            "section",
            "scenario",
            "system",
            "load",
            "n",
            "unit",
            "median",
            "p99",
            "max",
            "ratio_to_keepalived",
            "interval_ms",
            "timeout_ms",
            "load_average",
            "stalls",
            "kernel",
            "notes",
            "values",
        ] {
            assert!(json.get(field).is_some(), "{field} is missing in {json}");
        }
        assert_eq!((json["median"].as_f64(), json["notes"].as_str()), (Some(2.0), Some("first; second")));
        assert_eq!(serde_json::from_value::<Row>(json).unwrap(), row);
    }
}
