//! `cargo xtask test`: each check and test in order, up to the first that fails.
//!
//! The steps are in `test/steps.rs`, what cargo's tests report is counted in `test/tally.rs`. The last lines
//! printed are cargo's own `test result:` and the sum over all runs.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Need};
use steps::Step;
use tally::Tally;

mod steps;
mod tally;

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub(crate) struct TestArgs {
    /// Only what needs neither root nor the BPF target: formatting, house rules, clippy, unit tests
    #[arg(long)]
    quick: bool,
    /// Only tests whose name contains this; no checks
    filter: Option<String>,
}

/// Runs the steps that the arguments select and prints the sum of all tests.
pub(crate) fn run(arguments: &TestArgs) -> Result<()> {
    let steps = select(arguments);
    let needs: BTreeSet<Need> = steps.iter().flat_map(|step| step.needs()).copied().collect();
    setup::ensure(&Vec::from_iter(needs))?;

    let mut tally = Tally::default();
    let started = Instant::now();
    for (index, step) in steps.iter().enumerate() {
        let title = format!("[{}/{}] {}", index + 1, steps.len(), step.title());
        println!("{title}");
        let started = Instant::now();
        let done = step.run(arguments.filter.as_deref(), &mut tally);
        if done.is_err() && step.runs_tests() {
            println!("{tally}");
        }
        done.with_context(|| format!("{} failed", step.title()))?;
        println!("{title}: ok, {:.1} s", started.elapsed().as_secs_f64());
    }
    let seconds = started.elapsed().as_secs();
    println!("all {} steps passed in {seconds} s", steps.len());
    println!("{tally}");
    if tally.ran() == 0 {
        bail!("no test ran");
    }
    Ok(())
}

fn select(arguments: &TestArgs) -> Vec<Step> {
    let wanted = |step: &Step| {
        (step.is_quick() || !arguments.quick) && (step.runs_tests() || arguments.filter.is_none())
    };
    Step::ALL.into_iter().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_select_the_steps_in_order() {
        use Step::{BpfClippy, Deny, DocTests, Docs, Format, HostClippy, RootTests, Tidy, UnitTests};
        let table: [(bool, Option<&str>, &[Step]); 4] = [
            (false, None, &[Format, Tidy, HostClippy, BpfClippy, Deny, Docs, DocTests, UnitTests, RootTests]),
            (true, None, &[Format, Tidy, HostClippy, UnitTests]),
            (false, Some("x"), &[DocTests, UnitTests, RootTests]),
            (true, Some("x"), &[UnitTests]),
        ];
        for (quick, filter, expected) in table {
            let arguments = TestArgs { quick, filter: filter.map(str::to_owned) };
            assert_eq!(select(&arguments), expected, "quick {quick}, filter {filter:?}");
        }
    }
}
