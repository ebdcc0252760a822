//! What the kernel programs cost: each path of a packet over an empty program, and what the verifier says of each program.
//! How it is measured: `afc_lab::cost`.

use std::time::Duration;

use afc_lab::{
    clock::now_ns,
    cost::{self, Effort},
};
use anyhow::Result;

use crate::{
    row::{Row, Subject},
    run::{Form, Plan, Run},
};

/// About what a sample of every path takes.
const SAMPLE: Duration = Duration::from_millis(1600);

/// A row for each path, two for each program.
///
/// # Errors
/// Without root.
pub(crate) fn measure(run: &mut Run) -> Result<Vec<Row>> {
    let effort = Effort { samples: samples(&run.plan), packets: 10_000 };
    let began_ns = now_ns();
    let costs = cost::measure(effort)?;
    let circumstances = run.circumstances_since(began_ns);
    let mut rows = Vec::new();
    for cost in costs {
        let subject = Subject::new("paths", cost.name, "afc", "ns");
        let target = cost.target_ns.map_or_else(String::new, |target| format!(", target {target}"));
        let note = format!("over an empty program{target}; {} packets a sample", effort.packets);
        rows.push(Row::new(subject, cost.differences_ns(), &circumstances).noting(note));
    }
    for footprint in cost::footprints()? {
        let row = |what: &str, unit: &str, value: u32| {
            let subject = Subject::new("paths", &format!("{}, {what}", footprint.program), "afc", unit);
            Row::new(subject, vec![f64::from(value)], &circumstances)
        };
        rows.push(row("walked by the verifier", "instructions", footprint.verified));
        rows.push(row("as machine code", "bytes", footprint.machine_bytes));
    }
    Ok(rows)
}

/// About how long it takes.
pub(crate) fn estimate(plan: &Plan) -> Duration {
    SAMPLE * samples(plan) as u32
}

fn samples(plan: &Plan) -> usize {
    match plan.form {
        Form::Full => 200,
        Form::Quick => 40,
    }
}
