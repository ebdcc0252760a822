//! The sections of a run: each a file with one function from the run to its rows.
//!
//! A new one takes a variant of [`SectionName`], a file below `section/`, and an arm in each `match` here.

mod answers;
mod detection;
mod footprint;
mod gap;
mod lists;
mod paths;
mod redirect;
mod sample;
pub(crate) mod shortest;
mod steady;

use std::time::Duration;

use anyhow::Result;

use crate::{
    arguments::SectionName,
    load::Load,
    row::Row,
    run::{Plan, Run},
};

/// Measures a section.
///
/// # Errors
/// When what it needs is not there.
pub(crate) fn run(section: SectionName, run: &mut Run) -> Result<Vec<Row>> {
    match section {
        SectionName::Lists => lists::measure(run),
        SectionName::Paths => paths::measure(run),
        SectionName::Answers => answers::measure(run),
        SectionName::Footprint => footprint::measure(run),
        SectionName::Redirect => redirect::measure(run),
        SectionName::Detection => detection::measure(run),
        SectionName::Gap => gap::measure(run, "gap", &[Load::Idle]),
        SectionName::Starved => gap::measure(run, "starved", &run.plan.loads.clone()),
        SectionName::Steady => steady::measure(run),
    }
}

/// What a section is about.
pub(crate) const fn title(section: SectionName) -> &'static str {
    match section {
        SectionName::Lists => "backup lists against size",
        SectionName::Paths => "each path of a packet through the kernel programs",
        SectionName::Answers => "heartbeats that one core answers",
        SectionName::Footprint => "an agent's processor, memory and packets",
        SectionName::Redirect => "from flip to first redirected packet",
        SectionName::Detection => "detection alone, beside bfdd",
        SectionName::Gap => "gaps on an idle machine",
        SectionName::Starved => "gaps while hogs starve the processors",
        SectionName::Steady => "false failovers under load",
    }
}

/// About how long a section takes.
pub(crate) fn estimate(section: SectionName, plan: &Plan) -> Duration {
    match section {
        SectionName::Lists => Duration::from_secs(10),
        SectionName::Paths => paths::estimate(plan),
        SectionName::Answers => answers::estimate(plan),
        SectionName::Footprint => footprint::estimate(plan),
        SectionName::Redirect => redirect::estimate(plan),
        SectionName::Detection => detection::estimate(plan),
        SectionName::Gap => gap::estimate(plan, 1),
        SectionName::Starved => gap::estimate(plan, plan.loads.len()),
        SectionName::Steady => steady::estimate(plan),
    }
}
