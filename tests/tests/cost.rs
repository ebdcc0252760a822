//! What the kernel programs cost: every path can be measured on packets that all take it, and the verifier walks no more
//! than it did.

use std::{collections::BTreeSet, time::Duration};

use afc_gate::{Allowed, Gate};
use afc_lab::cost::{self, Answerer, Effort};

#[test]
fn every_path_is_measured_on_packets_that_all_take_it() {
    // Where a single packet takes another path, measuring fails.
    let costs = cost::measure(Effort { samples: 5, packets: 2_000 }).expect("measured");
    for cost in &costs {
        println!("{}: {:.1} ns", cost.name, cost.median_ns());
    }
    let names: BTreeSet<&str> = costs.iter().map(|cost| cost.name).collect();
    assert_eq!(names.len(), costs.len());
    let answered = costs.iter().find(|cost| cost.name == "heartbeat answered, one grant").expect("measured");
    assert!(answered.median_ns() > 0.0, "two tags take longer than nothing: {answered:?}");
}

#[test]
fn the_kernel_and_an_echo_answer_a_flood() {
    for answerer in [Answerer::Kernel, Answerer::Userspace] {
        let answered = cost::flood(answerer, Duration::from_millis(500)).expect("flooded");
        println!("{answerer:?}: {answered:?}, {:.0} a second of one core", answered.per_core_second());
        assert!(answered.answers > 1_000, "{answerer:?}: {answered:?}");
    }
}

/// Each kernel's verifier walks differently, so each has a section of its own.
#[test]
fn the_verifier_walks_no_more_than_it_did() {
    let kernel = kernel();
    let footprints = cost::footprints().expect("loaded");
    let mut gate = Gate::new(format!("verifier of Linux {kernel}"), Allowed::PerCent(5));
    for footprint in footprints {
        let program = footprint.program;
        gate = gate
            .figure(format!("{program}: instructions walked"), footprint.verified.into())
            .figure(format!("{program}: bytes as verified"), footprint.translated_bytes.into());
    }
    if !gate.is_known() && std::env::var_os(afc_gate::ACCEPT).is_none() {
        return afc_gate::say(&format!(
            "NOT COMPARED: gate/baseline.toml has no figures for the verifier of Linux {kernel}: {gate:?}; {}=1 adds them",
            afc_gate::ACCEPT
        ));
    }
    gate.check();
}

/// As in "6.18".
fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux says its release");
    release.split('.').take(2).collect::<Vec<_>>().join(".")
}
