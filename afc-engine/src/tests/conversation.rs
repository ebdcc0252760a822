//! What one engine says, effect by effect: the order of records, drops and grants, and each message's fields.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    lease::guard_ns,
    wire::{Kind, flag},
};

use super::shape::{INTERVAL, LEASE};
use crate::{
    Adopted, Effect, Engine, Event, Floor, Restored, Role, Safety, ServiceSetup, Setup,
    message::{Message, Refusal, Slots},
    record,
};

const ME: NodeId = NodeId(1);
const OWNER: NodeId = NodeId(2);
const OTHER: NodeId = NodeId(3);
const S: ServiceId = ServiceId(7);
const SESSION: u64 = 42;
const START: u64 = 1_000_000_000;

fn setup(candidates: &[NodeId]) -> Setup {
    let members = [ME, OWNER, OTHER];
    Setup {
        node: ME,
        role: Role::Member,
        safety: Safety::Quorum,
        session: SESSION,
        lease_ns: LEASE,
        interval_ns: INTERVAL,
        nodes: members.iter().map(|node| (*node, Role::Member)).collect(),
        services: vec![ServiceSetup {
            id: S,
            home: OWNER,
            candidates: candidates.to_vec(),
            voters: members.to_vec(),
            preempt: false,
        }],
        capacity: 1,
        start_grace_ns: 1_000 * LEASE,
        seed: 1,
    }
}

/// A voter that adopted an empty record, so without quarantine.
fn voter() -> Engine {
    let adopted = Adopted {
        service: S,
        record: record::forgotten(Epoch::ZERO, 0),
        holding: OwnerWord::NONE,
        window_until_ns: 0,
        owner: OwnerWord::NONE,
    };
    let floor = Floor { service: S, epoch: Epoch::ZERO, reserved: 1000 };
    let restored = Restored { floors: vec![floor], adopted: Some(vec![adopted]) };
    let mut engine = Engine::new(setup(&[OWNER, OTHER, ME]), restored, START);
    drain(&mut engine);
    engine
}

fn drain(engine: &mut Engine) -> Vec<Effect> {
    std::iter::from_fn(|| engine.poll_effect()).collect()
}

fn handle(engine: &mut Engine, event: Event, now_ns: u64) -> Vec<Effect> {
    engine.handle(event, now_ns);
    drain(engine)
}

fn sent(effects: &[Effect]) -> Vec<Message> {
    let message = |effect: &Effect| {
        if let Effect::Send(message) = effect { Some(*message) } else { None }
    };
    effects.iter().filter_map(message).collect()
}

fn word(counter: u32, node: NodeId) -> OwnerWord {
    Epoch::claim(counter, node).owned_by(node)
}

fn message(kind: Kind, flags: u16, from: NodeId, sent_ns: u64, slots: Slots) -> Message {
    Message {
        kind,
        flags,
        from,
        to: ME,
        refusal: None,
        page: 0,
        session: 90 + u64::from(from.0),
        sent_ns,
        echo_ns: START,
        remaining_ns: 0,
        slots,
    }
}

fn reply(from: NodeId, sent_ns: u64, word: OwnerWord) -> Event {
    Event::Received(message(Kind::Reply, 0, from, sent_ns, Slots::one(S, word)))
}

fn claim(from: NodeId, flags: u16, sent_ns: u64, word: OwnerWord) -> Event {
    Event::Received(message(Kind::Reply, flag::UNASKED | flags, from, sent_ns, Slots::one(S, word)))
}

/// The probes of the next round to one node.
fn probes_to(engine: &mut Engine, node: NodeId, now_ns: u64) -> Vec<Message> {
    let probes = sent(&handle(engine, Event::Tick, now_ns));
    probes.into_iter().filter(|message| message.kind == Kind::Probe && message.to == node).collect()
}

#[test]
fn a_reply_is_recorded_first_and_granted_once_in_the_next_probe() {
    let mut engine = voter();
    probes_to(&mut engine, OWNER, START);
    let now_ns = START + 1_000;
    let effects = handle(&mut engine, reply(OWNER, 555, word(5, OWNER)), now_ns);
    let [Effect::Record { record, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(record.word, word(5, OWNER).0);
    assert_eq!(record.guard_until_ns, now_ns + guard_ns(LEASE));

    let [probe] = probes_to(&mut engine, OWNER, START + 2 * INTERVAL).try_into().unwrap();
    assert_eq!((probe.session, probe.echo_ns), (92, 555));
    assert_eq!(probe.slots, Slots::one(S, word(5, OWNER)));
    let [probe] = probes_to(&mut engine, OWNER, START + 3 * INTERVAL).try_into().unwrap();
    assert_eq!((probe.echo_ns, probe.slots), (0, Slots::new()), "a grant answers one REPLY, once");
}

#[test]
fn a_claim_is_granted_at_once_under_its_own_session() {
    let mut engine = voter();
    let effects = handle(&mut engine, claim(OWNER, 0, 777, word(5, OWNER)), START);
    let [Effect::Record { .. }, Effect::Send(probe)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((probe.kind, probe.to, probe.session, probe.echo_ns), (Kind::Probe, OWNER, 92, 777));
    assert_eq!(probe.slots, Slots::one(S, word(5, OWNER)));
}

#[test]
fn a_trial_claim_is_answered_without_a_trace() {
    let mut engine = voter();
    let before: Vec<_> = engine.services().collect();
    let effects = handle(&mut engine, claim(OWNER, flag::TRIAL, 777, word(5, OWNER)), START);
    let [Effect::Send(yes)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(
        (yes.kind, yes.flags & flag::TRIAL, yes.session, yes.echo_ns),
        (Kind::Probe, flag::TRIAL, 92, 777)
    );
    assert_eq!(engine.services().collect::<Vec<_>>(), before);

    handle(&mut engine, claim(OWNER, 0, 778, word(5, OWNER)), START);
    let effects = handle(&mut engine, claim(OTHER, flag::TRIAL, 888, word(6, OTHER)), START + 1);
    let [Effect::Send(no)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(
        (no.kind, no.flags & flag::TRIAL, no.refusal),
        (Kind::Refuse, flag::TRIAL, Some(Refusal::Guarded))
    );
    assert_eq!((no.session, no.echo_ns), (93, 888));
    let slots: Vec<_> = no.slots.as_slice().iter().map(|slot| slot.word).collect();
    assert_eq!(
        slots,
        [word(5, OWNER), Epoch::claim(5, OWNER).owned_by(NodeId::NONE)],
        "its record and its floor"
    );
}

#[test]
fn a_tentative_holder_drops_and_releases_before_it_votes_for_a_higher_epoch() {
    let mut engine = voter();
    let at = engine.services.find(S).unwrap();
    engine.claim(at, crate::effect::Cause::NoOwner, START);
    drain(&mut engine);
    let effects = handle(&mut engine, claim(OTHER, 0, 777, word(9, OTHER)), START + 1);
    let order = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().position(wanted).expect("present");
    let drop = order(&|effect| matches!(effect, Effect::Drop { .. }));
    let release = order(&|effect| matches!(effect, Effect::Send(m) if m.kind == Kind::Release));
    let record =
        order(&|effect| matches!(effect, Effect::Record { record, .. } if record.word == word(9, OTHER).0));
    let grant = order(&|effect| matches!(effect, Effect::Send(m) if m.kind == Kind::Probe));
    assert!(drop < release && release < record && record < grant, "{effects:?}");
}

#[test]
fn an_owner_with_a_live_lease_refuses_a_higher_epoch() {
    let mut engine = voter();
    let at = engine.services.find(S).unwrap();
    engine.claim(at, crate::effect::Cause::NoOwner, START);
    drain(&mut engine);
    let held = Epoch::claim(1, ME).owned_by(ME);
    let effects =
        handle(&mut engine, Event::Lease { service: S, word: held, until_ns: START + LEASE }, START);
    assert!(effects.contains(&Effect::Own { service: S, word: held }), "{effects:?}");
    assert!(effects.contains(&Effect::GratuitousArp { service: S }));
    let effects = handle(&mut engine, claim(OTHER, 0, 777, word(9, OTHER)), START + 1);
    let [refusal] = sent(&effects).try_into().unwrap();
    assert_eq!(refusal.refusal, Some(Refusal::Held));
}

#[test]
fn a_node_that_starts_anew_neither_grants_nor_claims_for_the_guard() {
    let floors = vec![Floor::from_reserved(S, 1000)];
    let mut engine = Engine::new(setup(&[ME, OWNER, OTHER]), Restored { floors, adopted: None }, START);
    let effects = drain(&mut engine);
    assert!(effects.contains(&Effect::Drop { service: S }), "what the kernel held of an earlier session");
    assert_eq!(engine.flags(), flag::DRAINING);
    let epoch = word(1001, OWNER);
    let last_ns = START + guard_ns(LEASE) - 1;
    let [refusal] = sent(&handle(&mut engine, claim(OWNER, 0, 1, epoch), last_ns)).try_into().unwrap();
    assert_eq!(refusal.refusal, Some(Refusal::Quarantine));
    handle(&mut engine, Event::FloorReserved { service: S, counter: 2024 }, last_ns);
    let [below] =
        sent(&handle(&mut engine, claim(OWNER, 0, 2, word(1000, OWNER)), last_ns + 1)).try_into().unwrap();
    assert_eq!(below.refusal, Some(Refusal::BelowFloor));
    let [probe] = sent(&handle(&mut engine, claim(OWNER, 0, 2, epoch), last_ns + 1)).try_into().unwrap();
    assert_eq!(probe.kind, Kind::Probe);
}

#[test]
fn an_agent_that_adopts_in_quarantine_stays_in_it() {
    let first = Engine::new(setup(&[ME, OWNER, OTHER]), Restored::default(), START);
    let record = first.services().next().unwrap().record;
    let adopted =
        Adopted { service: S, record, holding: OwnerWord::NONE, window_until_ns: 0, owner: OwnerWord::NONE };
    let restored = Restored { floors: Vec::new(), adopted: Some(vec![adopted]) };
    let second = Engine::new(setup(&[ME, OWNER, OTHER]), restored, START + LEASE / 5);
    assert_eq!(second.quarantine_until_ns(), START + guard_ns(LEASE));
}

#[test]
fn a_block_is_asked_for_once_and_before_the_last_is_used_up() {
    let mut engine = Engine::new(setup(&[OWNER, ME]), Restored::default(), START);
    let asked = |effects: &[Effect]| -> Vec<u32> {
        let counter = |effect: &Effect| {
            if let Effect::ReserveFloor { counter, .. } = effect { Some(*counter) } else { None }
        };
        effects.iter().filter_map(counter).collect()
    };
    assert_eq!(asked(&drain(&mut engine)), [1024]);
    handle(&mut engine, Event::FloorReserved { service: S, counter: 1024 }, START);
    let now_ns = START + guard_ns(LEASE);
    let (mut reserved, mut late) = (Vec::new(), 0);
    for counter in 1..3000 {
        let effects = handle(&mut engine, claim(OWNER, 0, 1, word(counter, OWNER)), now_ns);
        late += sent(&effects).iter().filter(|m| m.refusal == Some(Refusal::FloorPending)).count();
        for counter in asked(&effects) {
            reserved.push(counter);
            handle(&mut engine, Event::FloorReserved { service: S, counter }, now_ns);
        }
    }
    assert_eq!((late, reserved.len()), (0, 5), "{reserved:?}");
    let effects = handle(&mut engine, claim(OWNER, 0, 1, word(50_000, OWNER)), now_ns);
    assert_eq!(sent(&effects)[0].refusal, Some(Refusal::FloorPending));
    assert_eq!(asked(&effects), [51_024]);
}

#[test]
fn a_stopped_engine_says_nothing_more() {
    let mut engine = voter();
    assert_eq!(handle(&mut engine, Event::Stop, START), [Effect::Stopped]);
    assert_eq!(engine.poll_timeout(), None);
    assert_eq!(engine.flags(), flag::DRAINING);
    assert_eq!(handle(&mut engine, claim(OWNER, 0, 1, word(5, OWNER)), START), []);
    assert_eq!(handle(&mut engine, Event::Stop, START), []);
}
