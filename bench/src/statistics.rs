//! A sample in few numbers. Pure.

use std::time::Duration;

/// Median, 99th percentile and maximum of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// How many values there are.
    pub(crate) n: usize,
    /// The middle; of an even number, between the two in the middle.
    pub(crate) median: f64,
    /// By nearest rank: of fewer than a hundred values, the largest.
    pub(crate) p99: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Summary {
    /// Of these values; `None` of no value, or if one is no number.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values)?;
        let (n, upper) = (sorted.len(), sorted.len() / 2);
        let median = match n.is_multiple_of(2) {
            true => (sorted[upper - 1] + sorted[upper]) / 2.0,
            false => sorted[upper],
        };
        Some(Self { n, median, p99: percentile(&sorted, 99), max: *sorted.last()? })
    }
}

/// In ascending order; `None` of no value, or if one is no number.
pub(crate) fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    if values.is_empty() || values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(sorted)
}

/// In milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The value that `percent` of them do not exceed, by nearest rank.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_the_middle_the_nearest_rank_and_the_largest() {
        let hundred: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let summary = Summary::of(&hundred).unwrap();
        assert_eq!(summary, Summary { n: 200, median: 100.5, p99: 198.0, max: 200.0 });
        let three = Summary::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!(three, Summary { n: 3, median: 2.0, p99: 3.0, max: 3.0 });
    }

    #[test]
    fn nothing_and_no_number_have_no_summary() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
    }
}
