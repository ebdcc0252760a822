//! Commands from node to node: asked until answered, done once.
//!
//! The target remembers the last commands of each asker's session with what became of them, so one that is asked again is
//! answered again and not done again. Commands of a session that has ended are forgotten with it.

use std::collections::BTreeMap;

use afc_ebpf::identity::NodeId;
use thiserror::Error;

use super::{Controller, Output};
use crate::cluster::{
    change::{Command, CommandError, Outcome},
    counter::Counter,
    peer::{IncomingState, Peer, Retry},
    wire::{Body, MAX_REFUSAL_BYTES},
};

/// Commands of this node that wait for an answer, at most; a further one is refused at once.
const MAX_OUTGOING: usize = 16;
/// Commands of one peer that are remembered, at most. Of those that are answered the oldest makes room; a command for
/// which there is no room is refused.
const MAX_INCOMING: usize = 2 * MAX_OUTGOING;
/// First pause before a command is sent again; the target may need a while to do it.
const FIRST_NS: u64 = 50_000_000;
/// The longest.
const MOST_NS: u64 = 1_000_000_000;
/// A command that its agent has not answered for so long will not be.
const UNANSWERED_NS: u64 = 60_000_000_000;

/// Too many commands wait for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{MAX_OUTGOING} commands wait for an answer already")]
pub struct TooManyCommands;

/// This node's commands.
#[derive(Default)]
pub(super) struct Commands {
    last_id: u64,
    outgoing: BTreeMap<u64, Outgoing>,
}

struct Outgoing {
    to: NodeId,
    command: Command,
    deadline_ns: u64,
    retry: Retry,
}

impl Commands {
    pub(super) fn due_ns(&self) -> Option<u64> {
        let due = |outgoing: &Outgoing| outgoing.retry.due_ns().unwrap_or(u64::MAX).min(outgoing.deadline_ns);
        self.outgoing.values().map(due).min()
    }
}

impl Controller {
    /// Asks a node for something until it answers or `deadline_ns`; this node may be asked too. The answer comes as
    /// [`Output::CommandEnded`] with the number returned here.
    ///
    /// # Errors
    /// Too many commands wait for an answer already.
    pub fn send_command(
        &mut self,
        to: NodeId,
        command: Command,
        deadline_ns: u64,
        now_ns: u64,
    ) -> Result<u64, TooManyCommands> {
        if self.commands.outgoing.len() >= MAX_OUTGOING {
            return Err(TooManyCommands);
        }
        self.commands.last_id += 1;
        let id = self.commands.last_id;
        if to != self.node && !self.peers.contains_key(&to) {
            self.outputs.push_back(Output::CommandEnded { id, outcome: Err(CommandError::NoSuchNode) });
            return Ok(id);
        }
        let mut outgoing = Outgoing { to, command: command.clone(), deadline_ns, retry: Retry::OFF };
        if to == self.node {
            self.outputs.push_back(Output::Command { from: to, id, command });
        } else {
            outgoing.retry = Retry::after(now_ns, FIRST_NS);
            self.send(to, Body::Command { id, command });
        }
        self.commands.outgoing.insert(id, outgoing);
        Ok(id)
    }

    /// Says what became of a command that came as [`Output::Command`].
    pub fn answer_command(&mut self, to: NodeId, id: u64, outcome: Outcome) {
        let outcome = outcome.map_err(|text| shortened(&text));
        if to == self.node {
            return self.take_outcome(to, id, outcome);
        }
        // None if its session has ended since.
        let waiting = self.peers.get_mut(&to).and_then(|peer| peer.commands.get_mut(&id));
        if let Some(incoming) = waiting.filter(|incoming| incoming.outcome.is_none()) {
            incoming.outcome = Some(outcome.clone());
            self.send(to, Body::Outcome { id, outcome });
        }
    }

    /// Sends commands again and gives up on those whose time is up.
    pub(super) fn repeat_commands(&mut self, now_ns: u64) {
        let late = self.commands.outgoing.extract_if(.., |_, outgoing| outgoing.deadline_ns <= now_ns);
        let ended = late.map(|(id, _)| Output::CommandEnded { id, outcome: Err(CommandError::TimedOut) });
        self.outputs.extend(ended);
        let mut due = Vec::new();
        for (id, outgoing) in &mut self.commands.outgoing {
            if outgoing.retry.is_due(now_ns) {
                outgoing.retry = outgoing.retry.again(now_ns, MOST_NS, &mut self.random);
                due.push((outgoing.to, Body::Command { id: *id, command: outgoing.command.clone() }));
            }
        }
        for (to, body) in due {
            self.send(to, body);
        }
    }

    pub(super) fn take_command(&mut self, from: NodeId, id: u64, command: Command, now_ns: u64) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let answer = match peer.begin_command(id, now_ns) {
            Begun::New => {
                self.outputs.push_back(Output::Command { from, id, command });
                return;
            }
            Begun::UnderWay => return,
            Begun::Done(outcome) => outcome,
            Begun::NoRoom => {
                self.counters.count(Counter::CommandRefused);
                Err("too many commands are under way there; try again later".to_owned())
            }
        };
        self.send(from, Body::Outcome { id, outcome: answer });
    }

    pub(super) fn take_outcome(&mut self, from: NodeId, id: u64, outcome: Outcome) {
        if self.commands.outgoing.get(&id).is_some_and(|outgoing| outgoing.to == from) {
            self.commands.outgoing.remove(&id);
            let outcome = outcome.map_err(|text| CommandError::Refused(shortened(&text)));
            self.outputs.push_back(Output::CommandEnded { id, outcome });
        }
    }
}

/// What to do with a command that came.
enum Begun {
    New,
    UnderWay,
    Done(Outcome),
    NoRoom,
}

impl Peer {
    fn begin_command(&mut self, id: u64, now_ns: u64) -> Begun {
        for incoming in self.commands.values_mut().filter(|incoming| incoming.outcome.is_none()) {
            if now_ns.saturating_sub(incoming.since_ns) > UNANSWERED_NS {
                incoming.outcome = Some(Err("its agent has not answered".to_owned()));
            }
        }
        match self.commands.get(&id) {
            Some(IncomingState { outcome: Some(outcome), .. }) => return Begun::Done(outcome.clone()),
            Some(IncomingState { outcome: None, .. }) => return Begun::UnderWay,
            None if id <= self.forgotten_command => {
                return Begun::Done(Err("it was answered long ago".to_owned()));
            }
            None => {}
        }
        if self.commands.len() >= MAX_INCOMING {
            let answered = self.commands.iter().find(|(_, incoming)| incoming.outcome.is_some());
            let Some(oldest) = answered.map(|(id, _)| *id) else { return Begun::NoRoom };
            self.commands.remove(&oldest);
            self.forgotten_command = self.forgotten_command.max(oldest);
        }
        self.commands.insert(id, IncomingState { since_ns: now_ns, outcome: None });
        Begun::New
    }
}

/// As much of a text as goes into an answer.
fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_REFUSAL_BYTES)].to_owned()
}
