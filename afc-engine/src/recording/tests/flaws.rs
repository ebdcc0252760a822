//! Recordings that are none, or no longer.

use super::*;

/// What is wrong with the last of these lines.
fn flaw(lines: &[&str]) -> String {
    let mut player = Player::new();
    let (last, before) = lines.split_last().unwrap();
    for line in before {
        player.play(line.as_bytes()).unwrap();
    }
    let error = player.play(last.as_bytes()).unwrap_err();
    assert_eq!((error.line, player.line()), (lines.len(), lines.len()));
    error.to_string()
}

#[test]
fn what_is_no_recording_is_told_with_its_line() {
    let header = &Line::Header(Box::new(header())).to_text();
    let start = r#"{"step":{"at_ns":5}}"#;
    let tick = r#"{"step":{"at_ns":6,"event":"tick"}}"#;
    let other_version = header.replace("\"version\":1", "\"version\":2,\"flavour\":\"new\"");
    let slow = header.replace("\"lease_ns\":25000000", "\"lease_ns\":18446744073709551615");
    let with_more = header.replace("\"afc\"", "\"colour\":1,\"afc\"");
    let five = r#"{"service":1,"word":1},"#.repeat(5);
    let full = format!(
        r#"{{"step":{{"at_ns":6,"event":{{"received":{{"kind":"reply","from":1,"to":2,"slots":[{}]}}}}}}}}"#,
        five.trim_end_matches(',')
    );
    let long = format!("\"{}\"", "x".repeat(LINE_BYTES_MAX));
    for (lines, expected) in [
        (&[""][..], "line 1: is no line of a recording: EOF"),
        (&["\u{0}\u{7f}"], "line 1: is no line of a recording: expected value"),
        (&["[[[["], "line 1: is no line of a recording"),
        (&["{}"], "line 1: a recording starts with its header"),
        (&[start], "line 1: a recording starts with its header"),
        (&[&other_version], "line 1: the recording has form 2, and this afc reads form 1"),
        (&[&slow], "line 1: a time of the setup is out of range"),
        (&[&with_more], "line 1: is no line of a recording: unknown field `colour`"),
        (&[&long], "line 1: is longer than 4194304 bytes"),
        (&[header, header], "line 2: there is a second header"),
        (&[header, tick], "line 2: behind the header comes the start"),
        (&[header, start, start], "line 3: the step has no event"),
        (&[header, start, "{\"step\":{\"at_ns\":6,\"event\":\"ti"], "line 3: is no line of a recording: EOF"),
        (
            &[header, start, r#"{"step":{"at_ns":6,"event":"dance"}}"#],
            "line 3: is no line of a recording: unknown variant",
        ),
        (
            &[header, start, r#"{"step":{"at_ns":-6,"event":"tick"}}"#],
            "line 3: is no line of a recording: invalid value",
        ),
        (&[header, start, &full], "line 3: is no line of a recording: a message has at most four slots"),
        (&[header, start, r#"{"step":{"at_ns":4,"event":"tick"}}"#], "line 3: the time goes back by 1 ns"),
        (
            &[header, start, r#"{"step":{"at_ns":18446744073709551615,"event":"tick"}}"#],
            "line 3: at_ns is out of range",
        ),
        (&[header, start, r#"{"end":"stopped"}"#, tick], "line 4: there is more behind the end"),
    ] {
        let found = flaw(lines);
        assert!(found.starts_with(expected), "{found}, not {expected}");
    }
}

#[test]
fn a_gap_is_told_and_the_lines_behind_it_can_be_read() {
    let [header, start, .., end] = &recorded()[..] else { panic!("too short") };
    let lines = [header, start, &Line::Gap { lost: 3 }, end].map(Clone::clone);
    let played = play(&lines).unwrap();
    assert_eq!(played[2..], [Played::Gap { lost: 3 }, Played::End(End::Stopped)]);
}

/// Damaged files may become another story, or none, but never a panic.
#[test]
fn whatever_happens_to_its_bytes_a_recording_is_read_or_refused() {
    let text: Vec<Vec<u8>> = recorded().iter().map(|line| line.to_text().into_bytes()).collect();
    let mut refused = 0;
    for seed in 0..3000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut lines = text.clone();
        for _ in 0..rng.usize(1..=4) {
            let at = rng.usize(..lines.len());
            damage(&mut lines, at, &mut rng);
        }
        let mut player = Player::new();
        refused += u32::from(lines.iter().any(|line| player.play(line).is_err()));
    }
    assert!((100..2999).contains(&refused), "{refused}");
}

fn damage(lines: &mut Vec<Vec<u8>>, at: usize, rng: &mut fastrand::Rng) {
    let line = &mut lines[at];
    let place = rng.usize(..line.len());
    match rng.u8(..5) {
        0 => line[place] = rng.u8(..),
        1 => line.truncate(place.max(1)),
        // Another number, mostly still JSON.
        2 | 3 => {
            let digits: Vec<_> = (0..line.len()).filter(|&place| line[place].is_ascii_digit()).collect();
            if let Some(&digit) = rng.choice(&digits) {
                line[digit] = rng.digit(10) as u8;
            }
        }
        _ => drop(lines.remove(at)),
    }
    if lines.is_empty() || lines.iter().any(Vec::is_empty) {
        lines.retain(|line| !line.is_empty());
        lines.push(b"{}".to_vec());
    }
}
