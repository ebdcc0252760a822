//! How many heartbeats a second one core answers, in the kernel and by an echo in userspace: `afc_lab::cost::flood`.

use std::time::Duration;

use afc_lab::{
    clock::now_ns,
    cost::{self, Answerer},
};
use anyhow::Result;

use crate::{
    row::{Row, Subject},
    run::{Plan, Run},
};

/// Of one flood.
const LASTS: Duration = Duration::from_secs(1);
/// What setting one up takes.
const SET_UP: Duration = Duration::from_secs(1);

/// A row for each that answers.
///
/// # Errors
/// Without root.
pub(crate) fn measure(run: &mut Run) -> Result<Vec<Row>> {
    let began_ns = now_ns();
    let (mut kernel, mut userspace) = (Vec::new(), Vec::new());
    // In turns, so that both find the same machine.
    for _ in 0..run.plan.count {
        kernel.push(cost::flood(Answerer::Kernel, LASTS)?.per_core_second());
        userspace.push(cost::flood(Answerer::Userspace, LASTS)?.per_core_second());
    }
    let circumstances = run.circumstances_since(began_ns);
    let row = |system: &str, values, note: &str| {
        let subject = Subject::new("answers", "heartbeats answered by one core", system, "/s");
        Row::new(subject, values, &circumstances).noting(note)
    };
    Ok(vec![
        row("afc", kernel, "XDP verifies, answers and seals; by the time that its NAPI thread took of a CPU"),
        row("UDP echo", userspace, "32 datagrams a call, nothing verified; NAPI thread and echo"),
    ])
}

/// About how long it takes.
pub(crate) fn estimate(plan: &Plan) -> Duration {
    (LASTS + SET_UP) * 2 * plan.count as u32
}
