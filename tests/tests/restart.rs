//! An agent that dies and comes back within `agent_timeout` was never missed. Needs root.

use std::time::Duration;

use afc_lab::{
    LabSpec, Scene, clock::now_ns, hold_for, scene::IN_FLIGHT_NS, spec::DiskSpec, status, status::Expected,
    when_undisturbed,
};

const SOON: Duration = Duration::from_secs(10);
const EVERYBODY: [&str; 6] = ["n1", "n2", "n3", "n4", "n5", "gw"];
const RATE: u32 = 1000;

#[test]
fn an_agent_killed_and_restarted_in_time_loses_no_packet_and_moves_nothing() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::five_nodes(), RATE).unwrap();
        let epoch = || status::epoch(&scene.lab.status("n2").unwrap(), "web-1").unwrap();
        let epoch_before = epoch();
        let from_ns = now_ns();
        scene.lab.kill9("n1").unwrap();
        hold_for("web-1 is served without an agent", Duration::from_secs(1), || scene.is_service_up("web-1"))
            .unwrap();
        scene.lab.start_agent("n1").unwrap();
        let expected = Expected { service: "web-1", owner: "n1", seen_by: &EVERYBODY };
        scene.lab.wait_for_owner(expected, SOON).unwrap();
        // Beyond the dead man's time, counted from the kill.
        hold_for("web-1 is served by the new agent", Duration::from_secs(3), || scene.is_service_up("web-1"))
            .unwrap();

        let window = from_ns..now_ns() - IN_FLIGHT_NS;
        let sight = scene.sight("web-1", &window);
        println!("gateway: {:?}\ndirect: {:?}", sight.gateway, sight.direct);
        assert_eq!(scene.owners("web-1", &window), ["n1"]);
        assert_eq!((sight.gateway.lost, sight.direct.lost), (0, 0));
        assert_eq!(epoch(), epoch_before);
    });
}

#[test]
fn an_agent_that_comes_back_to_a_full_disk_moves_nothing() {
    when_undisturbed(|| {
        let spec = LabSpec { disk: Some(DiskSpec { total_mib: 16 }), ..LabSpec::five_nodes() };
        let scene = Scene::start_settled(spec, 500).unwrap();
        let from_ns = now_ns();
        scene.lab.fill_disk("n1").unwrap();
        scene.lab.kill9("n1").unwrap();
        scene.lab.start_agent("n1").unwrap();
        let expected = Expected { service: "web-1", owner: "n1", seen_by: &EVERYBODY };
        scene.lab.wait_for_owner(expected, SOON).unwrap();
        scene.lab.free_disk("n1").unwrap();
        hold_for("web-1 is served as before", Duration::from_secs(1), || scene.is_service_up("web-1"))
            .unwrap();
        assert_unmoved(&scene, from_ns);
    });
}

#[test]
fn an_agent_frozen_for_less_than_its_timeout_loses_no_packet() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::five_nodes(), 500).unwrap();
        let from_ns = now_ns();
        scene.lab.freeze("n1").unwrap();
        hold_for("web-1 is served by the kernel alone", Duration::from_secs(1), || {
            scene.is_service_up("web-1")
        })
        .unwrap();
        scene.lab.thaw("n1").unwrap();
        hold_for("web-1 is served as before", Duration::from_secs(1), || scene.is_service_up("web-1"))
            .unwrap();
        assert_unmoved(&scene, from_ns);
    });
}

#[test]
fn a_rolling_restart_of_every_agent_moves_nothing() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::five_nodes(), 500).unwrap();
        let from_ns = now_ns();
        for node in EVERYBODY {
            scene.lab.kill9(node).unwrap();
            scene.lab.start_agent(node).unwrap();
            scene.lab.wait_until_whole(SOON).unwrap();
        }
        scene.lab.wait_for_homes(SOON).unwrap();
        assert_unmoved(&scene, from_ns);
    });
}

/// Checks that every service stayed at home and that no UDP client missed an answer.
fn assert_unmoved(scene: &Scene, from_ns: u64) {
    let window = from_ns..now_ns() - IN_FLIGHT_NS;
    for service in &scene.lab.spec().services {
        let sight = scene.sight(&service.name, &window);
        assert_eq!(scene.owners(&service.name, &window), [service.home.as_str()], "{:?}", sight.phases);
        assert_eq!((sight.gateway.lost, sight.direct.lost), (0, 0), "{}: {sight:?}", service.name);
    }
}

#[test]
fn an_agent_that_stays_dead_loses_its_service_when_its_time_is_up() {
    when_undisturbed(|| {
        let timing = afc_lab::spec::Timing { agent_timeout: Duration::from_secs(1), ..Default::default() };
        let scene = Scene::start_settled(LabSpec::five_nodes().with_timing(timing), 1000).unwrap();
        let from_ns = now_ns();
        scene.lab.kill9("n1").unwrap();
        afc_lab::wait_for("a passive node serves web-1", SOON, || {
            let owner = scene.owners("web-1", &(from_ns..u64::MAX)).pop();
            owner.is_some_and(|owner| owner != "n1") && scene.is_service_up("web-1")
        })
        .unwrap();
        let sight = scene.sight("web-1", &(from_ns..now_ns()));
        assert_eq!(sight.overlaps, []);
        assert_eq!(sight.phases.len(), 2, "{:?}", sight.phases);
    });
}
