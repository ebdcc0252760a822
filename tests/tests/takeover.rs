//! A node fails in every way it can: each ends with exactly one owner, and no client is ever served by two.
//!
//! Real agents, real XDP, one lab a test; needs root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{ops::Range, time::Duration};

use afc_lab::{
    LabSpec, Scene, clock::now_ns, fault::Direction, hold_for, report::millis, scene::IN_FLIGHT_NS,
    spec::Timing, status::Expected, when_undisturbed,
};

/// For something that should take tens of milliseconds, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(10);
/// How long "nothing moves" is watched.
const WATCH: Duration = Duration::from_secs(3);
/// Packets a second from each client to each service.
const RATE: u32 = 1000;
const SERVICES: [&str; 3] = ["web-1", "web-2", "web-3"];

fn settled(spec: LabSpec) -> Scene {
    Scene::start_settled(spec, RATE).unwrap()
}

/// The five nodes, whose kernels stop speaking for a dead agent after a second.
fn with_short_agent_timeout() -> LabSpec {
    let timing = Timing { agent_timeout: Duration::from_secs(1), ..Timing::default() };
    LabSpec::five_nodes().with_timing(timing)
}

/// Waits until a passive node serves `service` for every client, and all of `seen_by` agree.
fn await_takeover(scene: &Scene, service: &str, since: &Range<u64>, seen_by: &[&str]) -> String {
    scene.wait_for_takeover(service, since, seen_by).unwrap()
}

/// A little before now: before the failure that follows, and after every answer that may still be on its way.
fn just_before() -> u64 {
    now_ns() - IN_FLIGHT_NS
}

/// Checks that clients never saw two owners at once, and `service` go exactly this way.
fn assert_path(scene: &Scene, service: &str, since_ns: u64, path: &[&str]) {
    let window = since_ns..now_ns();
    let sight = scene.sight(service, &window);
    let [gateway, direct, http] =
        [sight.gateway.gap, sight.direct.gap, sight.http].map(|gap| millis(gap.duration()));
    println!("{service} {path:?}: longest gap gateway {gateway} ms, direct {direct} ms, http {http} ms");
    assert_eq!(scene.owners(service, &window), path, "{service}: {:?}", sight.phases);
    assert_no_overlap(scene);
}

/// Checks that no service ever had two owners at once, since the beginning.
fn assert_no_overlap(scene: &Scene) {
    for service in SERVICES {
        let sight = scene.sight(service, &(0..now_ns()));
        assert_eq!(sight.overlaps, [], "{service}: {:?}", sight.phases);
    }
}

/// Checks that a service stays where it is while the cluster is watched.
fn assert_stays(scene: &Scene, service: &str, owner: &str, seen_by: &[&str]) {
    let from_ns = now_ns();
    hold_for("every client is served", WATCH, || scene.is_service_up(service)).unwrap();
    assert_eq!(scene.owners(service, &(from_ns..now_ns())), [owner]);
    scene.lab.wait_for_owner(Expected { service, owner, seen_by }, SOON).unwrap();
}

#[test]
fn a_power_cut_moves_the_service_to_a_passive_node_and_its_return_moves_nothing() {
    when_undisturbed(|| {
        let scene = settled(LabSpec::five_nodes());
        let cut_ns = just_before();
        scene.lab.power_cut("n1").unwrap();
        let owner = await_takeover(&scene, "web-1", &(cut_ns..u64::MAX), &["n2", "n3", "n4", "n5", "gw"]);
        scene.lab.power_on("n1").unwrap();
        assert_stays(&scene, "web-1", &owner, &["n1", "n2", "n3", "n4", "n5", "gw"]);
        let path = scene.owners("web-1", &(cut_ns..now_ns()));
        assert_eq!(path.last(), Some(&owner));
        assert!(path.len() <= 2, "{path:?}");
        assert_path(&scene, "web-2", cut_ns, &["n2"]);
        assert_path(&scene, "web-3", cut_ns, &["n3"]);
    });
}

#[test]
fn an_agent_frozen_beyond_its_timeout_is_fenced_and_may_not_serve_when_it_goes_on() {
    when_undisturbed(|| {
        let scene = settled(with_short_agent_timeout());
        let frozen_ns = just_before();
        scene.lab.freeze("n1").unwrap();
        let owner = await_takeover(&scene, "web-1", &(frozen_ns..u64::MAX), &["n2", "n3", "n4", "n5", "gw"]);
        assert_path(&scene, "web-1", frozen_ns, &["n1", &owner]);
        let thawed_ns = now_ns();
        scene.lab.thaw("n1").unwrap();
        assert_stays(&scene, "web-1", &owner, &["n1", "n2", "n3", "n4", "n5", "gw"]);
        assert_path(&scene, "web-1", thawed_ns, &[&owner]);
    });
}

#[test]
fn a_node_cut_off_both_ways_loses_its_service_to_exactly_one_other() {
    when_undisturbed(|| {
        let scene = settled(LabSpec::five_nodes());
        let cut_ns = just_before();
        scene.lab.cut("n1").unwrap();
        let owner = await_takeover(&scene, "web-1", &(cut_ns..u64::MAX), &["n2", "n3", "n4", "n5", "gw"]);
        scene.lab.heal().unwrap();
        assert_stays(&scene, "web-1", &owner, &["n1", "n2", "n3", "n4", "n5", "gw"]);
        assert_no_overlap(&scene);
    });
}

#[test]
fn a_minority_is_fenced_although_its_clients_still_reach_it() {
    when_undisturbed(|| {
        let scene = settled(LabSpec::five_nodes());
        let cut_ns = just_before();
        scene.lab.partition(&["n1", "n2"]).unwrap();
        let majority = ["n3", "n4", "n5"];
        let first = await_takeover(&scene, "web-1", &(cut_ns..u64::MAX), &majority);
        let second = await_takeover(&scene, "web-2", &(cut_ns..u64::MAX), &majority);
        assert_ne!(first, second, "two failures went to one backup while another was free");
        scene.lab.heal().unwrap();
        assert_stays(&scene, "web-1", &first, &["n1", "n2", "n3", "n4", "n5"]);
        assert_stays(&scene, "web-2", &second, &["n1", "n2", "n3", "n4", "n5"]);
        assert_no_overlap(&scene);
    });
}

#[test]
fn a_one_way_cut_from_the_owner_to_a_backup_moves_nothing() {
    when_undisturbed(|| {
        one_way_cut_moves_nothing(Direction { from: "n1", to: "n4" });
    });
}

#[test]
fn a_one_way_cut_from_a_backup_to_the_owner_moves_nothing() {
    when_undisturbed(|| {
        one_way_cut_moves_nothing(Direction { from: "n4", to: "n1" });
    });
}

fn one_way_cut_moves_nothing(direction: Direction) {
    let scene = settled(LabSpec::five_nodes());
    let cut_ns = just_before();
    scene.lab.cut_one_way(direction).unwrap();
    assert_stays(&scene, "web-1", "n1", &["n1", "n2", "n3", "n4", "n5", "gw"]);
    for (service, home) in SERVICES.iter().zip(["n1", "n2", "n3"]) {
        assert_path(&scene, service, cut_ns, &[home]);
        let sight = scene.sight(service, &(cut_ns..just_before()));
        assert_eq!((sight.gateway.lost, sight.direct.lost), (0, 0), "{service}");
    }
}

#[test]
fn a_node_that_is_heard_by_nobody_loses_its_service() {
    when_undisturbed(|| {
        let scene = settled(LabSpec::five_nodes());
        let cut_ns = just_before();
        scene.lab.mute("n1").unwrap();
        let owner = await_takeover(&scene, "web-1", &(cut_ns..u64::MAX), &["n2", "n3", "n4", "n5", "gw"]);
        scene.lab.heal().unwrap();
        assert_stays(&scene, "web-1", &owner, &["n1", "n2", "n3", "n4", "n5", "gw"]);
        assert_no_overlap(&scene);
    });
}

#[test]
fn a_clean_stop_hands_over_without_waiting_for_a_timeout() {
    when_undisturbed(|| {
        let scene = settled(LabSpec::five_nodes());
        let stop_ns = just_before();
        let status = scene.lab.stop("n1").unwrap();
        assert!(status.success(), "{status:?}");
        let owner = await_takeover(&scene, "web-1", &(stop_ns..u64::MAX), &["n2", "n3", "n4", "n5", "gw"]);
        assert_path(&scene, "web-1", stop_ns, &["n1", &owner]);
        let sight = scene.sight("web-1", &(stop_ns..now_ns()));
        let lease = scene.lab.spec().timing.timeout;
        let outage = sight.gateway.outage.duration();
        assert!(outage < lease, "the client behind the gateway lost {} ms", millis(outage));
    });
}

#[test]
fn two_nodes_that_fail_together_go_to_two_backups() {
    when_undisturbed(|| {
        let scene = settled(LabSpec::five_nodes());
        let cut_ns = just_before();
        scene.lab.power_cut("n1").unwrap();
        scene.lab.power_cut("n2").unwrap();
        let alive = ["n3", "n4", "n5", "gw"];
        let first = await_takeover(&scene, "web-1", &(cut_ns..u64::MAX), &alive);
        let second = await_takeover(&scene, "web-2", &(cut_ns..u64::MAX), &alive);
        assert_ne!(first, second, "two failures went to one backup while another was free");
        // One timeout and the guard that outlasts it; whoever waits for a second timeout takes longer.
        let two_timeouts = scene.lab.spec().timing.timeout * 9 / 4;
        for service in ["web-1", "web-2"] {
            let sight = scene.sight(service, &(cut_ns..now_ns()));
            let outage = sight.gateway.outage.duration().max(sight.direct.outage.duration());
            println!("{service}: no client was without it for longer than {} ms", millis(outage));
            assert!(outage < two_timeouts, "{service} waited for a second timeout: {} ms", millis(outage));
        }
        assert_stays(&scene, "web-1", &first, &alive);
        assert_stays(&scene, "web-2", &second, &alive);
        assert_path(&scene, "web-3", cut_ns, &["n3"]);
    });
}
