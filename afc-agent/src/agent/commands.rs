//! What operators ask of this node, here or through another node.
//!
//! Owner: the agent, which spawns [`Commands::run`]. It is woken by commands. Marks are done one after another, so that the
//! last one said is the one that counts, each on the disk before anybody hears that it is set; handovers go on beside.
//! Cancelling it loses the commands under way, whose askers ask again or give up.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use afc_ebpf::identity::{NodeId, ServiceId};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    cluster::{Command, IncomingCommand},
    config::Config,
    control::Duty,
    events::{EventKind, EventLog},
    heartbeat::{
        mailbox::{Mailbox, Order},
        view::View,
    },
    repository::Repository,
};

/// How long a handover may take: less than its asker waits.
const TAKE_LIMIT: Duration = Duration::from_secs(3);

/// Does them.
pub(super) struct Commands {
    pub(super) config: Arc<Config>,
    pub(super) repository: Arc<Repository>,
    /// Says what the disk says.
    pub(super) drained: watch::Sender<bool>,
    pub(super) taker: Taker,
}

/// Asks for services, and sees what becomes of it.
#[derive(Clone)]
pub(super) struct Taker {
    pub(super) config: Arc<Config>,
    pub(super) view: Arc<Mutex<View>>,
    pub(super) orders: Arc<Mailbox<Order>>,
    pub(super) events: Arc<EventLog>,
}

impl Commands {
    /// Does what is asked until nobody commands any more.
    pub(super) async fn run(self, mut commands: mpsc::Receiver<IncomingCommand>) {
        let mut takes = JoinSet::new();
        while let Some(incoming) = commands.recv().await {
            match incoming.command {
                Command::Drain { node, drained } => {
                    let duty = if drained { Duty::Drained } else { Duty::InService };
                    let outcome = self.mark(node, duty).await;
                    incoming.answer(outcome).await;
                }
                Command::Take { service } => {
                    let taker = self.taker.clone();
                    takes.spawn(async move {
                        let outcome = taker.take(service).await;
                        incoming.answer(outcome).await;
                    });
                }
            }
            while takes.try_join_next().is_some() {}
        }
    }

    async fn mark(&self, node: NodeId, duty: Duty) -> Result<(), String> {
        let outcome = match (node == self.config.agent.node, duty) {
            (true, Duty::Drained) => self.repository.drain().await.map_err(|error| error.to_string()),
            (true, Duty::InService) => self.repository.undrain().await.map_err(|error| error.to_string()),
            (false, Duty::Drained | Duty::InService) => {
                Err("it goes by another number than the asker thinks".to_owned())
            }
        };
        let is_drained = self.repository.drained();
        self.drained.send_if_modified(|drained| std::mem::replace(drained, is_drained) != is_drained);
        outcome
    }
}

impl Taker {
    /// Takes a service from its owner without a gap.
    async fn take(&self, service: ServiceId) -> Result<(), String> {
        let me = self.config.agent.node;
        let known = self.config.services.iter().find(|known| known.id == service);
        let known = known.ok_or("its configuration has no such service")?;
        let name = &known.name;
        if !known.candidates.contains(&me) {
            return Err(format!("it is neither the home of {name} nor among its backups"));
        }
        let mut newest = self.events.subscribe();
        let before = *newest.borrow_and_update();
        match self.owner(service) {
            None => return Err(format!("nobody serves {name}, so nobody can hand it over")),
            Some(owner) if owner == me => return Ok(()),
            Some(_) => {}
        }
        self.orders.put(Order::Take { service, offer: None }).map_err(|_| "it is busy; try again later")?;
        let outcome = async {
            loop {
                let ended = self.events.after(before).events.into_iter().find_map(|event| {
                    let is_meant = event.happening.service.as_deref() == Some(name.as_str());
                    let is = |kind| is_meant && event.happening.kind == kind;
                    let refused = is(EventKind::NotHandedOver).then(|| Err(self.refusal(name)));
                    is(EventKind::Served).then_some(Ok(())).or(refused)
                });
                if let Some(outcome) = ended {
                    return outcome;
                }
                if newest.changed().await.is_err() {
                    return Err("its agent ends".to_owned());
                }
            }
        };
        let late = || Err(format!("{name} was not handed over within {TAKE_LIMIT:?}"));
        timeout(TAKE_LIMIT, outcome).await.unwrap_or_else(|_| late())
    }

    fn owner(&self, service: ServiceId) -> Option<NodeId> {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = view.services.iter().find(|seen| seen.id == service)?;
        Some(seen.owner.owner()).filter(|owner| owner.is_some())
    }

    /// Why this node does not take a service, as far as it can tell.
    fn refusal(&self, service: &str) -> String {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let me = view.nodes.iter().find(|node| node.id == self.config.agent.node);
        if me.is_some_and(|me| me.is_draining) {
            return format!("it is drained; let it take {service} with `afc undrain`");
        }
        format!(
            "{service} was not handed over: it serves as much as agent.capacity allows, has just started, or does not reach \
             the owner; `afc status` there tells"
        )
    }
}
