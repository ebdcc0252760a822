//! Backups short of memory: passed over while another has enough, and still better than nobody. Needs root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::time::Duration;

use afc_lab::{
    LabSpec, Scene,
    clock::now_ns,
    hold_for,
    lists::{backups, state},
    scene::IN_FLIGHT_NS,
    spec::ListMode,
    wait_for, when_undisturbed,
};

/// For something that should take tens of milliseconds, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(20);
/// How long "nothing moves" is watched.
const WATCH: Duration = Duration::from_secs(3);
const RATE: u32 = 1000;
const MEMBERS: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
const SURVIVORS: [&str; 5] = ["n2", "n3", "n4", "n5", "gw"];

/// Has a process of a node take nearly all of its memory.
fn take_memory(scene: &Scene, node: &str) {
    let mib = scene.lab.spec().memory.unwrap().shortage_mib();
    scene.lab.take_memory(node, mib).unwrap();
}

/// Waits until the lists of `seen_by` have a node in this state.
fn await_state(scene: &Scene, node: &str, wanted: &str, seen_by: &[&str]) {
    let known =
        |at: &&str| scene.lab.lists(at).is_ok_and(|lists| state(&lists, node).as_deref() == Some(wanted));
    let what = format!("{seen_by:?} have {node} as {wanted}");
    wait_for(&what, SOON, || seen_by.iter().all(known)).unwrap();
}

/// Cuts node 1's power; the node that serves web-1 then.
fn successor_of_n1(scene: &Scene) -> String {
    let cut_ns = now_ns();
    scene.lab.power_cut("n1").unwrap();
    scene.wait_for_takeover("web-1", &(cut_ns..u64::MAX), &SURVIVORS).unwrap()
}

#[test]
fn a_backup_short_of_memory_is_passed_over_and_moves_nothing_when_it_has_some_again() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::figures(), RATE).unwrap();
        await_state(&scene, "n4", "A", &MEMBERS);
        let first =
            |service_of: &str| backups(&scene.lab.lists("n2").unwrap(), service_of).unwrap().remove(0);
        assert_eq!(first("n1"), "n4 A");
        take_memory(&scene, "n4");
        await_state(&scene, "n4", "N(memory)", &MEMBERS);
        assert_eq!(first("n1"), "n5 A");
        let from_ns = now_ns();
        assert_eq!(successor_of_n1(&scene), "n5");
        await_state(&scene, "n5", "N(serving)", &SURVIVORS[..4]);

        scene.lab.free_memory("n4").unwrap();
        await_state(&scene, "n4", "A", &SURVIVORS[..4]);
        hold_for("every client is served", WATCH, || scene.is_served()).unwrap();
        let path = scene.owners("web-1", &(from_ns..now_ns()));
        assert_eq!(path.last().map(String::as_str), Some("n5"), "{path:?}");
        assert!(path.len() <= 2, "{path:?}");
    });
}

#[test]
fn with_every_backup_short_of_memory_a_service_is_taken_over_all_the_same() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::figures(), RATE).unwrap();
        for node in ["n4", "n5"] {
            take_memory(&scene, node);
            await_state(&scene, node, "N(memory)", &MEMBERS);
        }
        let owner = successor_of_n1(&scene);
        assert!(["n4", "n5"].contains(&owner.as_str()), "{owner}");
        let sight = scene.sight("web-1", &(0..now_ns()));
        assert_eq!(sight.overlaps, [], "{:?}", sight.phases);
    });
}

#[test]
fn a_home_short_of_memory_keeps_its_own_service() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::figures(), RATE).unwrap();
        let from_ns = now_ns();
        take_memory(&scene, "n1");
        await_state(&scene, "n1", "N(memory,serving)", &MEMBERS);
        hold_for("every client is served", WATCH, || scene.is_served()).unwrap();
        let window = from_ns..now_ns() - IN_FLIGHT_NS;
        assert_eq!(scene.owners("web-1", &window), ["n1"]);
    });
}

#[test]
fn with_static_lists_the_first_backup_takes_over_short_of_memory_or_not() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::figures().with_lists(ListMode::Static), RATE).unwrap();
        take_memory(&scene, "n4");
        await_state(&scene, "n4", "N(memory)", &MEMBERS);
        assert_eq!(backups(&scene.lab.lists("n2").unwrap(), "n1").unwrap(), ["n4 N(memory)", "n5 A"]);
        assert_eq!(successor_of_n1(&scene), "n4");
    });
}
