//! What may come as a line, that a replay tells any difference, and the recordings in `fixtures/`.
//!
//! The fixtures are of real agents in the lab. To record them anew, or a bug's: `docs/recording.md`. After a change of the
//! engine that is meant to show here and leaves the conversation as it is, `AFC_BLESS=1 cargo test -p afc-engine
//! recording` writes this engine's effects into them; look at the difference before you commit it.

mod fixtures;
mod flaws;

use afc_ebpf::identity::{NodeId, OwnerWord, ServiceId};

use super::*;
use crate::{
    Engine, Role, Safety, ServiceSetup,
    event::Heard,
    message::{Message, Slots},
};
use afc_ebpf::wire::Kind;

const SERVICE: ServiceId = ServiceId(0x0a0b_0c0d);
const MS: u64 = 1_000_000;

fn header() -> Header {
    let nodes: Vec<_> = (1..=3).map(|node| (NodeId(node), Role::Member)).collect();
    let names = nodes.iter().map(|(node, _)| (*node, format!("n{}", node.0))).collect();
    let everybody: Vec<_> = nodes.iter().map(|(node, _)| *node).collect();
    let service = ServiceSetup {
        id: SERVICE,
        home: NodeId(1),
        candidates: everybody.clone(),
        voters: everybody,
        preempt: false,
    };
    Header {
        version: VERSION,
        afc: "0.1.0".to_owned(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        names: Names { nodes: names, services: vec![(SERVICE, "web".to_owned())] },
        setup: Setup {
            node: NodeId(1),
            role: Role::Member,
            safety: Safety::Quorum,
            session: u64::MAX,
            lease_ns: 25 * MS,
            interval_ns: 5 * MS,
            nodes,
            services: vec![service],
            capacity: 1,
            start_grace_ns: 0,
            seed: 7,
        },
        restored: Restored::default(),
    }
}

/// What an engine of [`header`] does on its way to ask the others whether they would grant.
fn recorded() -> Vec<Line> {
    let header = header();
    let start_ns = 1_000 * MS;
    let mut engine = Engine::new(header.setup.clone(), header.restored.clone(), start_ns);
    let effects = |engine: &mut Engine| std::iter::from_fn(|| engine.poll_effect()).collect();
    let start = Step { at_ns: start_ns, event: None, effects: effects(&mut engine) };
    let mut lines = vec![Line::Header(Box::new(header)), Line::Step(start)];
    for round in 1..=10 {
        let at_ns = start_ns + round * 5 * MS;
        let heard = Heard { node: NodeId(2), heard_ns: at_ns, reply_ns: at_ns, reply_echo_ns: at_ns - MS };
        let floor = Event::FloorReserved { service: SERVICE, counter: 1024 };
        let lease = Event::Lease { service: SERVICE, word: OwnerWord::NONE, until_ns: 0 };
        for event in [floor, Event::Heard(heard), lease, Event::Tick] {
            engine.handle(event.clone(), at_ns);
            lines.push(Line::Step(Step { at_ns, event: Some(event), effects: effects(&mut engine) }));
        }
    }
    lines.push(Line::End(End::Stopped));
    lines
}

/// Plays lines up to the first that is not as recorded.
fn play(lines: &[Line]) -> Result<Vec<Played>, ReadError> {
    let mut player = Player::new();
    let mut played = Vec::new();
    for line in lines {
        played.push(player.play(line.to_text().as_bytes())?);
    }
    Ok(played)
}

fn first_difference(lines: &[Line]) -> Option<(usize, Difference)> {
    let played = play(lines).unwrap();
    let mut steps = played.into_iter().enumerate();
    steps.find_map(|(at, played)| match played {
        Played::Step(step) => step.difference.map(|difference| (at, difference)),
        Played::Header | Played::Gap { .. } | Played::End(_) => None,
    })
}

#[test]
fn the_same_engine_told_the_same_does_the_same() {
    let lines = recorded();
    let sends = lines.iter().filter(|line| line.to_text().contains("\"send\"")).count();
    assert!(sends > 5, "{sends}");
    assert_eq!(first_difference(&lines), None);
    assert_eq!(play(&lines).unwrap().pop(), Some(Played::End(End::Stopped)));
}

#[test]
fn an_effect_that_is_another_too_many_or_missing_is_found_where_it_is() {
    let lines = recorded();
    let (at, step) = lines
        .iter()
        .enumerate()
        .find_map(|(at, line)| match line {
            Line::Step(step) if step.event.is_some() && step.effects.len() > 1 => Some((at, step.clone())),
            Line::Step(_) | Line::Header(_) | Line::Gap { .. } | Line::End(_) => None,
        })
        .unwrap();
    let last = step.effects.len() - 1;
    let mut other = step.clone();
    other.effects[last] = Effect::Stopped;
    let mut missing = step.clone();
    missing.effects.truncate(last);
    let mut more = step.clone();
    more.effects.push(Effect::Stopped);
    let real = step.effects.get(last).cloned();
    for (changed, place, recorded, replayed) in [
        (other, last, Some(Effect::Stopped), real.clone()),
        (missing, last, None, real),
        (more, last + 1, Some(Effect::Stopped), None),
    ] {
        let mut lines = lines.clone();
        lines[at] = Line::Step(changed);
        assert_eq!(first_difference(&lines), Some((at, Difference { place, recorded, replayed })));
    }
}

#[test]
fn an_engine_of_another_making_differs() {
    for change in [
        |header: &mut Header| header.setup.lease_ns *= 2,
        |header: &mut Header| header.setup.node = NodeId(2),
        |header: &mut Header| header.setup.services.clear(),
    ] {
        let mut lines = recorded();
        let Line::Header(header) = &mut lines[0] else { panic!("{:?}", lines[0]) };
        change(header);
        assert_ne!(first_difference(&lines), None, "{:?}", lines[0]);
    }
}

#[test]
fn lines_are_written_as_documented() {
    let slots = Slots::one(SERVICE, OwnerWord(5));
    let message = Message {
        kind: Kind::Release,
        flags: 0,
        from: NodeId(2),
        to: NodeId(1),
        refusal: None,
        page: 0,
        session: 9,
        sent_ns: 0,
        echo_ns: 0,
        remaining_ns: 0,
        slots,
    };
    let step = |event, effects| Line::Step(Step { at_ns: 3, event, effects });
    for (line, text) in [
        (step(Some(Event::Tick), vec![]), r#"{"step":{"at_ns":3,"event":"tick"}}"#),
        (
            step(None, vec![Effect::Drop { service: SERVICE }]),
            r#"{"step":{"at_ns":3,"effects":[{"drop":{"service":168496141}}]}}"#,
        ),
        (
            step(Some(Event::Received(message)), vec![]),
            r#"{"step":{"at_ns":3,"event":{"received":{"kind":"release","from":2,"to":1,"session":9,"slots":[{"service":168496141,"word":5}]}}}}"#,
        ),
        (Line::Gap { lost: 4 }, r#"{"gap":{"lost":4}}"#),
        (Line::End(End::SizeLimit), r#"{"end":"size_limit"}"#),
    ] {
        assert_eq!(line.to_text(), format!("{text}\n"));
        assert_eq!(serde_json::from_str::<Line>(text).unwrap(), line);
    }
}
