//! Reads `[thresholds]`: beyond what this node is short of something, and when it no longer is.

use std::time::Duration;

use humantime::format_duration;

use super::{Amount, Problem, Ratio, Section, Threshold, Thresholds, document::Convert, quantity};

/// The kernel counts CPU time in ticks of 10 ms: over less than five of them a share is noise.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
const DEFAULT_INTERVAL: Duration = Duration::from_millis(500);
const DEFAULT_LASTING: Duration = Duration::from_secs(2);
/// How much better than entering leaving is, by default.
const MARGIN: f64 = 0.1;

/// How one threshold is written, and what its values mean to each other.
struct Setting<T> {
    enter: &'static str,
    leave: &'static str,
    convert: Convert<T>,
    default_leave: fn(T) -> T,
    /// What is wrong with leaving at the first value and entering at the second.
    contradiction: fn(T, T) -> Option<Problem>,
}

const MEMORY: Setting<Amount> = Setting {
    enter: "memory_available",
    leave: "memory_available_leave",
    convert: quantity::amount,
    default_leave: more_memory,
    contradiction: |leave, enter| match (leave, enter) {
        (Amount::Bytes(leave), Amount::Bytes(enter)) if leave > enter => None,
        (Amount::Share(leave), Amount::Share(enter)) if leave > enter => None,
        (Amount::Bytes(_), Amount::Bytes(enter)) => Some(not_better("more", format!("\"{enter}B\""))),
        (Amount::Share(_), Amount::Share(enter)) => Some(not_better("more", percent(enter))),
        (Amount::Bytes(_), Amount::Share(_)) | (Amount::Share(_), Amount::Bytes(_)) => {
            let problem = "is a size and a share of memory beside each other, which cannot be compared";
            Some(Problem::new(problem, "write both as in \"512MiB\", or both as in \"10%\""))
        }
    },
};

const CPU: Setting<Ratio> = Setting {
    enter: "cpu",
    leave: "cpu_leave",
    convert: quantity::ratio,
    default_leave: |enter| Ratio(enter.0 * (1.0 - MARGIN)),
    contradiction: |leave, enter| (leave >= enter).then(|| not_better("less", percent(enter))),
};

const IOPS: Setting<u64> = Setting {
    enter: "iops",
    leave: "iops_leave",
    convert: quantity::whole,
    default_leave: |enter| (enter as f64 * (1.0 - MARGIN)) as u64,
    contradiction: |leave, enter| (leave >= enter).then(|| not_better("less", enter.to_string())),
};

const LOAD: Setting<f64> = Setting {
    enter: "load",
    leave: "load_leave",
    convert: quantity::positive,
    default_leave: |enter| enter * (1.0 - MARGIN),
    contradiction: |leave, enter| (leave >= enter).then(|| not_better("less", enter.to_string())),
};

/// `[thresholds]`. What is wrong with it is reported, and missing from the result.
pub(super) fn read(section: &Section<'_>) -> Thresholds {
    let iops = IOPS.read(section);
    if iops.is_some_and(|iops| iops.enter == 0) {
        let fix = "write at least 1, or leave the setting out";
        section.error(IOPS.enter, Problem::new("any operation is more than 0", fix));
    }
    let (interval, lasting) = times(section);
    let thresholds = Thresholds {
        memory_available: MEMORY.read(section),
        cpu: CPU.read(section),
        iops,
        load: LOAD.read(section),
        lasting,
        interval,
    };
    section.finish();
    thresholds
}

impl<T: Copy> Setting<T> {
    fn read(&self, section: &Section<'_>) -> Option<Threshold<T>> {
        let enter = section.optional(self.enter, self.convert);
        let leave = section.optional(self.leave, self.convert);
        if section.has(self.leave) && !section.has(self.enter) {
            let problem = format!("has no effect without {}", self.enter);
            section.error(self.leave, Problem::new(problem, format!("add {}, or leave it out", self.enter)));
        }
        let enter = enter?;
        if let Some(problem) = leave.and_then(|leave| (self.contradiction)(leave, enter)) {
            section.error(self.leave, problem);
        }
        Some(Threshold { enter, leave: leave.unwrap_or_else(|| (self.default_leave)(enter)) })
    }
}

/// `interval` and `for`.
fn times(section: &Section<'_>) -> (Duration, Duration) {
    let interval = section.optional("interval", quantity::duration).unwrap_or(DEFAULT_INTERVAL);
    let lasting = section.or("for", quantity::duration, DEFAULT_LASTING);
    if interval < MIN_INTERVAL {
        let problem = format!("over {} the share of CPU time is noise", format_duration(interval));
        section.error("interval", Problem::new(problem, "write at least \"50ms\""));
    } else if let Some(lasting) = lasting.filter(|&lasting| lasting < interval) {
        let (interval, lasting) = (format_duration(interval), format_duration(lasting));
        let problem = format!("{lasting} is less than the interval of {interval}");
        if section.has("for") {
            let fix = format!("write at least \"{interval}\", or a shorter interval");
            section.error("for", Problem::new(problem, fix));
        } else {
            let fix = format!("write at most \"{lasting}\", or a longer time as `for`");
            section.error(
                "interval",
                Problem::new(
                    format!("the default of `for`, {lasting}, is less than the interval of {interval}"),
                    fix,
                ),
            );
        }
    }
    (interval, lasting.unwrap_or(DEFAULT_LASTING))
}

/// Less than everything, so that it can be reached.
fn more_memory(enter: Amount) -> Amount {
    match enter {
        Amount::Bytes(bytes) => Amount::Bytes(bytes.saturating_add((bytes as f64 * MARGIN) as u64)),
        Amount::Share(Ratio(share)) => Amount::Share(Ratio(share + MARGIN * share.min(1.0 - share))),
    }
}

fn not_better(direction: &str, enter: String) -> Problem {
    let problem = format!("is not {direction} than {enter}, beyond which this node is short");
    Problem::new(problem, format!("write {direction}, or leave it out for 10 % {direction}"))
}

fn percent(Ratio(share): Ratio) -> String {
    format!("\"{}%\"", (share * 1e6).round() / 1e4)
}
