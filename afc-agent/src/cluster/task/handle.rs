//! The agent's ends of the channels to the controller's task.

use std::{sync::Arc, time::Duration};

use afc_ebpf::identity::NodeId;
use tokio::sync::{mpsc, oneshot, watch};

use crate::cluster::{
    change::{Change, Command, CommandError, IncomingCommand, ListsDigest},
    counter::Counters,
    record::NodeState,
    snapshot::Snapshot,
};

/// Tells the controller what to say, and reads what it knows. The task ends with the last of its handles.
#[derive(Clone, Debug)]
pub struct ClusterHandle {
    pub(super) state: watch::Sender<Option<NodeState>>,
    pub(super) lists: watch::Sender<Option<ListsDigest>>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(super) counters: Arc<Counters>,
}

/// What the controller says to the agent. Whoever holds it takes from both.
#[derive(Debug)]
pub struct ClusterInbox {
    /// What the agent did not know. If it is slow, the last change of each kind for each node is kept.
    pub changes: mpsc::Receiver<Change>,
    /// What other nodes want done here; refused for the agent while 64 wait.
    pub commands: mpsc::Receiver<IncomingCommand>,
}

/// A command to another node.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) to: NodeId,
    pub(super) command: Command,
    pub(super) patience: Duration,
    pub(super) answer: oneshot::Sender<Result<(), CommandError>>,
}

impl ClusterHandle {
    /// This node's state from now on; of several in quick succession the last counts. Equal states cost nothing.
    pub fn set_state(&self, state: NodeState) {
        self.state.send_replace(Some(state));
    }

    /// What this node's lists were computed from, and what came out.
    pub fn set_lists_digest(&self, lists: ListsDigest) {
        self.lists.send_replace(Some(lists));
    }

    /// Asks a node for something, this one included, and waits for its answer, no longer than `patience`.
    ///
    /// # Errors
    /// The node refuses, does not answer in time or does not exist, or too many commands wait already.
    pub async fn command(
        &self,
        to: NodeId,
        command: Command,
        patience: Duration,
    ) -> Result<(), CommandError> {
        let (answer, answered) = oneshot::channel();
        let order = Order { to, command, patience, answer };
        self.orders.send(order).await.map_err(|_| CommandError::Ended)?;
        answered.await.unwrap_or(Err(CommandError::Ended))
    }

    /// Everything that the controller knows.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Snapshots as they come.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// What it counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
