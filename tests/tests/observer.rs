//! The observer outside the cluster sees what it must: every owner at work, and two nodes that answer for one address. Needs
//! root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::time::Duration;

use afc_lab::{
    LabSpec, Scene,
    clock::now_ns,
    observer::{Observer, Plan},
    wait_for,
};

const SOON: Duration = Duration::from_secs(10);
const RATE: u32 = 500;

fn observe(scene: &Scene) -> Observer {
    let spec = scene.lab.spec();
    let plan = Plan {
        pause: Duration::from_micros(2500),
        settle: spec.timing.timeout,
        gap: Duration::from_millis(15),
    };
    Observer::start(&scene.lab, plan).unwrap()
}

#[test]
fn two_nodes_that_both_serve_an_address_are_found_out() {
    // Without a majority to ask, both sides of a partition serve: so best effort is defined, and so the observer must see it.
    let scene = Scene::start_settled(LabSpec::best_effort_pair(), RATE).unwrap();
    let observer = observe(&scene);
    let address = scene.lab.spec().service("web-1").address;
    wait_for("the observer sees n1 at work", SOON, || {
        observer.tally().answers.get(&(address, 1)).is_some_and(|answers| answers.asked > 50)
    })
    .unwrap();
    assert_eq!(observer.overlaps(address), []);
    scene.lab.partition(&["n1"]).unwrap();
    wait_for("two nodes answer at once", SOON, || !observer.overlaps(address).is_empty()).unwrap();
    let overlap = observer.overlaps(address)[0];
    assert_ne!(overlap.before.node, overlap.between.node);
    assert_eq!(overlap.before.node, overlap.after.node);
}

#[test]
fn a_takeover_is_seen_as_a_gap_and_two_phases_without_an_overlap() {
    let scene = Scene::start_settled(LabSpec::five_nodes(), RATE).unwrap();
    let observer = observe(&scene);
    let address = scene.lab.spec().service("web-1").address;
    let cut_ns = now_ns();
    wait_for("the observer sees n1 at work", SOON, || !observer.phases(address, cut_ns).is_empty()).unwrap();
    scene.lab.power_cut("n1").unwrap();
    scene.wait_for_takeover("web-1", &(cut_ns..u64::MAX), &["n2", "n3", "n4", "n5"]).unwrap();
    observer.catch_up().unwrap();
    let phases = observer.phases(address, cut_ns);
    assert_eq!(phases.len(), 2, "{phases:?}");
    assert_eq!(phases[0].node, 1);
    assert_eq!(observer.overlaps(address), []);
    let gaps: Vec<_> = observer.gaps(cut_ns).into_iter().filter(|gap| gap.address == address).collect();
    println!("{gaps:?}\n{:#?}", observer.tally());
    assert!(!gaps.is_empty(), "nobody missed n1");
    assert_eq!(observer.tally().lost, 0);
    assert!(observer.tally().within(Duration::from_millis(1)) > 0.5);
}
