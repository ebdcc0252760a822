//! How soon a power cut is noticed: FRR's bfdd, which then moves nothing, beside afc, which then votes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use afc_lab::{
    Lab, LabSpec,
    clock::{boot_ns, now_ns},
    wait_for,
};
use anyhow::{Context, Result};

use crate::{
    circumstances::Circumstances,
    fault::Fault,
    row::{Row, Subject},
    run::{Plan, Run},
    statistics::millis,
    system::{
        System,
        bfdd::{self, Session},
        site::{Purpose, Site},
    },
};

/// The node whose plug is pulled.
const NODE: &str = "n1";
const SOON: Duration = Duration::from_secs(10);
const DAY_NS: u64 = 24 * 3600 * 1_000_000_000;
/// About what a sample takes.
const SAMPLE: Duration = Duration::from_secs(4);

/// One row of bfdd, and one of each afc that was chosen.
///
/// # Errors
/// When bfdd is not installed.
pub(crate) fn measure(run: &mut Run) -> Result<Vec<Row>> {
    let mut rows = vec![bfdd_row(run)?];
    for system in run.systems()? {
        if matches!(system.kind, crate::system::Kind::Afc(_)) {
            rows.push(afc_row(run, system)?);
        }
    }
    Ok(rows)
}

/// About how long it takes.
pub(crate) fn estimate(plan: &Plan) -> Duration {
    SAMPLE * 3 * plan.count as u32
}

fn bfdd_row(run: &Run) -> Result<Row> {
    let lab = Lab::new(LabSpec::five_nodes())?;
    let session = Session::start(&lab, NODE)?;
    let (mut values, mut circumstances) = (Vec::new(), Circumstances::default());
    for _ in 0..run.plan.count {
        let began_ns = now_ns();
        let downs = session.downs();
        let cut_ns = time_of_day_ns()?;
        lab.power_cut(NODE)?;
        wait_for("bfdd notices", SOON, || session.downs() > downs)?;
        let down_ns = session.last_down_ns().context("bfdd does not say when")?;
        values.push((down_ns + DAY_NS - cut_ns) as f64 % DAY_NS as f64 / 1e6);
        circumstances.join(&run.circumstances_since(began_ns));
        lab.power_on(NODE)?;
        session.wait_until_up(downs + 1)?;
    }
    let subject = Subject {
        interval_ms: Some(millis(bfdd::INTERVAL)),
        timeout_ms: Some(millis(bfdd::INTERVAL * bfdd::MULTIPLIER)),
        ..Subject::new("detection", "power cut noticed", "bfdd", "ms")
    };
    Ok(Row::new(subject, values, &circumstances).noting("moves nothing"))
}

fn afc_row(run: &Run, system: System) -> Result<Row> {
    let mut site = Site::start(system, Purpose::Failures)?;
    let (mut values, mut circumstances) = (Vec::new(), Circumstances::default());
    for _ in 0..run.plan.count {
        let began_ns = now_ns();
        let node = site.serving()?;
        let cut_ns = boot_ns();
        site.strike(Fault::PowerCut, &node)?;
        let mut suspected = None;
        wait_for("a member suspects the owner", SOON, || {
            suspected = first_suspicion(&site.lab, &node, cut_ns);
            suspected.is_some()
        })?;
        values.extend(suspected.map(|at_ns| (at_ns - cut_ns) as f64 / 1e6));
        circumstances.join(&run.circumstances_since(began_ns));
        site.mend(Fault::PowerCut, &node)?;
    }
    let row = Row::new(system.subject("detection", "power cut noticed", "ms"), values, &circumstances);
    Ok(row.noting("the first member's suspicion, by its own event"))
}

/// When the first of the others suspected a node since a time of [`boot_ns`].
fn first_suspicion(lab: &Lab, of: &str, since_ns: u64) -> Option<u64> {
    let others = lab.spec().members().into_iter().filter(|node| node != of);
    let suspicions = others.filter_map(|node| {
        let events = lab.events(&node).ok()?;
        let mut about = events.iter().filter(|event| event["kind"] == "suspected" && event["node"] == of);
        about.find_map(|event| event["boot_ns"].as_u64().filter(|at_ns| *at_ns >= since_ns))
    });
    suspicions.min()
}

/// Of the wall clock, UTC.
fn time_of_day_ns() -> Result<u64> {
    Ok((SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() % u128::from(DAY_NS)) as u64)
}
