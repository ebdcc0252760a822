//! Recordings of real agents: this engine does what theirs did, and it was the right thing.

use std::{fs, path::Path};

use super::*;
use crate::effect::{Cause, DropCause, Report};

/// The first service of the lab.
const WEB_1: &str = "web-1";

/// Replays a fixture, which must be identical; its reports, in their order.
fn reports(name: &str) -> (Header, Vec<Report>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/recording/fixtures").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let mut player = Player::new();
    let (mut reports, mut blessed, mut steps) = (Vec::new(), String::new(), 0);
    for line in text.split_inclusive('\n') {
        match player.play(line.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}")) {
            Played::Step(replayed) => {
                let Replayed { step, effects, difference } = *replayed;
                steps += 1;
                let is_same = difference.is_none() || std::env::var_os("AFC_BLESS").is_some();
                assert!(is_same, "{name}:{}: {:?}: {difference:?}", player.line(), step.event);
                for effect in &effects {
                    if let Effect::Report(report) = effect {
                        reports.push(report.clone());
                    }
                }
                blessed.push_str(&Line::Step(Step { effects, ..step }).to_text());
            }
            Played::Header | Played::End(_) => blessed.push_str(line),
            Played::Gap { lost } => panic!("{name}: {lost} are lost"),
        }
    }
    assert!(steps > 500, "{name} has {steps} steps");
    if std::env::var_os("AFC_BLESS").is_some() {
        fs::write(&path, blessed).unwrap();
    }
    (player.header().unwrap().clone(), reports)
}

/// What became of the service at this node, in words that no time is part of.
fn path(header: &Header, reports: &[Report]) -> Vec<String> {
    let service = header.names.services.iter().find(|(_, name)| name == WEB_1).unwrap().0;
    let mut path = Vec::new();
    for report in reports {
        let told = match report {
            Report::Claimed { service, cause, .. } => (service, format!("claimed: {cause:?}")),
            Report::Served { service, previous, .. } => (service, format!("served after {}", previous.0)),
            Report::Dropped { service, cause, .. } => (service, format!("dropped: {cause:?}")),
            Report::OwnerChanged { service, word } => (service, format!("owner {}", word.owner().0)),
            Report::Suspected { .. }
            | Report::Alive { .. }
            | Report::TwoAnnouncers { .. }
            | Report::NotHandedOver { .. }
            | Report::Refused { .. } => continue,
        };
        if *told.0 == service {
            path.push(told.1);
        }
    }
    path
}

#[test]
fn a_backup_that_took_over_from_a_node_that_was_cut_off_does_it_again() {
    let (header, reports) = reports("takeover.jsonl");
    assert_eq!(header.setup.node, NodeId(4));
    let expected = [
        "owner 1".to_owned(),
        format!("claimed: {:?}", Cause::OwnerSilent),
        "served after 1".to_owned(),
        format!("dropped: {:?}", DropCause::Stopped),
    ];
    assert_eq!(path(&header, &reports), expected);
    let suspected = |report: &Report| matches!(report, Report::Suspected { node: NodeId(1), .. });
    assert_eq!(reports.iter().filter(|report| suspected(report)).count(), 1);
}

#[test]
fn an_owner_that_was_cut_off_lapses_again_and_learns_its_successor() {
    let (header, reports) = reports("isolated-owner.jsonl");
    assert_eq!(header.setup.node, NodeId(1));
    let expected = [
        format!("claimed: {:?}", Cause::NoOwner),
        "served after 0".to_owned(),
        format!("dropped: {:?}", DropCause::Lapsed),
        "owner 4".to_owned(),
    ];
    assert_eq!(path(&header, &reports), expected);
}
