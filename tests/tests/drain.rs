//! An operator takes nodes out of service and puts them back. Needs root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

#[path = "support/room.rs"]
mod room;

use std::time::Duration;

use afc_lab::{
    Lab, LabSpec, Scene, clock::now_ns, hold_for, lists::has_reason, report::millis, scene::IN_FLIGHT_NS,
    status::Expected, wait_for, when_undisturbed,
};

use room::Room;

/// For something that should take tens of milliseconds, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(20);
/// How long "nothing moves" is watched.
const WATCH: Duration = Duration::from_secs(3);
const RATE: u32 = 1000;
const MEMBERS: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
const EVERYBODY: [&str; 6] = ["n1", "n2", "n3", "n4", "n5", "gw"];

/// Waits until every member's lists have a node as drained, or none has.
fn await_drained(lab: &Lab, node: &str, wanted: Duty) {
    let known = |at: &&str| {
        lab.lists(at).is_ok_and(|lists| has_reason(&lists, node, "drained") == (wanted == Duty::Drained))
    };
    wait_for(&format!("every member has {node} as {wanted:?}"), SOON, || MEMBERS.iter().all(known)).unwrap();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    InService,
    Drained,
}

/// Checks that a service stays where it is while the cluster is watched.
fn assert_stays(scene: &Scene, service: &str, owner: &str) {
    let from_ns = now_ns();
    hold_for("every client is served", WATCH, || scene.is_service_up(service)).unwrap();
    assert_eq!(scene.owners(service, &(from_ns..now_ns())), [owner]);
    scene.lab.wait_for_owner(Expected { service, owner, seen_by: &EVERYBODY }, SOON).unwrap();
}

#[test]
fn a_drained_node_gives_its_service_away_and_stays_drained_until_it_is_undrained() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::five_nodes(), RATE).unwrap();
        let lab = &scene.lab;
        let drained_ns = now_ns() - IN_FLIGHT_NS;
        println!("{}", lab.drain("n1").unwrap());
        let owner = scene.wait_for_takeover("web-1", &(drained_ns..u64::MAX), &EVERYBODY).unwrap();
        await_drained(lab, "n1", Duty::Drained);
        let window = drained_ns..now_ns();
        let sight = scene.sight("web-1", &window);
        assert_eq!(scene.owners("web-1", &window), ["n1", &owner], "{:?}", sight.phases);
        let outage = sight.gateway.outage.duration().max(sight.direct.outage.duration());
        println!("web-1 went to {owner}; no client was without it for longer than {} ms", millis(outage));
        assert!(outage < lab.spec().timing.timeout, "a client lost {} ms", millis(outage));

        lab.kill9("n1").unwrap();
        lab.start_agent("n1").unwrap();
        lab.wait_until_whole(SOON).unwrap();
        await_drained(lab, "n1", Duty::Drained);
        assert_stays(&scene, "web-1", &owner);

        println!("{}", lab.undrain("n1").unwrap());
        await_drained(lab, "n1", Duty::InService);
        assert_stays(&scene, "web-1", &owner);
        for service in &lab.spec().services {
            let sight = scene.sight(&service.name, &(drained_ns..now_ns()));
            assert_eq!(sight.overlaps, [], "{}: {:?}", service.name, sight.phases);
        }
    });
}

#[test]
fn a_drained_backup_takes_nothing_over_whoever_was_asked_to_drain_it() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::five_nodes(), RATE).unwrap();
        println!("{}", scene.lab.order("n2", &["drain", "n4"]).unwrap());
        await_drained(&scene.lab, "n4", Duty::Drained);
        let cut_ns = now_ns();
        scene.lab.power_cut("n1").unwrap();
        let survivors = ["n2", "n3", "n4", "n5", "gw"];
        let owner = scene.wait_for_takeover("web-1", &(cut_ns..u64::MAX), &survivors).unwrap();
        assert_eq!(owner, "n5");
    });
}

#[test]
fn a_drained_node_keeps_what_nobody_else_can_serve() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::five_nodes(), RATE).unwrap();
        for node in ["n4", "n5", "n1"] {
            scene.lab.drain(node).unwrap();
            await_drained(&scene.lab, node, Duty::Drained);
        }
        assert_stays(&scene, "web-1", "n1");
    });
}

#[test]
fn what_can_not_be_drained_is_refused_with_a_reason() {
    let lab = Lab::new(LabSpec::five_nodes()).unwrap();
    lab.start_agents().unwrap();
    lab.wait_for_homes(SOON).unwrap();
    for (command, word) in [(["drain", "n9"], "n9"), (["undrain", ""], ""), (["drain", "gw"], "gw")] {
        let refusal = lab.order("n2", &command).unwrap_err().to_string();
        println!("{refusal}");
        assert!(refusal.contains(word), "{refusal}");
    }
    lab.kill9("n3").unwrap();
    let refusal = lab.order("n2", &["drain", "n3"]).unwrap_err().to_string();
    println!("{refusal}");
    assert!(refusal.contains("n3"), "{refusal}");
}

#[test]
fn a_node_whose_disk_can_not_keep_it_is_not_drained_and_says_why() {
    let lab = Lab::new(LabSpec::five_nodes()).unwrap();
    let room = Room::mount(&lab.directory().join("n4").join("state"), 512);
    lab.start_agents().unwrap();
    lab.wait_for_homes(SOON).unwrap();
    lab.wait_until_whole(SOON).unwrap();
    room.fill();
    // What the file has room for inside is taken until it is used up.
    let mut refused = None;
    wait_for("a full disk refuses", SOON, || {
        refused = lab.drain("n4").and_then(|_| lab.undrain("n4")).err();
        refused.is_some()
    })
    .unwrap();
    let refusal = refused.unwrap().to_string();
    println!("{refusal}");
    assert!(refusal.contains("repository.redb"), "{refusal}");
    lab.drain("n5").unwrap();
    await_drained(&lab, "n5", Duty::Drained);
    room.empty();
    wait_for("n4 is drained once there is room", SOON, || lab.drain("n4").is_ok()).unwrap();
    await_drained(&lab, "n4", Duty::Drained);
    hold_for("the cluster goes on", WATCH, || lab.is_everything_home() && lab.is_whole()).unwrap();
    await_drained(&lab, "n4", Duty::Drained);
}
