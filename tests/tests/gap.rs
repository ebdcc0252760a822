//! How long a client is without its service when a node loses power. Needs root.
//!
//! `AFC_GAP_CUTS` shortens it.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{io::Write, time::Duration};

use afc_lab::{
    Lab, LabSpec, UdpClient,
    clock::now_ns,
    history::Answered,
    ownership,
    report::{Distribution, Report},
    spec::Timing,
    status::Expected,
    udp_client::Plan,
    wait_for, when_undisturbed,
};

const SOON: Duration = Duration::from_secs(20);
const CUTS: usize = 20;
/// The promise of issue 2.
const MEDIAN: Duration = Duration::from_millis(15);
/// Answers that make traffic steady.
const STEADY: usize = 500;
/// Answers to the last packets may still be on their way.
const IN_FLIGHT_NS: u64 = 10_000_000;
const TIMING: Timing = Timing {
    interval: Duration::from_millis(1),
    timeout: Duration::from_millis(8),
    agent_timeout: Duration::from_secs(3),
};

#[test]
fn the_median_gap_of_a_5_khz_client_after_a_power_cut_is_below_15_ms() {
    when_undisturbed(|| {
        let cuts = std::env::var("AFC_GAP_CUTS").map_or(CUTS, |cuts| cuts.parse().unwrap());
        let lab = Lab::new(LabSpec::five_nodes().with_timing(TIMING)).unwrap();
        let address = lab.spec().service("web-1").address;
        let plan = Plan { targets: vec![address], rate_hz: 5000, memory: Duration::from_secs(30) };
        lab.start_agents().unwrap();
        lab.wait_for_homes(SOON).unwrap();
        let client = UdpClient::start(lab.client(), &plan).unwrap();

        let mut gaps = Vec::new();
        let mut outages = Vec::new();
        for _ in 0..cuts {
            let report = one_cut(&lab, &client);
            gaps.push(report.gap.duration());
            outages.push(report.outage.duration());
        }
        let gaps = Distribution::of(gaps);
        // Past the test harness, which swallows what a passing test prints.
        let mut output = std::io::stdout().lock();
        writeln!(output, "\ngap, between two answers:     {gaps}").unwrap();
        writeln!(output, "outage, from lost to served:  {}", Distribution::of(outages)).unwrap();
        assert!(gaps.median() < MEDIAN, "the median gap is {:?}", gaps.median());
    });
}

/// Cuts the power of whoever serves web-1, and reports what the client saw; then the node returns.
fn one_cut(lab: &Lab, client: &UdpClient) -> Report {
    let service = lab.spec().service("web-1");
    // A power cut during the recovery from the last one is a double failure, and another test.
    lab.wait_until_whole(SOON).unwrap();
    let start_ns = now_ns();
    wait_for("steady traffic", SOON, || answers(lab, client, start_ns).len() > STEADY).unwrap();
    let owner = lab.agreed_owner(&service.name, &["n1", "n4", "n5"]).expect("the candidates agree");
    let id = u16::from(lab.spec().node(&owner).id);
    let cut_ns = now_ns();
    lab.power_cut(&owner).unwrap();
    wait_for("steady traffic with another node", SOON, || {
        answers(lab, client, cut_ns).iter().filter(|answer| answer.node != id).count() > STEADY
    })
    .unwrap();

    let window = start_ns..now_ns() - IN_FLIGHT_NS;
    let packets = client.packets(service.address, window.clone());
    let phases = ownership::phases(&packets);
    assert_eq!(ownership::overlaps(&phases, TIMING.timeout), [], "{phases:?}");
    let owners = ownership::owners(&phases);
    assert!(owners.len() == 2 && owners[0] == id, "{phases:?}");
    let successor = lab.spec().name_of(owners[1]).unwrap();

    lab.power_on(&owner).unwrap();
    let seen_by = ["n1", "n2", "n3", "n4", "n5", "gw"];
    lab.wait_for_owner(Expected { service: &service.name, owner: successor, seen_by: &seen_by }, SOON)
        .unwrap();
    Report::of(&packets, &window)
}

/// What the client was answered since.
fn answers(lab: &Lab, client: &UdpClient, since_ns: u64) -> Vec<Answered> {
    let packets = client.packets(lab.spec().service("web-1").address, since_ns..u64::MAX);
    packets.iter().filter_map(|packet| packet.answered).collect()
}
