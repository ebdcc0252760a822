//! What the controller tells the agent, and the commands that nodes give each other.

use std::{net::Ipv4Addr, sync::Arc};

use afc_ebpf::identity::{NodeId, ServiceId};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::mpsc;

use super::record::{NodeRecord, Version};

/// Something that the agent did not know. Of two changes of one kind about one node only the later one counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A newer record of a node, this one included. A refreshed record differs from the one before only in its version
    /// and in the ages of its reasons.
    Record {
        /// The record.
        record: Arc<NodeRecord>,
        /// This node's `CLOCK_BOOTTIME` when it came.
        received_ns: u64,
        /// How old it was then.
        age_ns: u64,
    },
    /// A node's record was not refreshed, and is gone.
    AgedOut(NodeId),
    /// A node has computed other lists from the same inputs, or has another configuration of them, for longer than
    /// [`LISTS_GRACE_NS`](super::LISTS_GRACE_NS).
    ListsDiffer(NodeId),
    /// That is over.
    ListsAgree(NodeId),
    /// Two machines go by one node's name.
    Conflict {
        /// The name; maybe this node's own.
        node: NodeId,
        /// Where the other one sends from, if that is known.
        address: Option<Ipv4Addr>,
    },
    /// The others had newer records of this node than it had itself: its incarnation was lost. Its records go on under
    /// one above theirs, for as long as it runs.
    IncarnationLost {
        /// What the others had.
        heard: Version,
        /// The incarnation of its records from now on.
        incarnation: u64,
    },
}

/// Digests of the lists that a node has computed, of what it has computed them from, and of the configuration behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListsDigest {
    /// The part of the configuration that lists follow from: it must be the same everywhere.
    pub roster: u64,
    /// What the lists were computed from.
    pub inputs: u64,
    /// The lists.
    pub outputs: u64,
}

/// What one node asks of another on an operator's behalf. Each says what shall be, so that asking twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Whether a node shall take nothing over.
    Drain {
        /// The node.
        node: NodeId,
        /// Drained, or no longer.
        drained: bool,
    },
    /// Take a service from its owner, without a gap.
    Take {
        /// The service.
        service: ServiceId,
    },
}

/// Why a command was not done, as far as the asker knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// The other node says no.
    #[error("{0}")]
    Refused(String),
    /// No answer in time. It may have been done.
    #[error("no answer in time; the node may be down, and it may have done it nevertheless")]
    TimedOut,
    /// Such a node is not in the configuration.
    #[error("no such node")]
    NoSuchNode,
    /// Too many commands wait for an answer already.
    #[error("too many commands wait for an answer already; try again later")]
    Busy,
    /// The controller has ended.
    #[error("the cluster controller has ended")]
    Ended,
}

/// What became of a command at its target.
pub type Outcome = Result<(), String>;

/// A command from another node, or from this one to itself.
#[derive(Debug)]
pub struct IncomingCommand {
    /// Who asks.
    pub from: NodeId,
    /// For what.
    pub command: Command,
    pub(super) id: u64,
    pub(super) answers: mpsc::Sender<CommandAnswer>,
}

/// The answer on its way back to the asker.
#[derive(Debug)]
pub(super) struct CommandAnswer {
    pub(super) to: NodeId,
    pub(super) id: u64,
    pub(super) outcome: Outcome,
}

impl IncomingCommand {
    /// Says what became of it. Without an answer the asker asks until its time is up.
    pub async fn answer(self, outcome: Outcome) {
        let answer = CommandAnswer { to: self.from, id: self.id, outcome };
        // A controller that has ended answers nobody any more.
        drop(self.answers.send(answer).await);
    }
}
