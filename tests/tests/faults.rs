//! Real faults under the eyes of an observer outside the cluster: whatever happens, no two nodes ever answer for one address
//! at once, and while a majority is connected and a candidate is there, service is back in time. Needs root.
//!
//! Each round has every kind of fault strike alone, and some together, on real agents and real XDP; the observer's kernel
//! time stamps are the judge (see `afc_lab::observer`). The short form is one round at least.
//!
//! `AFC_FAULTS_SECONDS` makes it longer; `AFC_FAULTS_SEED` repeats the schedule of a run, as far as scheduling allows;
//! `AFC_FAULTS_JSON` names a file for its figures.

#[path = "faults/bound.rs"]
mod bound;
#[path = "faults/campaign.rs"]
mod campaign;
#[path = "faults/dice.rs"]
mod dice;
#[path = "faults/fault.rs"]
mod fault;
#[path = "faults/report.rs"]
mod report;
#[path = "faults/schedule.rs"]
mod schedule;
#[path = "faults/timeline.rs"]
mod timeline;
#[path = "faults/verdict.rs"]
mod verdict;

use std::{
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use campaign::Campaign;
use dice::Dice;
use report::Frame;

#[test]
fn under_real_faults_no_two_nodes_answer_for_one_address_and_service_comes_back_in_time() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("AFC_FAULTS_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    let seconds = number("AFC_FAULTS_SECONDS").unwrap_or(0);
    writeln!(std::io::stdout(), "\nAFC_FAULTS_SEED={seed}").unwrap();

    let mut campaign = Campaign::start(Dice::new(seed)).unwrap();
    let outcome = play(&mut campaign, Duration::from_secs(seconds));
    let failure = outcome.as_ref().err().map(|error| format!("{error:#}"));
    let tally = campaign.observer.tally();
    let frame = Frame { seed, lasted: campaign.elapsed(), tally: &tally, failure: failure.as_deref() };
    let services = &campaign.scene.lab.spec().services;
    let violations = services.iter().map(|it| campaign.observer.overlaps(it.address).len()).sum();
    writeln!(std::io::stdout(), "\n{}", campaign.report.table(&frame, violations)).unwrap();
    if let Some(file) = std::env::var_os("AFC_FAULTS_JSON") {
        std::fs::write(file, format!("{:#}\n", campaign.report.to_json(&frame, violations))).unwrap();
    }
    assert_eq!(campaign.report.unexplained(), 0, "AFC_FAULTS_SEED={seed}: unexplained outages, shown above");
    assert!(failure.is_none(), "AFC_FAULTS_SEED={seed}: {}", failure.unwrap_or_default());
}

/// Whole rounds, until the time is up.
fn play(campaign: &mut Campaign, lasting: Duration) -> Result<()> {
    let mut is_first = true;
    while is_first || campaign.elapsed() < lasting {
        for plot in campaign.round() {
            if is_first || campaign.elapsed() < lasting {
                campaign.play(plot)?;
            }
        }
        is_first = false;
    }
    campaign.check_end()
}
