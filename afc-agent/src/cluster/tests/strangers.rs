//! What a stranger can do: nothing, and it is counted.

use std::net::Ipv4Addr;

use super::{
    world::{CLUSTER, Flight, address},
    *,
};
use crate::cluster::{
    Command, Counter,
    record::{NodeRecord, Utilization, Version},
    seal::Seals,
    wire::{self, Body, Header, Sealed},
};

/// Everything that a machine's agent knows.
fn known(world: &World, machine: usize) -> (usize, BTreeMap<NodeId, NodeRecord>) {
    (world.machines[machine].changes.len(), world.machines[machine].records.clone())
}

/// Hands a machine datagrams that change nothing and are not answered.
#[track_caller]
fn assert_deaf(world: &mut World, machine: usize, flights: &[Flight]) {
    let (before, sent) = (known(world, machine), world.sent);
    for flight in flights {
        world.deliver(flight);
    }
    assert_eq!(known(world, machine), before);
    assert_eq!(world.sent, sent, "answered");
}

fn taped(world: &World, to: u16) -> Vec<Flight> {
    let tape = world.tape.iter().flatten();
    tape.filter(|flight| flight.to == address(to)).cloned().collect()
}

/// Three nodes of which everything from the start on is on tape, and in which things happened.
fn taped_world() -> World {
    let mut world = World::empty(5);
    world.tape = Some(Vec::new());
    for id in 1..=3 {
        let machine = world.start(Spec::new(id, 3));
        world.set_state(machine, state(0));
    }
    for round in 1..=20 {
        world.set_state(0, state(round));
        world.run_for(SECOND);
    }
    world
}

#[test]
fn what_was_recorded_in_this_life_changes_nothing_and_is_not_answered() {
    let mut world = taped_world();
    let flights = taped(&world, 2);
    assert!(flights.len() > 50);
    assert_deaf(&mut world, 1, &flights);
    assert_eq!(world.count(1, Counter::Replayed), flights.len() as u64);
}

#[test]
fn what_was_recorded_in_an_earlier_life_changes_nothing_and_is_not_answered() {
    let mut world = taped_world();
    let flights = taped(&world, 2);
    world.restart(1, 1001);
    world.set_state(1, state(0));
    world.run_for(5 * SECOND);
    assert_deaf(&mut world, 1, &flights);
}

#[test]
fn what_was_recorded_before_both_began_anew_changes_nothing() {
    let mut world = taped_world();
    let flights = taped(&world, 2);
    for machine in [1, 0, 2] {
        world.restart(machine, 1001);
        world.set_state(machine, state(100));
        world.run_for(5 * SECOND);
    }
    let (before, sent) = (known(&world, 1), world.sent);
    flights.iter().for_each(|flight| world.deliver(flight));
    assert_eq!(known(&world, 1), before);
    // A Hello of a session that is unknown may be a restart: so many of each peer are answered, with a question that
    // only the living can answer.
    assert!(world.sent - sent <= 16, "{} answers", world.sent - sent);
    world.tape = None;
    world.run_for(10 * SECOND);
    assert!(world.agrees());
    assert_eq!(world.machines[1].records[&NodeId(1)].state, state(100));
}

#[test]
fn what_a_sender_said_in_an_earlier_life_and_was_held_back_changes_nothing() {
    let mut world = settled(3, 5);
    world.part(&[0], &[1]);
    world.tape = Some(Vec::new());
    let command = Command::Drain { node: NodeId(2), drained: true };
    world
        .with(0, |controller, now_ns| controller.send_command(NodeId(2), command, now_ns + SECOND, now_ns))
        .unwrap();
    world.set_state(0, state(1));
    let held: Vec<_> = taped(&world, 2).into_iter().filter(|flight| flight.from == address(1)).collect();
    assert_eq!(held.len(), 2);
    world.cut.clear();
    world.restart(0, 1);
    world.set_state(0, state(2));
    world.run_for(5 * SECOND);
    let (before, sent) = (known(&world, 1), world.sent);
    held.iter().for_each(|flight| world.deliver(flight));
    assert_eq!((known(&world, 1), world.machines[1].commands.len()), (before, 0));
    // Nothing but the question who lives there now.
    assert!(world.sent - sent <= 2);
}

#[test]
fn a_message_for_another_life_is_not_taken_even_if_all_else_is_right() {
    let mut world = settled(3, 5);
    let (mut member, record) = (member(), piece(3, Version { incarnation: 5000, sequence: 1 }, &state(1)));
    let body = wire::encode(&Body::Records(vec![record]));
    for echo in [Session::UNKNOWN, Session([1; 12]), world.machines[2].controller.session_for_tests()] {
        let before = world.count(1, Counter::Session);
        let flight = member.flight_to(&world, echo, &body);
        assert_deaf(&mut world, 1, &[flight]);
        assert_eq!(world.count(1, Counter::Session), before + 1);
    }
}

#[test]
fn an_answer_to_a_hello_is_never_longer_than_the_hello() {
    let world = taped_world();
    let first = world.tape.iter().flatten().next().unwrap().bytes.len();
    let hellos = world.tape.iter().flatten().take(6);
    assert!(hellos.clone().all(|flight| flight.bytes.len() == first), "{:?}", hellos.collect::<Vec<_>>());
}

#[test]
fn a_wrong_cluster_or_key_or_address_or_number_is_counted_and_gets_no_answer() {
    let mut world = taped_world();
    let elsewhere = Ipv4Addr::new(10, 9, 9, 9);
    let wrong = keys(&[&OLD_KEY.replace('0', "1").replace("11:", "1:")]);
    let unknown_id = keys(&[NEW_KEY]);
    let other = Spec { cluster: 7, ..Spec::new(1, 3) };
    for (spec, source, counter) in [
        (other, address(1), Counter::Cluster),
        (Spec { keys: wrong, ..Spec::new(1, 3) }, address(1), Counter::Seal),
        (Spec { keys: unknown_id, ..Spec::new(1, 3) }, address(1), Counter::Key),
        (Spec::new(9, 3), address(9), Counter::Sender),
        (Spec::new(1, 3), elsewhere, Counter::Address),
    ] {
        let flights: Vec<_> =
            first_words(&spec).into_iter().map(|flight| Flight { from: source, ..flight }).collect();
        let before = world.count(1, counter);
        let (changes, sent) = (world.machines[1].records.clone(), world.sent);
        flights.iter().filter(|flight| flight.to == address(2)).for_each(|flight| world.deliver(flight));
        assert_eq!(world.count(1, counter), before + 1, "{}", counter.name());
        assert_eq!((&world.machines[1].records, world.sent), (&changes, sent));
    }
    let misled = Flight { to: address(3), ..taped(&world, 2)[0].clone() };
    assert_deaf(&mut world, 2, &[misled]);
    assert_eq!(world.count(2, Counter::NotForUs), 1);
}

/// What a machine sends when it starts.
fn first_words(spec: &Spec) -> Vec<Flight> {
    let mut world = World::empty(77);
    world.tape = Some(Vec::new());
    world.start(spec.clone());
    world.run_for(MS);
    world.tape.take().unwrap()
}

#[test]
fn both_keys_are_taken_while_one_replaces_the_other() {
    let mut world = World::empty(1);
    for (id, lines) in [(1, [OLD_KEY, NEW_KEY]), (2, [NEW_KEY, OLD_KEY]), (3, [NEW_KEY, OLD_KEY])] {
        let machine = world.start(Spec { keys: keys(&lines), ..Spec::new(id, 3) });
        world.set_state(machine, state(0));
    }
    assert!(world.run_until(SECOND, World::agrees).is_some());
    // The last step: nobody knows the old one any more.
    for machine in 0..3 {
        world.machines[machine].spec.keys = keys(&[NEW_KEY]);
        world.restart(machine, 1001);
        world.set_state(machine, state(1));
        world.run_for(SECOND);
    }
    // The first one was alone with the new key in its mouth, and is understood nevertheless.
    assert!(world.run_until(3 * SECOND, World::agrees).is_some());
}

/// A member gone mad: what it seals is authentic, whatever it says.
struct Member {
    seals: Seals,
    counter: u64,
}

impl Member {
    fn flight(&mut self, world: &World, body: Vec<u8>) -> Flight {
        self.flight_to(world, world.machines[1].controller.session_for_tests(), &body)
    }

    fn flight_to(&mut self, world: &World, echo: Session, body: &[u8]) -> Flight {
        self.counter += 1;
        let session = world.machines[0].controller.session_for_tests();
        let (from, to) = (NodeId(1), NodeId(2));
        let header = Header { key_id: 0, cluster: CLUSTER, from, to, session, counter: self.counter };
        let mut plain = echo.0.to_vec();
        plain.extend_from_slice(body);
        Flight { from: address(1), to: address(2), bytes: self.seals.seal(&header, &plain) }
    }
}

fn member() -> Member {
    Member { seals: Seals::new(&keys(&[OLD_KEY]), CLUSTER), counter: 1 << 40 }
}

fn piece(node: u16, version: Version, state: &NodeState) -> crate::cluster::pieces::Piece {
    let bytes = wire::encode(state);
    crate::cluster::pieces::Piece { node: NodeId(node), version, age_ms: 0, index: 0, count: 1, bytes }
}

#[test]
fn absurd_records_of_a_member_are_counted_and_not_kept() {
    let mut world = settled(3, 1);
    let mut member = member();
    let good = Version { incarnation: 5000, sequence: 1 };
    let busy = |cpu| {
        let utilization = Utilization {
            cpu,
            memory_available_bytes: 0,
            memory_total_bytes: 0,
            iops: 0,
            load: 0.0,
            pressure: None,
        };
        NodeState { utilization: Some(utilization), ..NodeState::default() }
    };
    let old = crate::cluster::pieces::Piece { age_ms: 36_000, ..piece(3, good, &state(1)) };
    let undecodable = crate::cluster::pieces::Piece { bytes: vec![0xff; 30], ..piece(3, good, &state(1)) };
    for (piece, counter) in [
        (piece(3, good, &busy(f64::NAN)), Counter::Absurd),
        (piece(3, good, &busy(-1.0)), Counter::Absurd),
        (piece(3, good, &busy(f64::INFINITY)), Counter::Absurd),
        (piece(3, good, &state(u32::MAX)), Counter::Absurd),
        (piece(3, Version { incarnation: u64::MAX, sequence: 1 }, &state(1)), Counter::Absurd),
        (piece(2, Version { incarnation: u64::MAX, sequence: 1 }, &state(1)), Counter::Absurd),
        (undecodable, Counter::Absurd),
        (old, Counter::Aged),
        (piece(9, good, &state(1)), Counter::UnknownNode),
    ] {
        let before = (world.machines[1].records.clone(), world.count(1, counter));
        let flight = member.flight(&world, wire::encode(&Body::Records(vec![piece])));
        world.deliver(&flight);
        assert_eq!((world.machines[1].records.clone(), world.count(1, counter)), (before.0, before.1 + 1));
    }
    // The same way a good one is kept.
    let flight = member.flight(&world, wire::encode(&Body::Records(vec![piece(3, good, &busy(0.5))])));
    world.deliver(&flight);
    assert_eq!(world.machines[1].records[&NodeId(3)].state, busy(0.5));
}

#[test]
fn no_bytes_panic_a_controller_whether_sealed_or_not() {
    let mut world = taped_world();
    let tape = taped(&world, 2);
    let (mut random, mut member) = (fastrand::Rng::with_seed(9), member());
    let records = world.machines[1].records.clone();
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    let version = Version { incarnation: 1000, sequence: 3 };
    for body in [
        Body::Hello { question: [1; 8], answer: [2; 8] },
        Body::Records(vec![piece(3, version, &state(1))]),
        Body::Ack(version),
        Body::Page { first: NodeId(0), last: NodeId(9), entries: vec![(NodeId(3), version)] },
        Body::Request(vec![NodeId(1), NodeId(3)]),
        Body::Outcome { id: 1, outcome: Err("no".to_owned()) },
    ] {
        bodies.push(wire::encode(&body));
    }
    for round in 0..120_000 {
        let flight = if round % 2 == 0 {
            let mut flight = random.choice(&tape).unwrap().clone();
            if random.u8(..) < 20 {
                flight.bytes = vec![0; random.usize(0..1300)];
                random.fill(&mut flight.bytes);
            }
            mutate(&mut random, &mut flight.bytes);
            flight
        } else {
            let mut body = random.choice(&bodies).unwrap().clone();
            mutate(&mut random, &mut body);
            member.flight(&world, body)
        };
        world.with(1, |controller, now_ns| controller.handle_datagram(flight.from, &flight.bytes, now_ns));
        if round == 0 {
            assert_eq!(world.machines[1].records, records);
        }
    }
    let reasons = [Counter::Size, Counter::Magic, Counter::Cluster, Counter::Sender, Counter::Seal];
    for counter in reasons.into_iter().chain([Counter::Undecodable, Counter::NotForUs, Counter::Key]) {
        assert!(world.count(1, counter) > 0, "{} never happened", counter.name());
    }
}

fn mutate(random: &mut fastrand::Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.usize(1..4) {
        match random.u8(0..4) {
            _ if bytes.is_empty() => bytes.push(random.u8(..)),
            0 => bytes.truncate(random.usize(0..=bytes.len())),
            1 => bytes.push(random.u8(..)),
            _ => {
                let at = random.usize(0..bytes.len().min(60));
                bytes[at] ^= 1 << random.u8(0..8);
            }
        }
    }
}

#[test]
fn a_sealed_body_is_what_the_wire_says() {
    let sealed = Sealed { echo: Session([4; 12]), body: Body::Ack(Version::default()) };
    assert_eq!(sealed.encode()[..12], [4; 12]);
}
