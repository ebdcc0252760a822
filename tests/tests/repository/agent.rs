//! Agents whose disk fails them. They need root.

use std::{fs, time::Duration};

use afc_lab::{Lab, LabSpec, hold_for, status, wait_for};
use serde_json::Value;

use super::room::Room;

const SOON: Duration = Duration::from_secs(20);
const NODE: &str = "n1";
const SERVICE: &str = "web-1";

/// This node's events, whose ids must be without holes.
fn events(lab: &Lab) -> Vec<Value> {
    let events = lab.events(NODE).unwrap();
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
    events
}

/// The texts of events of a kind.
fn texts(events: &[Value], kind: &str) -> Vec<String> {
    let of_kind = events.iter().filter(|event| event["kind"] == kind);
    of_kind.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

fn is_served_here(lab: &Lab) -> bool {
    lab.status(NODE).is_ok_and(|seen| status::owner(&seen, SERVICE).as_deref() == Some(NODE))
}

/// Makes something happen that this node keeps an event of.
fn cause_events(lab: &Lab) {
    lab.kill9("n2").unwrap();
    wait_for("n2 is missed", SOON, || lab.status(NODE).is_ok_and(|seen| !status::is_alive(&seen, "n2")))
        .unwrap();
    lab.start_agent("n2").unwrap();
    wait_for("n2 is heard", SOON, || lab.status(NODE).is_ok_and(|seen| status::is_alive(&seen, "n2")))
        .unwrap();
}

#[test]
fn a_full_disk_is_told_once_and_the_node_serves_on() {
    let lab = Lab::new(LabSpec::with_witness()).unwrap();
    let room = Room::mount(&lab.directory().join(NODE).join("state"), 256);
    lab.start_agents().unwrap();
    lab.wait_for_homes(SOON).unwrap();
    room.fill();
    wait_for("the full disk is told", SOON, || {
        cause_events(&lab);
        !texts(&events(&lab), "fault").is_empty()
    })
    .unwrap();
    hold_for("it serves on", Duration::from_secs(3), || is_served_here(&lab)).unwrap();
    let told = texts(&events(&lab), "fault");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("repository.redb") && told[0].contains("make room"), "{told:?}");
    room.empty();
    wait_for("the repository is written again", SOON, || !texts(&events(&lab), "recovered").is_empty())
        .unwrap();
    assert!(is_served_here(&lab));
    let before = events(&lab);
    lab.stop(NODE).unwrap();
    lab.start_agent(NODE).unwrap();
    wait_for("the agent is back", SOON, || lab.status(NODE).is_ok()).unwrap();
    assert_eq!(events(&lab)[..before.len()], before);
}

#[test]
fn events_and_floors_survive_a_kill_and_damage_is_told() {
    let lab = Lab::new(LabSpec::with_witness()).unwrap();
    let file = lab.directory().join(NODE).join("state/repository.redb");
    lab.start_agents().unwrap();
    lab.wait_for_homes(SOON).unwrap();
    let before = events(&lab);
    // Longer than events wait to be written.
    hold_for("it serves", Duration::from_secs(1), || is_served_here(&lab)).unwrap();
    lab.kill9(NODE).unwrap();
    lab.start_agent(NODE).unwrap();
    wait_for("the agent is back", SOON, || lab.status(NODE).is_ok()).unwrap();
    let after = events(&lab);
    assert_eq!(after[..before.len()], before);
    assert!(after.len() > before.len());
    assert_eq!(texts(&after, "fault"), [""; 0]);

    lab.kill9(NODE).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[20_000..30_000].fill(0xa5);
    bytes[9] ^= 1;
    fs::write(&file, &bytes).unwrap();
    lab.start_agent(NODE).unwrap();
    wait_for("the damage is told", SOON, || {
        lab.status(NODE).is_ok() && !texts(&events(&lab), "fault").is_empty()
    })
    .unwrap();
    let told = texts(&events(&lab), "fault");
    assert!(told[0].contains("repository.redb.damaged-1"), "{told:?}");
    assert_eq!(fs::read(file.with_file_name("repository.redb.damaged-1")).unwrap(), bytes);
    lab.wait_until_whole(SOON).unwrap();
}
