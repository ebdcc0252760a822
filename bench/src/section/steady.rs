//! False failovers and answers from two nodes, while hogs starve both processors and nothing fails.

use std::time::Duration;

use afc_lab::{
    clock::now_ns,
    hold_for,
    observer::{Client, Observer, Plan as Observation},
    wait_for,
};
use anyhow::{Context, Result};

use crate::{
    circumstances::Circumstances,
    load::Load,
    row::Row,
    run::{Plan, Run},
    statistics::millis,
    system::{
        System,
        site::{Purpose, Site},
    },
    urgency::urgently,
};

/// Hogs work for so long at most, and rest for so long, in which the machine's owner gets a word in.
const STRETCH: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(1);
/// Between two of the observer's questions, at most.
const ASK_PAUSE: Duration = Duration::from_micros(2500);
/// A client without an answer for longer has a gap.
const GAP: Duration = Duration::from_millis(15);
/// Everything was answered in this time: then all are served.
const MOMENT: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(30);
const BUILD: Duration = Duration::from_secs(8);

/// What was seen of one system under one load.
struct Seen {
    transitions: usize,
    /// Those of them that followed a processor's standing still, where the system says when they were.
    excused: Option<usize>,
    overlaps: usize,
    longest_gap: Duration,
    lasted: Duration,
    /// The share of answers whose moment is known to within a quarter of the system's timeout.
    sharp: f64,
    circumstances: Circumstances,
}

/// Three rows a system and load.
///
/// # Errors
/// When the shortest timeout can't be found.
pub(crate) fn measure(run: &mut Run) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for load in run.plan.loads.clone() {
        for system in run.systems()? {
            let seen = watch(run, system, load, run.plan.steady);
            match seen {
                Ok(seen) => {
                    run.say(&format!(
                        "{:<17} {:<17} {} transitions, {} overlaps, longest gap {:.0} ms in {:.0} s",
                        load.label(),
                        system.label(),
                        seen.transitions,
                        seen.overlaps,
                        millis(seen.longest_gap),
                        seen.lasted.as_secs_f64()
                    ));
                    rows.extend(rows_of(system, load, &seen));
                }
                Err(error) => {
                    let subject = system.subject("steady", "false failovers", "/hour").under(load.label());
                    let row = Row::new(subject, Vec::new(), &Circumstances::default());
                    rows.push(row.noting(format!("given up: {error:#}")));
                }
            }
        }
    }
    Ok(rows)
}

/// About how long it takes.
pub(crate) fn estimate(plan: &Plan) -> Duration {
    let stretches = plan.steady.as_secs().div_ceil(STRETCH.as_secs()) as u32;
    (plan.steady + REST * stretches + BUILD) * (plan.systems.len() * plan.loads.len()) as u32
}

/// How often a node became owner in so long a time under a load; how often without a processor's standing still before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transitions {
    pub(crate) all: usize,
    pub(crate) unexcused: usize,
}

/// The same watch for the search for the shortest timeout.
///
/// # Errors
/// When the system does not come up.
pub(crate) fn transitions(run: &Run, system: System, load: Load, lasting: Duration) -> Result<Transitions> {
    let seen = watch(run, system, load, lasting)?;
    let unexcused = seen.transitions.saturating_sub(seen.excused.unwrap_or_default());
    Ok(Transitions { all: seen.transitions, unexcused })
}

fn watch(run: &Run, system: System, load: Load, lasting: Duration) -> Result<Seen> {
    let site = Site::start(system, Purpose::Failures)?;
    let settle = system.timeout();
    let plan = Observation { pause: ASK_PAUSE.min(settle / 5), settle, gap: GAP };
    let observer = Observer::start(&site.lab, plan)?;
    let (address, before) = (site.address(), site.transitions()?);
    wait_for("the service answers", SOON, || observer.tally().arrived > 0)?;
    hold_for("the observer has seen everything", MOMENT, || true)?;
    let began_ns = now_ns();
    let mut left = lasting;
    while !left.is_zero() {
        let stretch = left.min(STRETCH);
        left -= stretch;
        let hogs = load.start(stretch)?;
        urgently(|| hold_for("nothing is done", stretch, || true))??;
        drop(hogs);
        hold_for("the machine rests", REST, || true)?;
    }
    observer.catch_up()?;
    let services = &site.lab.spec().services;
    let gaps = observer.gaps(began_ns).into_iter();
    let gaps = gaps.filter(|gap| gap.client == Client::Direct && gap.address == address);
    let tally = observer.tally();
    let circumstances = run.circumstances_since(began_ns);
    let takeovers = site.takeovers(began_ns).context("after the load")?;
    let is_excused = |at_ns: &&u64| circumstances.excuses(**at_ns, settle);
    Ok(Seen {
        transitions: site.transitions().context("after the load")?.saturating_sub(before),
        excused: takeovers.map(|takeovers| takeovers.iter().filter(is_excused).count()),
        overlaps: services.iter().map(|service| observer.overlaps(service.address).len()).sum(),
        longest_gap: gaps.map(|gap| gap.gap.duration()).max().unwrap_or_default(),
        lasted: lasting,
        sharp: tally.within(settle / 4),
        circumstances,
    })
}

fn rows_of(system: System, load: Load, seen: &Seen) -> [Row; 3] {
    let row = |scenario: &str, unit: &str, value: f64| {
        let subject = system.subject("steady", scenario, unit).under(load.label());
        Row::new(subject, vec![value], &seen.circumstances)
    };
    let seconds = seen.lasted.as_secs_f64();
    let a_hour = seen.transitions as f64 * 3600.0 / seconds;
    let excused = seen.excused.filter(|_| seen.transitions > 0);
    let excused = excused.map(|excused| format!(", {excused} of them after a processor stood still"));
    let excused = excused.unwrap_or_default();
    let sharp =
        format!("{:.0} % of the answers known to within a quarter of the timeout", seen.sharp * 100.0);
    [
        row("false failovers", "/hour", a_hour)
            .noting(format!("{} in {seconds:.0} s{excused}", seen.transitions)),
        row("answers from two nodes", "times", seen.overlaps as f64).noting(sharp),
        row("longest time without an answer", "ms", millis(seen.longest_gap))
            .noting("of those above 15 ms; 0 if there was none"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{LoadName, SystemName};

    #[test]
    fn what_was_counted_is_told_by_the_hour() {
        let seen = Seen {
            transitions: 2,
            excused: Some(1),
            overlaps: 1,
            longest_gap: Duration::from_millis(31),
            lasted: Duration::from_secs(600),
            sharp: 0.5,
            circumstances: Circumstances::default(),
        };
        let system = System::new(SystemName::Keepalived, Duration::from_millis(8));
        let rows = rows_of(system, Load::Starving(LoadName::Fifo100), &seen);
        assert_eq!(rows.each_ref().map(|row| row.median), [Some(12.0), Some(1.0), Some(31.0)]);
        assert_eq!(rows[0].notes, "2 in 600 s, 1 of them after a processor stood still");
        assert!(rows.iter().all(|row| row.subject.load == "FIFO-50 at 100 %"));
    }
}
