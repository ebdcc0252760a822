//! What the outside client misses when the node that serves it fails, or is relieved: on an idle machine, and while hogs starve
//! both processors.
//!
//! Systems take turns, a few samples each, so that what the machine does meanwhile hits all of them alike. Each turn builds its
//! lab anew.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;

use super::sample::{self, Answerers, Ending, Sample};
use crate::{
    circumstances::Circumstances,
    fault::Fault,
    load::Load,
    row::Row,
    run::{Plan, Run},
    statistics::Summary,
    system::{
        System,
        site::{Purpose, Site},
    },
};

/// Samples of each fault in one turn of a system.
const TURN: usize = 5;
/// A turn in which the system does not come up or get over a fault is given up; after so many, the system is.
const FAILURES: usize = 3;
/// About what a sample takes, and the lab of a turn.
const SAMPLE: Duration = Duration::from_millis(4500);
const BUILD: Duration = Duration::from_secs(6);

/// What was measured of one system under one load.
#[derive(Default)]
struct Harvest {
    samples: BTreeMap<Fault, Vec<Sample>>,
    failures: Vec<String>,
}

/// The rows of these loads.
///
/// # Errors
/// When the shortest timeout can't be found.
pub(crate) fn measure(run: &mut Run, section: &str, loads: &[Load]) -> Result<Vec<Row>> {
    let systems = run.systems()?;
    let mut rows = Vec::new();
    for &load in loads {
        let mut harvests: Vec<Harvest> = systems.iter().map(|_| Harvest::default()).collect();
        let mut left = run.plan.count;
        while left > 0 {
            let turn = TURN.min(left);
            left -= turn;
            for (system, harvest) in systems.iter().zip(&mut harvests) {
                for purpose in [Purpose::Failures, Purpose::Moves] {
                    let taken = take_turn(run, (*system, purpose), (load, turn), harvest);
                    if let Err(error) = taken {
                        run.say(&format!(
                            "{}, {}: given up for now: {error:#}",
                            system.label(),
                            load.label()
                        ));
                        harvest.failures.push(format!("{error:#}"));
                    }
                }
            }
            run.say(&format!("{}: {left} samples of each left", load.label()));
        }
        rows.extend(rows_of_load(section, load, &run.plan.faults, &systems, &harvests));
    }
    Ok(rows)
}

/// About how long so many loads take.
pub(crate) fn estimate(plan: &Plan, loads: usize) -> Duration {
    let turns = plan.count.div_ceil(TURN) as u32;
    let samples = (plan.count * plan.faults.len()) as u32;
    (SAMPLE * samples + 2 * BUILD * turns) * (plan.systems.len() * loads) as u32
}

fn take_turn(
    run: &Run,
    (system, purpose): (System, Purpose),
    (load, turn): (Load, usize),
    harvest: &mut Harvest,
) -> Result<()> {
    if harvest.failures.len() >= FAILURES {
        return Ok(());
    }
    let faults: Vec<Fault> = run.plan.faults.iter().copied().filter(|it| is_for(*it) == purpose).collect();
    if faults.is_empty() {
        return Ok(());
    }
    let mut site = Site::start(system, purpose)?;
    for fault in faults {
        for _ in 0..turn {
            let sample = sample::take(run, &mut site, fault, load)?;
            run.say(&format!(
                "{:<17} {:<17} {:<22} {:>8.1} ms, {} lost",
                load.label(),
                system.label(),
                fault.label(),
                sample.gap_ms,
                sample.lost
            ));
            harvest.samples.entry(fault).or_default().push(sample);
        }
    }
    Ok(())
}

fn is_for(fault: Fault) -> Purpose {
    match fault {
        Fault::PowerCut | Fault::Kill | Fault::Freeze => Purpose::Failures,
        Fault::Move => Purpose::Moves,
    }
}

/// Those of each fault next to each other: the gaps; and of a planned move the packets that were lost.
fn rows_of_load(
    section: &str,
    load: Load,
    faults: &[Fault],
    systems: &[System],
    harvests: &[Harvest],
) -> Vec<Row> {
    let mut rows = Vec::new();
    for &fault in faults {
        for figure in Figure::of(fault) {
            for (system, harvest) in systems.iter().zip(harvests) {
                let samples = harvest.samples.get(&fault).map(Vec::as_slice).unwrap_or_default();
                let subject =
                    system.subject(section, &figure.label(fault), figure.unit()).under(load.label());
                let values = samples.iter().map(|sample| figure.value(sample)).collect();
                let mut circumstances = Circumstances::default();
                samples.iter().for_each(|sample| circumstances.join(&sample.circumstances));
                rows.push(
                    Row::new(subject, values, &circumstances).noting(notes(samples, &harvest.failures)),
                );
            }
        }
    }
    rows
}

/// What is read from a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Gap,
    Lost,
}

impl Figure {
    fn of(fault: Fault) -> &'static [Self] {
        match fault {
            Fault::PowerCut | Fault::Kill | Fault::Freeze => &[Self::Gap],
            Fault::Move => &[Self::Gap, Self::Lost],
        }
    }

    fn label(self, fault: Fault) -> String {
        match self {
            Self::Gap => fault.label().to_owned(),
            Self::Lost => format!("{}, packets lost", fault.label()),
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Gap => "ms",
            Self::Lost => "lost",
        }
    }

    fn value(self, sample: &Sample) -> f64 {
        match self {
            Self::Gap => sample.gap_ms,
            Self::Lost => sample.lost as f64,
        }
    }
}

/// What a reader of the gaps must know.
fn notes(samples: &[Sample], failures: &[String]) -> String {
    let outages: Vec<f64> = samples.iter().map(|sample| sample.outage_ms).collect();
    let count = |is: fn(&Sample) -> bool| samples.iter().filter(|sample| is(sample)).count();
    let out = count(|sample| sample.ending == Ending::Out);
    let two = count(|sample| sample.answerers == Answerers::Two);
    let mut notes = Vec::new();
    if let Some(outage) = Summary::of(&outages) {
        notes.push(format!("outage median {:.1} ms", outage.median));
    }
    if out > 0 {
        notes.push(format!("{out} times not back within 10 s"));
    }
    if two > 0 {
        notes.push(format!("{two} times two nodes answered in turn"));
    }
    if let Some(failure) = failures.last() {
        let failure = failure.lines().next().unwrap_or_default();
        notes.push(format!("{} turns given up, the last: {failure}", failures.len()));
    }
    notes.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::SystemName;

    fn sample(gap_ms: f64, ending: Ending) -> Sample {
        Sample {
            gap_ms,
            outage_ms: gap_ms - 1.0,
            lost: 3,
            ending,
            answerers: Answerers::One,
            circumstances: Circumstances::default(),
        }
    }

    fn rows(fault: Fault, samples: Vec<Sample>, failures: Vec<String>) -> Vec<Row> {
        let system = System::new(SystemName::Keepalived, Duration::from_millis(8));
        let harvest = Harvest { samples: BTreeMap::from([(fault, samples)]), failures };
        rows_of_load("gap", Load::Idle, &[fault], &[system], &[harvest])
    }

    #[test]
    fn a_planned_move_also_counts_the_packets_that_were_lost() {
        let samples = vec![sample(31.0, Ending::Back), sample(33.0, Ending::Out)];
        let rows = rows(Fault::Move, samples, Vec::new());
        let shown: Vec<_> = rows.iter().map(|row| (row.subject.unit.as_str(), row.median)).collect();
        assert_eq!(shown, [("ms", Some(32.0)), ("lost", Some(3.0))]);
        assert_eq!(rows[0].notes, "outage median 31.0 ms; 1 times not back within 10 s");
    }

    #[test]
    fn a_system_that_never_came_up_is_a_row_without_values_that_says_why() {
        let rows = rows(Fault::PowerCut, Vec::new(), vec!["not installed\nmore".to_owned()]);
        assert_eq!((rows.len(), rows[0].n, rows[0].median), (1, 0, None));
        assert_eq!(rows[0].notes, "1 turns given up, the last: not installed");
    }
}
