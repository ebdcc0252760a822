//! Whatever comes in, an engine neither panics nor gives a grant without a record; and it counts what it
//! ignored.

use std::collections::HashSet;

use afc_ebpf::{
    identity::{NodeId, OwnerWord, ServiceId},
    wire::{Kind, flag},
};

use super::{
    shape::{MS, Shape},
    world::World,
};
use crate::{
    Effect, Engine, Event,
    event::Heard,
    message::{Message, Refusal, Slot, Slots},
};

/// Small numbers that hit, and extremes.
fn number(rng: &mut fastrand::Rng, near: u64) -> u64 {
    match rng.u32(0..6) {
        0 => 0,
        1 => u64::MAX,
        2 => rng.u64(..),
        3 => near,
        4 => near.saturating_sub(rng.u64(0..100 * MS)),
        _ => near.saturating_add(rng.u64(0..100 * MS)),
    }
}

fn node(rng: &mut fastrand::Rng) -> NodeId {
    NodeId(if rng.u32(0..8) == 0 { rng.u16(..) } else { rng.u16(0..6) })
}

fn service(rng: &mut fastrand::Rng) -> ServiceId {
    ServiceId(if rng.u32(0..8) == 0 { rng.u32(..) } else { rng.u32(1000..1003) })
}

fn word(rng: &mut fastrand::Rng) -> OwnerWord {
    match rng.u32(0..4) {
        0 => OwnerWord(rng.u64(..)),
        1 => OwnerWord::NONE,
        _ => OwnerWord((rng.u64(0..4) << 32) | (rng.u64(0..6) << 20) | rng.u64(0..6)),
    }
}

fn message(rng: &mut fastrand::Rng, session: u64, now_ns: u64) -> Message {
    let mut slots = Slots::new();
    for _ in 0..rng.usize(0..=4) {
        slots.push(Slot { service: service(rng), word: word(rng) }).unwrap();
    }
    Message {
        kind: Kind::from_byte(rng.u8(1..=8)).unwrap(),
        flags: if rng.bool() { rng.u16(0..32) } else { rng.u16(..) },
        from: node(rng),
        to: if rng.u32(0..8) == 0 { node(rng) } else { NodeId(1) },
        refusal: Refusal::from_wire(rng.u16(0..9)),
        page: if rng.bool() { 0 } else { rng.u8(..) },
        session: if rng.bool() { session } else { number(rng, session) },
        sent_ns: number(rng, now_ns),
        echo_ns: number(rng, now_ns),
        remaining_ns: number(rng, now_ns),
        slots,
    }
}

fn event(rng: &mut fastrand::Rng, session: u64, now_ns: u64) -> Event {
    match rng.u32(0..24) {
        0 => Event::Lease { service: service(rng), word: word(rng), until_ns: number(rng, now_ns) },
        1 => Event::Adopted { service: service(rng), word: word(rng) },
        2 => Event::FloorReserved { service: service(rng), counter: rng.u32(..) },
        3 => Event::Available(rng.bool()),
        4 => Event::Doubt { session },
        5..10 => Event::Heard(Heard {
            node: node(rng),
            heard_ns: number(rng, now_ns),
            reply_ns: number(rng, now_ns),
            reply_echo_ns: number(rng, now_ns),
        }),
        10..15 => Event::Tick,
        _ => Event::Received(message(rng, session, now_ns)),
    }
}

/// "It first records, then grants": every grant names what was on record at some time before.
fn assert_recorded(engine: &mut Engine, recorded: &mut HashSet<(ServiceId, u64)>, seed: u64) {
    while let Some(effect) = engine.poll_effect() {
        if let Effect::Record { service, record } = effect {
            recorded.insert((service, record.word));
        }
        let Effect::Send(message) = effect else { continue };
        if message.kind != Kind::Probe || message.flags & flag::TRIAL != 0 {
            continue;
        }
        for slot in message.slots.as_slice() {
            assert!(recorded.contains(&(slot.service, slot.word.0)), "seed {seed}: {message:?}");
        }
    }
}

#[test]
fn nothing_that_comes_in_makes_an_engine_panic() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let shape = Shape { services: vec![vec![1, 2, 3], vec![2, 1], vec![3, 1, 5]], ..Shape::five() };
        let world = World::settled(&shape, seed);
        let mut engine = world.engine(1).clone();
        let session = world.machine(1).setup.session;
        let mut now_ns = world.machine(1).clock.at(world.now_ns);
        let mut recorded = engine.services().map(|service| (service.id, service.record.word)).collect();
        for _ in 0..500 {
            now_ns += rng.u64(0..3 * MS);
            engine.handle(event(&mut rng, session, now_ns), now_ns);
            assert_recorded(&mut engine, &mut recorded, seed);
            assert!(engine.poll_timeout().is_some());
            let holding = engine.services().filter(|service| service.epoch.counter() != 0).count();
            assert!(holding <= 3 && engine.nodes().count() == 5);
        }
        let counters = engine.counters();
        assert!(counters.unknown_node > 0 && counters.unknown_service > 0 && counters.malformed > 0);
    }
}
