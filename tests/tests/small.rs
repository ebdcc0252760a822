//! The small clusters: two nodes with a witness, and two nodes on their own. Needs root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::time::Duration;

use afc_lab::{
    LabSpec, Scene, clock::now_ns, fault::Direction, hold_for, status::Expected, wait_for, when_undisturbed,
};

const SOON: Duration = Duration::from_secs(10);
const WATCH: Duration = Duration::from_secs(3);
const RATE: u32 = 1000;

/// Waits until every client is served by `owner`, and all of `seen_by` agree.
fn await_owner(scene: &Scene, owner: &str, seen_by: &[&str]) {
    let from_ns = now_ns();
    wait_for(&format!("{owner} serves web-1"), SOON, || {
        scene.owners("web-1", &(from_ns..u64::MAX)).pop().is_some_and(|served| served == owner)
            && scene.is_service_up("web-1")
    })
    .unwrap();
    scene.lab.wait_for_owner(Expected { service: "web-1", owner, seen_by }, SOON).unwrap();
}

#[test]
fn a_witness_lets_the_second_node_take_over_and_never_serves_itself() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::with_witness(), RATE).unwrap();
        let cut_ns = now_ns();
        scene.lab.power_cut("n1").unwrap();
        await_owner(&scene, "n2", &["n2", "w", "gw"]);
        scene.lab.power_on("n1").unwrap();
        await_owner(&scene, "n2", &["n1", "n2", "w", "gw"]);
        let sight = scene.sight("web-1", &(cut_ns..now_ns()));
        assert_eq!(sight.overlaps, [], "{:?}", sight.phases);
    });
}

#[test]
fn a_lost_wire_between_two_nodes_moves_nothing_while_the_witness_sees_both() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::with_witness(), RATE).unwrap();
        let cut_ns = now_ns();
        scene.lab.cut_one_way(Direction { from: "n1", to: "n2" }).unwrap();
        scene.lab.cut_one_way(Direction { from: "n2", to: "n1" }).unwrap();
        hold_for("every client is served", WATCH, || scene.is_service_up("web-1")).unwrap();
        assert_eq!(scene.owners("web-1", &(cut_ns..now_ns())), ["n1"]);
    });
}

#[test]
fn a_lost_witness_moves_nothing() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::with_witness(), RATE).unwrap();
        let cut_ns = now_ns();
        scene.lab.power_cut("w").unwrap();
        hold_for("every client is served", WATCH, || scene.is_service_up("web-1")).unwrap();
        assert_eq!(scene.owners("web-1", &(cut_ns..now_ns())), ["n1"]);
    });
}

#[test]
fn a_pair_on_best_effort_takes_over_and_is_one_again_when_the_other_returns() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::best_effort_pair(), RATE).unwrap();
        scene.lab.power_cut("n1").unwrap();
        await_owner(&scene, "n2", &["n2", "gw"]);
        scene.lab.power_on("n1").unwrap();
        let agreed = || scene.lab.agreed_owner("web-1", &["n1", "n2", "gw"]);
        wait_for("both agree on one owner", SOON, || agreed().is_some()).unwrap();
        let owner = agreed().unwrap();
        let from_ns = now_ns();
        hold_for("every client is served", WATCH, || scene.is_service_up("web-1")).unwrap();
        assert_eq!(scene.owners("web-1", &(from_ns..now_ns())), [owner]);
    });
}
