//! What a client's packets say about the service: how many were lost, the longest time without an answer, and
//! how such times are distributed over many events. Pure.

use std::{collections::BTreeMap, fmt, ops::Range, time::Duration};

use crate::{clock::between, history::Packet};

/// A client's view of one virtual IP in one window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Packets sent.
    pub sent: usize,
    /// Packets that were never answered.
    pub lost: usize,
    /// The longest time without an answer, by when answers were received, edges of the window included.
    pub gap: Gap,
    /// The longest run of lost packets: from when the last answered one before was sent until the first answered one
    /// after was; zero when none was lost. A client that was itself held up does not lengthen it.
    pub outage: Gap,
    /// Answers by node.
    pub answers: BTreeMap<u16, usize>,
}

/// A time without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// Its start, ns.
    pub from_ns: u64,
    /// Its end, ns.
    pub to_ns: u64,
}

impl Gap {
    /// How long it was.
    pub fn duration(self) -> Duration {
        between(self.from_ns, self.to_ns)
    }
}

impl Report {
    /// Reads the packets of one window, which are in the order of their sending.
    pub fn of(packets: &[Packet], window: &Range<u64>) -> Self {
        let mut answers = BTreeMap::new();
        for answered in packets.iter().filter_map(|packet| packet.answered) {
            *answers.entry(answered.node).or_default() += 1;
        }
        let answered: usize = answers.values().sum();
        let received = packets.iter().filter_map(|packet| Some(packet.answered?.received_ns));
        Self {
            sent: packets.len(),
            lost: packets.len() - answered,
            gap: longest_gap(received, window),
            outage: longest_outage(packets, window),
            answers,
        }
    }
}

/// The longest time between two successive marks, the edges of the window included.
pub fn longest_gap(marks: impl IntoIterator<Item = u64>, window: &Range<u64>) -> Gap {
    let mut marks: Vec<_> = marks.into_iter().filter(|mark| window.contains(mark)).collect();
    marks.extend([window.start, window.end]);
    marks.sort_unstable();
    let gaps = marks.windows(2).map(|pair| Gap { from_ns: pair[0], to_ns: pair[1] });
    gaps.max_by_key(|gap| gap.duration()).unwrap_or_default()
}

/// The longest run of lost packets.
fn longest_outage(packets: &[Packet], window: &Range<u64>) -> Gap {
    let mut longest = Gap::default();
    let mut from_ns = window.start;
    let mut losing = false;
    let edge = Packet { sent_ns: window.end, answered: None };
    for packet in packets.iter().chain([&edge]) {
        let ends = packet.answered.is_some() || std::ptr::eq(packet, &edge);
        if !ends {
            losing = true;
            continue;
        }
        let run = Gap { from_ns, to_ns: packet.sent_ns };
        if losing && run.duration() > longest.duration() {
            longest = run;
        }
        (from_ns, losing) = (packet.sent_ns, false);
    }
    longest
}

/// Many durations, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution(Vec<Duration>);

impl Distribution {
    /// Of these, of which there must be one at least.
    ///
    /// # Panics
    /// When there is none.
    pub fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut sorted: Vec<_> = durations.into_iter().collect();
        assert!(!sorted.is_empty(), "a distribution of nothing");
        sorted.sort_unstable();
        Self(sorted)
    }

    /// The value that `percent` of them do not exceed (nearest rank).
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent.min(100)).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    /// The middle; of an even number, between the two in the middle.
    pub fn median(&self) -> Duration {
        let upper = self.0.len() / 2;
        if self.0.len().is_multiple_of(2) { (self.0[upper - 1] + self.0[upper]) / 2 } else { self.0[upper] }
    }
}

impl fmt::Display for Distribution {
    /// The usual percentiles, then every value.
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let [min, p90, p99, max] = [0, 90, 99, 100].map(|percent| millis(self.percentile(percent)));
        let median = millis(self.median());
        writeln!(
            formatter,
            "n={} min={min} median={median} p90={p90} p99={p99} max={max} (ms)",
            self.0.len()
        )?;
        let values: Vec<_> = self.0.iter().map(|&duration| millis(duration)).collect();
        write!(formatter, "  {}", values.join(" "))
    }
}

/// In milliseconds with two decimals.
pub fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Answered;

    fn packet(sent_ns: u64, answer: Option<(u64, u16)>) -> Packet {
        let answered =
            answer.map(|(received_ns, node)| Answered { received_ns, served_ns: received_ns - 1, node });
        Packet { sent_ns, answered }
    }

    #[test]
    fn a_takeover_shows_as_the_time_between_the_last_answer_and_the_next() {
        let packets = [
            packet(10, Some((12, 1))),
            packet(20, Some((22, 1))),
            packet(30, None),
            packet(40, None),
            packet(50, Some((57, 4))),
            packet(60, Some((62, 4))),
        ];
        let report = Report::of(&packets, &(10..70));
        assert_eq!((report.sent, report.lost), (6, 2));
        assert_eq!(report.gap, Gap { from_ns: 22, to_ns: 57 });
        assert_eq!(report.outage, Gap { from_ns: 20, to_ns: 50 });
        assert_eq!(report.answers, BTreeMap::from([(1, 2), (4, 2)]));
    }

    #[test]
    fn a_late_client_is_a_gap_but_no_outage() {
        let packets = [packet(10, Some((12, 1))), packet(90, Some((92, 1)))];
        let report = Report::of(&packets, &(10..95));
        assert_eq!(report.gap, Gap { from_ns: 12, to_ns: 92 });
        assert_eq!(report.outage.duration(), Duration::ZERO);
    }

    #[test]
    fn a_service_that_never_comes_back_lasts_to_the_end_of_the_window() {
        let packets = [packet(10, Some((12, 1))), packet(20, None), packet(30, None)];
        let report = Report::of(&packets, &(10..100));
        assert_eq!(report.gap, Gap { from_ns: 12, to_ns: 100 });
        assert_eq!(report.outage, Gap { from_ns: 10, to_ns: 100 });
        assert_eq!(Report::of(&[], &(10..100)).gap, Gap { from_ns: 10, to_ns: 100 });
    }

    #[test]
    fn percentiles_are_by_nearest_rank_and_the_median_is_in_the_middle() {
        let twenty = Distribution::of((1..=20).rev().map(Duration::from_millis));
        assert_eq!(twenty.percentile(0), Duration::from_millis(1));
        assert_eq!(twenty.percentile(90), Duration::from_millis(18));
        assert_eq!(twenty.percentile(100), Duration::from_millis(20));
        assert_eq!(twenty.median(), Duration::from_micros(10_500));
        let three = Distribution::of([3, 1, 2].map(Duration::from_millis));
        assert_eq!(three.median(), Duration::from_millis(2));
        assert!(three.to_string().ends_with("1.00 2.00 3.00"));
    }
}
