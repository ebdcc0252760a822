//! The start of an agent, step by step. What fails on the way leaves nothing attached that was not there before.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use afc_ebpf::{
    identity::{NodeId, OwnerWord, ServiceId},
    layout::{Peer, Settings, role},
    siphash::Key,
};
use anyhow::{Context, Result};
use tracing::{info, warn};

use super::{restore, status::StatusSource};
use crate::{
    clock,
    config::{Config, Role, Safety},
    datapath::{Datapath, FastMaps, Options},
    engine::{self, Engine, Restored, ServiceSetup, Setup},
    events::{EventKind, EventLog, Happening},
    heartbeat::{
        codec::Envelope,
        fast_path::{Contact, FastPath, Place},
        mailbox::{self, Mailbox, Notice, Order},
        scheduling,
        socket::HeartbeatSocket,
        view::{Tally, View},
    },
    key::ClusterKeys,
    network::{Link, Network, arp::GratuitousArp},
    state::{Loaded, StateDir},
};

/// How long backups leave a service that was never heard of to its home.
const START_GRACE: Duration = Duration::from_secs(3);

/// An agent whose fast path is ready to run.
pub(super) struct Agent {
    pub(super) config: Arc<Config>,
    pub(super) network: Network,
    pub(super) datapath: Datapath,
    pub(super) state: StateDir,
    pub(super) events: Arc<EventLog>,
    pub(super) orders: Arc<Mailbox<Order>>,
    pub(super) notices: Arc<Mailbox<Notice>>,
    pub(super) view: Arc<Mutex<View>>,
    pub(super) fast_path: Option<FastPath>,
    session: u64,
    started_ns: u64,
}

impl Agent {
    pub(super) async fn start(config: Arc<Config>) -> Result<Self> {
        let keys = ClusterKeys::load(&config.cluster.key_file)?;
        let state = StateDir::open(&config.agent.state_dir)?;
        if let Err(error) = scheduling::lock_memory() {
            warn!(%error, "memory is not locked: paging may delay heartbeats; raise LimitMEMLOCK");
        }
        let network = Network::connect()?;
        let mut links = Vec::with_capacity(config.agent.interfaces.len());
        for name in &config.agent.interfaces {
            links.push(network.link(name).await?);
        }
        let address = config.this_node().address;
        let socket = HeartbeatSocket::bind(address, config.heartbeat.port).with_context(|| {
            format!("cannot receive heartbeats on {address}:{}; give this machine that address", config.heartbeat.port)
        })?;
        let mut datapath = Datapath::open(&options(&config)).await?;
        let built = build(&config, &keys, &state, &network, &links, socket, &mut datapath).await;
        let (fast_path, is_adopted) = match built {
            Ok(built) => built,
            Err(error) => {
                network.remove_virtuals().await?;
                datapath.detach()?;
                return Err(error);
            }
        };
        let agent = Self {
            session: fast_path.0.session,
            orders: Arc::clone(&fast_path.1.orders),
            notices: Arc::clone(&fast_path.1.notices),
            view: Arc::clone(&fast_path.1.view),
            fast_path: Some(fast_path.1),
            config,
            network,
            datapath,
            state,
            events: Arc::new(EventLog::default()),
            started_ns: clock::boottime_ns(),
        };
        agent.report_start(is_adopted);
        Ok(agent)
    }
}
