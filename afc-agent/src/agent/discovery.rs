//! The parts of the agent that find out how this node and the others are, put together: measurements, the cluster
//! controller, and the list keeper between them.

use std::sync::Arc;

use anyhow::Result;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{
    commands::{Commands, Taker},
    lists::{Board, ListKeeper, Means},
    notices,
    start::Agent,
};
use crate::{
    cluster::{ClusterHandle, ClusterInbox, ClusterTask, Setup},
    config::Config,
    key::ClusterKeys,
    resources::{Measured, ResourcesTask},
};

/// What the rest of the agent sees of it.
pub(super) struct Discovery {
    pub(super) board: Arc<Board>,
    pub(super) cluster: ClusterHandle,
    /// Rung when the fast path's view shows something new.
    pub(super) viewed: Arc<Notify>,
    measured: watch::Receiver<Measured>,
    /// Until they are started.
    tasks: Option<Tasks>,
}

struct Tasks {
    resources: ResourcesTask,
    cluster: ClusterTask,
    inbox: ClusterInbox,
}

impl Discovery {
    /// Takes the controller's port. Nothing is measured or said yet.
    pub(super) fn bind(config: &Config, keys: &ClusterKeys, incarnation: u64) -> Result<Self> {
        let (task, cluster, inbox) = ClusterTask::bind(&Setup::new(config, incarnation), keys)?;
        let (resources, measured) = ResourcesTask::new(config);
        Ok(Self {
            board: Arc::default(),
            cluster,
            viewed: Arc::default(),
            measured,
            tasks: Some(Tasks { resources, cluster: task, inbox }),
        })
    }
}

impl Agent {
    /// Starts what was bound.
    pub(super) fn start_discovery(&mut self, tasks: &mut JoinSet<()>) {
        let Tasks { resources, cluster, inbox } =
            self.discovery.tasks.take().expect("discovery is started once");
        let events = Arc::clone(&self.events);
        let repository = Arc::clone(&self.disk.repository);
        let (marked, drained) = watch::channel(repository.drained());
        let keeper = ListKeeper::new(Means {
            config: Arc::clone(&self.config),
            cluster: self.discovery.cluster.clone(),
            measured: self.discovery.measured.clone(),
            drained,
            view: Arc::clone(&self.view),
            viewed: Arc::clone(&self.discovery.viewed),
            orders: Arc::clone(&self.orders),
            repository: Arc::clone(&self.disk.repository),
            board: Arc::clone(&self.discovery.board),
            report: Box::new(move |happening| notices::report(&events, happening)),
        });
        tasks.spawn(resources.run());
        tasks.spawn(cluster.run());
        tasks.spawn(keeper.run(inbox.changes));
        let commands = Commands {
            config: Arc::clone(&self.config),
            repository,
            drained: marked,
            taker: Taker {
                config: Arc::clone(&self.config),
                view: Arc::clone(&self.view),
                orders: Arc::clone(&self.orders),
                events: Arc::clone(&self.events),
            },
        };
        tasks.spawn(commands.run(inbox.commands));
    }
}
