//! What an agent records in the field replays: the same engine, told the same again, asks for the same. Needs root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{fs, path::Path, process::Command, time::Duration};

use afc_lab::{
    LabSpec, Scene, agent::binary, clock::now_ns, scene::IN_FLIGHT_NS, spec::Timing, status::Expected,
    wait_for,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);
const RATE: u32 = 500;
const EVERYBODY: [&str; 6] = ["n1", "n2", "n3", "n4", "n5", "gw"];

/// What `afc replay` says of a recording: its state changes, and how it ended.
struct Replay {
    reports: Vec<Value>,
    end: Value,
}

fn replay(recording: &Path) -> Replay {
    let output = Command::new(binary().unwrap())
        .args(["replay", "--json", "--reports"])
        .arg(recording)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<Value> = output
        .stdout
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let end = lines.pop().unwrap();
    assert_eq!(end["outcome"], "identical", "{end}");
    let reports = lines.iter().flat_map(|step| step["effects"].as_array().unwrap().clone());
    Replay { reports: reports.map(|effect| effect["report"].clone()).collect(), end }
}

impl Replay {
    /// How often a state change of this kind was reported with this cause.
    fn count(&self, kind: &str, cause: &str) -> usize {
        let is_meant = |report: &&Value| report.get(kind).is_some_and(|report| report["cause"] == cause);
        self.reports.iter().filter(is_meant).count()
    }
}

/// Keeps the recordings that fixtures are made of: see `docs/recording.md`.
fn keep(scene: &Scene, story: &str) {
    let Some(directory) = std::env::var_os("AFC_RECORDINGS") else { return };
    for node in EVERYBODY {
        let kept = Path::new(&directory).join(format!("{story}-{node}.jsonl"));
        fs::copy(scene.lab.recording_file(node), &kept).unwrap();
        println!("kept {}", kept.display());
    }
}

#[test]
fn a_takeover_and_the_lapse_of_the_isolated_owner_replay_identically_at_every_node() {
    // Slow heartbeats make short recordings.
    let timing = Timing {
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(250),
        ..Timing::default()
    };
    let spec = LabSpec::five_nodes().with_timing(timing).with_recording();
    let scene = Scene::start_settled(spec, RATE).unwrap();
    let cut_ns = now_ns() - IN_FLIGHT_NS;
    scene.lab.cut("n1").unwrap();
    let owner =
        scene.wait_for_takeover("web-1", &(cut_ns..u64::MAX), &["n2", "n3", "n4", "n5", "gw"]).unwrap();
    // A lapse comes later than the takeover: a lease is first not renewed, then not won back.
    wait_for("n1 lapses", SOON, || scene.lab.log("n1").contains("): lapsed")).unwrap();
    scene.lab.heal().unwrap();
    scene
        .lab
        .wait_for_owner(Expected { service: "web-1", owner: &owner, seen_by: &EVERYBODY }, SOON)
        .unwrap();
    for node in EVERYBODY {
        assert!(scene.lab.stop(node).unwrap().success(), "{node}");
    }
    keep(&scene, "takeover");
    for node in EVERYBODY {
        let replay = replay(&scene.lab.recording_file(node));
        println!("{node}: {}", replay.end);
        assert_eq!(replay.end["ending"], "stopped", "{node}");
        assert!(replay.end["steps"].as_u64() > Some(100), "{node}: {}", replay.end);
        if node == "n1" {
            assert_eq!(replay.count("dropped", "lapsed"), 1, "{:?}", replay.reports);
        }
        if node == owner {
            assert_eq!(replay.count("claimed", "owner_silent"), 1, "{:?}", replay.reports);
        }
    }
}

#[test]
fn a_killed_agent_and_the_one_that_adopts_its_maps_both_leave_a_recording() {
    let scene = Scene::start_settled(LabSpec::five_nodes().with_recording(), RATE).unwrap();
    scene.lab.kill9("n1").unwrap();
    scene.lab.start_agent("n1").unwrap();
    scene.lab.wait_until_whole(SOON).unwrap();
    let status = scene.lab.stop("n1").unwrap();
    assert!(status.success(), "{status:?}");
    let recording = scene.lab.recording_file("n1");
    let killed = replay(&recording.with_added_extension("old"));
    assert!(["open", "cut_off"].contains(&killed.end["ending"].as_str().unwrap()), "{}", killed.end);
    assert_eq!(killed.count("claimed", "no_owner"), 1, "{:?}", killed.reports);
    let adopted = replay(&recording);
    assert_eq!(adopted.end["ending"], "stopped");
    assert_eq!(adopted.count("dropped", "stopped"), 1, "{:?}", adopted.reports);
    let header = fs::read_to_string(&recording).unwrap().lines().next().unwrap().parse::<Value>().unwrap();
    assert!(header["header"]["restored"]["adopted"].is_array(), "{header}");
}
