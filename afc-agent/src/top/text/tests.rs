//! Frames of plain text.

use std::time::Duration;

use super::*;
use crate::top::example::{Cluster, FIVE};

fn text(model: &Model, now: Instant) -> String {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_012_345);
    Text { model, now, wall, glyphs: Glyphs::Unicode }.to_string()
}

#[test]
fn a_frame_has_everything_that_the_screen_has() {
    let now = Instant::now();
    let wanted = include_str!("tests/frame.txt");
    assert_eq!(text(&FIVE.model(now, 30), now), wanted);
}

#[test]
fn an_agent_that_is_gone_is_an_alarm_at_the_top() {
    let now = Instant::now();
    let mut model = FIVE.model(now, 1);
    model.handle_failure("nobody listens".to_owned());
    let text = text(&model, now + Duration::from_secs(3));
    assert_eq!(text.lines().nth(1), Some("! not reachable since 3s, trying again: nobody listens"));
}

#[test]
fn whatever_the_agent_says_no_terminal_obeys_it() {
    let now = Instant::now();
    let mut model = FIVE.model(now, 1);
    model.status.cluster = "\u{1b}]0;title\u{7}".to_owned();
    model.status.services[0].name = "a\u{1b}[2Jb\rc\nd".to_owned();
    model.events.back_mut().unwrap().happening.text = "\u{9b}31m".to_owned();
    model.handle_failure("\u{1b}[1m".to_owned());
    let text = text(&model, now);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(text.contains("a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"), "{text}");
}

#[test]
fn an_empty_cluster_and_a_big_one_are_frames_too() {
    let now = Instant::now();
    let lines = |cluster: Cluster| text(&cluster.model(now, 1), now).lines().count();
    assert!(lines(Cluster { services: 0, spares: 0 }) > 4);
    assert!(lines(Cluster { services: 300, spares: 2 }) > 900);
}
