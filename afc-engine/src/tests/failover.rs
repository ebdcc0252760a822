//! How many messages one failover takes, by kind: what the regression gate holds.

use std::collections::BTreeMap;

use afc_ebpf::wire::{Kind, flag};
use afc_gate::{Allowed, Gate};

use super::{
    shape::{LEASE, Shape},
    world::World,
};

/// Failovers that are counted together, so that one late or early tick does not decide.
const SEEDS: std::ops::Range<u64> = 0..40;

/// What a message is called in the file. PROBEs and their REPLYs are sent whether anything fails or not.
const fn called(kind: Kind, flags: u16) -> &'static str {
    match (kind, flags & flag::TRIAL != 0, flags & flag::UNASKED != 0) {
        (Kind::Probe, false, _) => "probe, also the grant",
        (Kind::Probe, true, _) => "trial, yes",
        (Kind::Reply, _, false) => "reply",
        (Kind::Reply, true, true) => "trial",
        (Kind::Reply, false, true) => "claim",
        (Kind::Refuse, false, _) => "refuse",
        (Kind::Refuse, true, _) => "trial, no",
        (Kind::Announce, ..) => "announce",
        (Kind::Release, ..) => "release",
        (Kind::Take, ..) => "take",
        (Kind::Handover, ..) => "handover",
        (Kind::Transfer, ..) => "transfer",
    }
}

/// Five nodes, three services; the home of one loses its power. Counted from then until a lease after somebody else
/// serves, by which everybody has heard of it.
#[test]
fn a_failover_takes_no_more_messages_than_it_did() {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in SEEDS {
        let mut world = World::settled(&Shape::five(), seed);
        let before = world.tally().clone();
        world.power_off(1);
        world.run_until(20 * LEASE, |world| world.server(0).is_some()).expect("somebody takes over");
        world.run_for(LEASE);
        assert_eq!((world.server(0), world.broken.as_ref()), (Some(4), None), "seed {seed}");
        for ((kind, flags), sent) in world.tally() {
            let sent = sent - before.get(&(*kind, *flags)).unwrap_or(&0);
            *counts.entry(called(*kind, *flags)).or_default() += sent;
        }
    }
    counts.retain(|_, sent| *sent > 0);
    let section = format!("messages of {} failovers", SEEDS.count());
    counts
        .iter()
        .fold(Gate::new(section, Allowed::PerCent(5)), |gate, (name, sent)| gate.figure(*name, *sent))
        .check();
}
