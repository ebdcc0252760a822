//! Plays a plan: the faults in their order, then the finale, and what must hold once settled.

use std::panic::{AssertUnwindSafe, catch_unwind};

use afc_ebpf::identity::NodeId;

use super::{
    plan::{Finale, Plan},
    promise::Breach,
    shape::{INTERVAL, LEASE, Network},
    world::World,
};
use crate::{
    Event,
    effect::Report,
    priority::{Inputs, Lists},
};

/// By then the last resort of every service came: a lease for each voter, and one for each candidate before it.
const SETTLED_NS: u64 = 24 * LEASE;

/// By then everybody is awake and heard what waited.
const ASLEEP_MAX_NS: u64 = 5 * LEASE;

/// What came of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) breach: Option<Breach>,
    pub(super) steps: u64,
    pub(super) moves: u64,
    pub(super) story: String,
}

/// Plays it to its end, or to the first breach.
pub(super) fn play(plan: &Plan) -> Outcome {
    let mut world = World::new(&plan.shape, plan.seed);
    let played = catch_unwind(AssertUnwindSafe(|| {
        world.late_ns = plan.late_ns;
        world.promise.forgives_capacity = plan.is_rude;
        suffer(&mut world, plan);
        finish(&mut world, plan.finale);
    }));
    if let Err(panic) = played {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let why = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned();
        world.broken = Some(Breach::Panicked { why });
    }
    let story = if world.broken.is_some() { world.story() } else { String::new() };
    Outcome { breach: world.broken, steps: world.steps, moves: world.promise.moves, story }
}

fn suffer(world: &mut World, plan: &Plan) {
    for fault in &plan.faults {
        world.run_to(fault.at_ns);
        if world.broken.is_some() {
            return;
        }
        world.suffer(fault.who, &fault.what);
    }
    world.run_to(plan.ends_ns);
}

fn finish(world: &mut World, finale: Finale) {
    let holds = match finale {
        Finale::None => return,
        Finale::Settle => settle(world),
        Finale::DoubleFailure => settle(world).and_then(|()| fail_two(world)),
    };
    if let Err(breach) = holds {
        world.broken.get_or_insert(breach);
    }
}

/// Everything heals and everybody starts. Who is short of resources stays so, whatever the lists said stands, and a disk
/// that failed for good goes on failing. "With a majority of members alive some node does", and then nothing moves.
fn settle(world: &mut World) -> Result<(), Breach> {
    world.links.heal();
    world.links.network = Network::GOOD;
    world.late_ns = INTERVAL / 20;
    let now_ns = world.now_ns;
    for machine in &mut world.machines {
        (machine.paused_until_ns, machine.asleep_until_ns, machine.late_until_ns) =
            (0, machine.asleep_until_ns, 0);
        if machine.disk.fails_until_ns() != u64::MAX {
            machine.disk.fail_until(now_ns);
        }
        machine.keeper.is_drained = false;
    }
    // What was told to somebody asleep comes first: it may be to stop.
    world.run_for(ASLEEP_MAX_NS);
    world.start_all();
    for node in 1..=world.machines.len() as u16 {
        world.event(node, Event::Drained(false));
    }
    let keeps_lists = world.keeps_lists();
    world.run_for(if keeps_lists { 2 * SETTLED_NS } else { SETTLED_NS });
    let moves = world.promise.moves;
    for _ in 0..8 {
        world.run_for(LEASE / 8);
        let servers = world.servers();
        if let Some(service) = (0..servers.len()).find(|at| servers[*at].is_none() && has_taker(world, *at)) {
            return Err(Breach::NotServed { service });
        }
    }
    let times = world.promise.moves - moves;
    if times > 0 {
        return Err(Breach::MovesOn { times });
    }
    if keeps_lists { agree(world) } else { Ok(()) }
}

/// Whether anybody could serve a service: a disk that works and, away from home, room.
fn has_taker(world: &World, service: usize) -> bool {
    let setup = &world.machines[0].setup.services[service];
    setup.candidates.iter().any(|candidate| {
        let machine = world.machine(candidate.0);
        let has_room = machine.held_of_others() < machine.setup.capacity as usize;
        machine.disk.fails_until_ns() != u64::MAX && (*candidate == setup.home || has_room)
    })
}

/// Every node has the same lists, and they are right about who serves.
fn agree(world: &World) -> Result<(), Breach> {
    let servers = world.servers();
    let mut first: Option<&(Inputs, Lists)> = None;
    for machine in &world.machines {
        let differs = |why: &str| Breach::ListsNotAgreed { node: machine.id().0, why: why.to_owned() };
        let Some(made) = &machine.keeper.made else {
            return Err(differs("it has none"));
        };
        if made.1 != first.get_or_insert(made).1 {
            return Err(differs("its lists are others"));
        }
        let owners = made.1.services.iter().map(|list| list.owner.0);
        if owners.zip(&servers).any(|(owner, server)| server.is_some_and(|server| server != owner)) {
            return Err(differs("another serves than its lists say"));
        }
    }
    Ok(())
}

/// Two nodes that serve one service each lose their power at once, while a majority is left. Nobody takes both of their
/// services over while another backup of the one that it took last is available and free.
fn fail_two(world: &mut World) -> Result<(), Breach> {
    let before = world.servers();
    let serves_one = |node: &u16| before.iter().filter(|server| **server == Some(*node)).count() == 1;
    let alone: Vec<u16> = before.iter().flatten().copied().filter(serves_one).take(2).collect();
    let has_dead_disk = world.machines.iter().any(|machine| machine.disk.fails_until_ns() == u64::MAX);
    let (Some((inputs, _)), [first, second]) = (world.machines[0].keeper.made.clone(), &alone[..]) else {
        return Ok(());
    };
    if has_dead_disk || world.machines.len() < 5 {
        return Ok(());
    }
    world.power_off(*first);
    world.power_off(*second);
    world.run_for(2 * SETTLED_NS);
    let after = world.servers();
    let failed = |service: &usize| before[*service].is_some_and(|server| alone.contains(&server));
    let lost: Vec<usize> = (0..before.len()).filter(failed).collect();
    let takers = lost.iter().filter_map(|service| after[*service]);
    let takers: Vec<u16> = takers.collect();
    // A home that takes its own service back gives no backup away.
    let is_home = |taker: u16| lost.iter().any(|service| inputs.services[*service].home.0 == taker);
    let taker = match takers[..] {
        [one, other] if one == other && !is_home(one) => one,
        _ => return Ok(()),
    };
    let is_free = |node: &&NodeId| {
        let input = inputs.nodes.iter().find(|input| input.id == **node);
        let was_free = input.is_some_and(|input| input.reasons.is_available() && input.room > 0);
        was_free && !alone.contains(&node.0) && !after.contains(&Some(node.0))
    };
    let last = lost.iter().max_by_key(|service| taken_ns(world, taker, **service));
    match last.and_then(|last| inputs.services[*last].backups.iter().find(is_free)) {
        Some(free) => Err(Breach::SharedBackup { node: taker, free: free.0 }),
        None => Ok(()),
    }
}

/// When a node began to serve a service last.
fn taken_ns(world: &World, node: u16, service: usize) -> Option<u64> {
    let machine = world.machine(node);
    let id = machine.setup.services[service].id;
    let is_it = |report: &Report| matches!(report, Report::Served { service, .. } if *service == id);
    machine.reports.iter().rev().find(|(_, report)| is_it(report)).map(|(at_ns, _)| *at_ns)
}
