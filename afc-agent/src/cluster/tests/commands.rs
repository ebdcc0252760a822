//! Commands: done once, answered always, and given up in time.

use super::*;
use crate::cluster::{Command, CommandError, Counter};

fn drain(drained: bool) -> Command {
    Command::Drain { node: NodeId(2), drained }
}

/// Answers every command of a machine that was not answered yet.
fn answer(world: &mut World, machine: usize, done: &mut usize, outcome: &Result<(), String>) {
    while let Some((from, id, _)) = world.machines[machine].commands.get(*done).cloned() {
        *done += 1;
        world.with(machine, |controller, _| controller.answer_command(from, id, outcome.clone()));
    }
}

fn send(world: &mut World, to: u16, patience_ns: u64) -> u64 {
    let act = |controller: &mut crate::cluster::Controller, now_ns| {
        controller.send_command(NodeId(to), drain(true), now_ns + patience_ns, now_ns)
    };
    world.with(0, act).unwrap()
}

#[test]
fn under_loss_every_command_is_done_once_and_answered() {
    for seed in 0..50 {
        let mut world = settled(3, seed);
        world.loss_percent = 30;
        let refusal = Err("it is the last one".to_owned());
        for round in 0..20 {
            let id = send(&mut world, 2, 20 * SECOND);
            let outcome = if round % 2 == 0 { &Ok(()) } else { &refusal };
            let mut done = round;
            let ended = world.run_until(20 * SECOND, |world| {
                answer(world, 1, &mut done, outcome);
                world.machines[0].ended.len() > round
            });
            assert!(ended.is_some(), "seed {seed}, round {round}");
            let outcome = outcome.clone().map_err(CommandError::Refused);
            assert_eq!(world.machines[0].ended[round], (id, outcome));
            assert_eq!(world.machines[1].commands.len(), round + 1, "seed {seed}: done twice");
        }
        world.run_for(5 * SECOND);
        assert_eq!(world.machines[1].commands.len(), 20, "seed {seed}: done twice");
    }
}

#[test]
fn without_an_answer_the_asker_gives_up_in_time_and_stops_asking() {
    let mut world = settled(3, 1);
    let id = send(&mut world, 2, 2 * SECOND);
    world.run_for(SECOND);
    assert_eq!(world.machines[0].ended, []);
    world.run_for(2 * SECOND);
    assert_eq!(world.machines[0].ended, [(id, Err(CommandError::TimedOut))]);
    assert_eq!(world.machines[1].commands.len(), 1);
}

#[test]
fn a_node_can_ask_itself_and_nobody_cannot_be_asked() {
    let mut world = settled(3, 1);
    let id = send(&mut world, 1, SECOND);
    assert_eq!(world.machines[0].commands, [(NodeId(1), id, drain(true))]);
    answer(&mut world, 0, &mut 0, &Ok(()));
    let nobody = send(&mut world, 9, SECOND);
    assert_eq!(world.machines[0].ended, [(id, Ok(())), (nobody, Err(CommandError::NoSuchNode))]);
}

#[test]
fn too_many_commands_are_refused_where_they_are_given() {
    let mut world = settled(3, 1);
    for _ in 0..16 {
        send(&mut world, 2, SECOND);
    }
    let further = world.with(0, |controller, now_ns| {
        controller.send_command(NodeId(2), drain(true), now_ns + SECOND, now_ns)
    });
    assert!(further.is_err());
    world.run_for(2 * SECOND);
    for _ in 0..16 {
        send(&mut world, 2, SECOND);
    }
    world.run_for(2 * SECOND);
    // All 32 places there are taken by commands that nobody has answered.
    send(&mut world, 2, SECOND);
    world.run_for(2 * SECOND);
    let (_, outcome) = world.machines[0].ended.last().unwrap();
    assert!(matches!(outcome, Err(CommandError::Refused(text)) if text.contains("too many")));
    assert!(world.count(1, Counter::CommandRefused) >= 1);
}

#[test]
fn a_long_refusal_is_cut_at_a_character() {
    let mut world = settled(3, 1);
    send(&mut world, 2, SECOND);
    let mut done = 0;
    let long = Err("\u{e9}".repeat(1000));
    world.run_until(SECOND, |world| {
        answer(world, 1, &mut done, &long);
        !world.machines[0].ended.is_empty()
    });
    assert_eq!(world.machines[0].ended[0].1, Err(CommandError::Refused("\u{e9}".repeat(256))));
}
