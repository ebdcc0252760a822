//! One sample: a node that serves is struck, and what the outside client missed is read from its packets.

use std::{ops::Range, time::Duration};

use afc_lab::{clock::now_ns, hold_for, ownership, report::Report, scene::IN_FLIGHT_NS, wait_for};
use anyhow::Result;

use crate::{
    circumstances::Circumstances, fault::Fault, load::Load, run::Run, statistics::millis, system::site::Site,
    urgency::urgently,
};

/// For hogs to be felt before the fault.
const WARM_UP: Duration = Duration::from_millis(400);
/// A service that is not back in this time is out for good, as far as a row says.
const BOUND: Duration = Duration::from_secs(10);
/// Answers of another node that make it the one who serves now.
const STEADY: usize = 600;
/// The window begins so long before the fault.
const LEAD_NS: u64 = 20_000_000;

/// What a client missed.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The longest time between two answers, ms; to the end of the window if there was none any more.
    pub(crate) gap_ms: f64,
    /// From the last question that was answered before the loss to the first after it, ms: what remains of the gap without what
    /// the client itself was held up.
    pub(crate) outage_ms: f64,
    /// Questions without an answer.
    pub(crate) lost: usize,
    /// Whether another node served in the end.
    pub(crate) ending: Ending,
    /// Whether two nodes answered in turn.
    pub(crate) answerers: Answerers,
    pub(crate) circumstances: Circumstances,
}

/// How a sample ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Another node serves.
    Back,
    /// Not within the bound.
    Out,
}

/// How many answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answerers {
    /// One after the other.
    One,
    /// In turn, sooner than ownership can change and change back.
    Two,
}

/// Strikes once and mends it.
///
/// # Errors
/// When the system does not get over it.
pub(crate) fn take(run: &Run, site: &mut Site, fault: Fault, load: Load) -> Result<Sample> {
    site.settle()?;
    let began_ns = now_ns();
    let hogs = load.start(WARM_UP + BOUND + WARM_UP)?;
    let struck = urgently(|| strike(site, fault));
    hogs.end();
    let (node, window, ending) = struck??;
    let circumstances = run.circumstances_since(began_ns);
    let sample = read(site, &window, ending, circumstances);
    site.mend(fault, &node)?;
    Ok(sample)
}

/// Strikes whoever serves, and waits until another does: which node, and the window to be read.
fn strike(site: &mut Site, fault: Fault) -> Result<(String, Range<u64>, Ending)> {
    hold_for("the load is felt", WARM_UP, || true)?;
    let node = site.serving()?;
    let id = u16::from(site.lab.spec().node(&node).id);
    let from_ns = now_ns();
    site.strike(fault, &node)?;
    let others = || {
        let packets = site.packets(from_ns..now_ns());
        packets.iter().filter(|packet| packet.answered.is_some_and(|answer| answer.node != id)).count()
    };
    let back = wait_for("another node answers", BOUND, || others() >= STEADY);
    let ending = if back.is_ok() { Ending::Back } else { Ending::Out };
    hold_for("what is in flight arrives", Duration::from_nanos(IN_FLIGHT_NS), || true)?;
    Ok((node, from_ns - LEAD_NS..now_ns() - IN_FLIGHT_NS, ending))
}

fn read(site: &Site, window: &Range<u64>, ending: Ending, circumstances: Circumstances) -> Sample {
    let packets = site.packets(window.clone());
    let report = Report::of(&packets, window);
    let phases = ownership::phases(&packets);
    let overlaps = ownership::overlaps(&phases, site.system.timeout());
    Sample {
        gap_ms: millis(report.gap.duration()),
        outage_ms: millis(report.outage.duration()),
        lost: report.lost,
        ending,
        answerers: if overlaps.is_empty() { Answerers::One } else { Answerers::Two },
        circumstances,
    }
}
