//! `afc replay` from the outside: what it prints, and when it fails.

use std::fs;

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::cli::{Cli, Command};

/// A recording of the engine's own tests.
const TAKEOVER: &str = include_str!("../../../../afc-engine/src/recording/fixtures/takeover.jsonl");

/// What `afc replay` prints for a file with this text, and how it ends.
fn replayed(text: impl AsRef<[u8]>, options: &[&str]) -> (String, Result<(), ReplayError>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording");
    fs::write(&file, text).unwrap();
    let arguments = ["afc", "replay", file.to_str().unwrap()];
    let Command::Replay(replaying) = Cli::parse_from(arguments.iter().chain(options)).command else {
        panic!("another command")
    };
    let mut out = Vec::new();
    let result = replay(&replaying, &mut out);
    (String::from_utf8(out).unwrap(), result)
}

/// The recording up to and with the line that has `needle` in it.
fn up_to(needle: &str) -> String {
    let at = TAKEOVER.find(needle).unwrap();
    let end = at + TAKEOVER[at..].find('\n').unwrap() + 1;
    TAKEOVER[..end].to_owned()
}

fn failure(text: impl AsRef<[u8]>, options: &[&str]) -> String {
    replayed(text, options).1.unwrap_err().to_string()
}

#[test]
fn a_takeover_is_told_in_a_few_lines() {
    let (printed, result) = replayed(TAKEOVER, &["--reports", "--service", "web-1"]);
    result.unwrap();
    let told = |line: &str| line.split_once("REPORT ").map(|(_, told)| told.to_owned());
    let reports: Vec<_> = printed.lines().filter_map(told).collect();
    assert_eq!(
        reports,
        [
            "n1 serves web-1 under epoch 1 of n1",
            "claiming web-1 under epoch 2 of n4: owner_silent",
            "this node serves web-1 under epoch 2 of n4, before it n1",
            "dropped web-1 (epoch 2 of n4): stopped",
        ]
    );
    assert!(printed.starts_with("n4 of 6 nodes, 3 services, lease 250 ms; recorded 2"), "{printed}");
    assert!(printed.ends_with("effects, all identical; the agent ended\n"), "{printed}");
}

#[test]
fn every_event_is_a_line_and_effects_stand_beneath_it() {
    let (printed, result) = replayed(TAKEOVER, &[]);
    result.unwrap();
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[1], "    0.000000  start");
    assert!(lines[2].starts_with("                "), "{}", lines[2]);
    let steps =
        lines.iter().filter(|line| line.starts_with("    ") && line.as_bytes()[11].is_ascii_digit()).count();
    let summary = lines.last().unwrap();
    assert!(summary.starts_with(&format!("{steps} steps and ")), "{steps}: {summary}");
    for part in
        ["send n2 PROBE", "record of web-1: ", "the kernel holds web-1 under n4", "told to stop", "heard n1 "]
    {
        assert!(printed.contains(part), "{part}");
    }
    let (only, result) = replayed(TAKEOVER, &["--service", "web-2"]);
    result.unwrap();
    let (first, story) = only.split_once('\n').unwrap();
    assert_eq!(first, lines[0]);
    let (story, _) = story.trim_end().rsplit_once('\n').unwrap();
    let steps = story.replace("\n                ", " ");
    assert!(steps.lines().count() > 50 && steps.lines().all(|step| step.contains("web-2")), "{only}");
}

#[test]
fn scripts_get_each_step_and_how_it_ended() {
    let (printed, result) = replayed(TAKEOVER, &["--json"]);
    result.unwrap();
    let mut objects: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = objects.pop().unwrap();
    assert_eq!((&end["outcome"], &end["ending"]), (&"identical".into(), &"stopped".into()));
    assert_eq!(end["steps"], objects.len());
    assert_eq!((&objects[0]["line"], &objects[0]["since_start_ns"]), (&2.into(), &0.into()));
    assert!(objects[0]["event"].is_null() && objects[0]["effects"].is_array());
}

#[test]
fn another_effect_is_told_with_its_line_and_both_versions_of_it() {
    let claim = up_to("owner_silent");
    let line = claim.lines().count();
    let changed = claim.replace("\"cause\":\"owner_silent\"", "\"cause\":\"released\"");
    let told = failure(&changed, &["--reports"]);
    assert!(
        told.contains(&format!("recording:{line}: this engine differs from the recorded one, afc 0.1.0")),
        "{told}"
    );
    assert!(told.contains("recorded: REPORT claiming web-1 under epoch 2 of n4: released\n"), "{told}");
    assert!(told.ends_with("now:      REPORT claiming web-1 under epoch 2 of n4: owner_silent"), "{told}");
    let (printed, _) = replayed(&changed, &["--json"]);
    let end: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!((&end["outcome"], &end["line"]), (&"differs".into(), &line.into()));
    assert!(end["difference"]["recorded"]["report"]["claimed"].is_object(), "{end}");
}

#[test]
fn a_killed_agents_recording_is_no_failure_and_a_gap_is() {
    let told = up_to("owner_silent");
    let (printed, result) = replayed(&told, &["--reports"]);
    result.unwrap();
    assert!(printed.ends_with("all identical; the agent was killed, or still records\n"), "{printed}");
    let (printed, result) = replayed(&told[..told.len() - 30], &["--reports"]);
    result.unwrap();
    assert!(printed.contains("the last line is cut off"), "{printed}");
    let line = told.lines().count() + 1;
    let gap = failure(told + "{\"gap\":{\"lost\":12}}\n{\"step\":{\"at_ns\":1,\"event\":\"tick\"}}\n", &[]);
    assert!(gap.contains(&format!("recording:{line}: 12 events and effects are missing here")), "{gap}");
}

#[test]
fn what_cannot_be_replayed_is_one_sentence() {
    let broken = TAKEOVER.replacen("\"tick\"", "\"tock\"", 1);
    let line = TAKEOVER[..TAKEOVER.find("\"tick\"").unwrap()].lines().count();
    let huge = vec![b' '; afc_engine::recording::LINE_BYTES_MAX * 3];
    for (text, expected) in [
        (Vec::new(), "recording: the file is empty, so nothing was recorded".to_owned()),
        (
            broken.into_bytes(),
            format!("recording: line {line}: is no line of a recording: unknown variant `tock`"),
        ),
        (huge, "recording: line 1: is longer than 4194304 bytes".to_owned()),
        (b"\xff\xfe\n".to_vec(), "recording: line 1: is no line of a recording: ".to_owned()),
        (TAKEOVER.as_bytes()[..100].to_vec(), "recording: line 1: is no line of a recording: EOF".to_owned()),
    ] {
        let told = failure(text, &[]);
        assert!(told.contains(&expected), "{told}, not {expected}");
    }
    let told = failure(TAKEOVER, &["--service", "web-9"]);
    assert_eq!(told, "the recording has no service \"web-9\"; it has web-1, web-2, web-3");
    let missing = Replaying { file: "/none".into(), json: false, reports: false, service: None };
    let told = replay(&missing, &mut Vec::new()).unwrap_err().to_string();
    assert!(told.starts_with("cannot read the recording /none: "), "{told}");
}
