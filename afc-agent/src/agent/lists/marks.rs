//! The operator's marks: each is on the disk before anybody hears that it is set.
//!
//! Owner: the agent, which spawns [`keep`]. It is woken by commands of other nodes and of this one, and does one after
//! another, so that the last one said is the one that counts. Cancelling it loses the command under way, whose asker asks
//! again or gives up.

use std::sync::Arc;

use afc_ebpf::identity::NodeId;
use tokio::sync::{mpsc, watch};

use crate::{
    cluster::{Command, IncomingCommand},
    repository::Repository,
};

/// Keeps marks until nobody commands any more. `drained` says what the disk says.
pub(in crate::agent) async fn keep(
    me: NodeId,
    repository: Arc<Repository>,
    mut commands: mpsc::Receiver<IncomingCommand>,
    drained: watch::Sender<bool>,
) {
    while let Some(incoming) = commands.recv().await {
        let Command::Drain { node, drained: wanted } = incoming.command;
        let outcome = match (node == me, wanted) {
            (true, true) => repository.drain().await.map_err(|error| error.to_string()),
            (true, false) => repository.undrain().await.map_err(|error| error.to_string()),
            (false, _) => Err("it goes by another number than the asker thinks".to_owned()),
        };
        let is_drained = repository.drained();
        drained.send_if_modified(|drained| std::mem::replace(drained, is_drained) != is_drained);
        incoming.answer(outcome).await;
    }
}
