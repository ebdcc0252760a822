//! The start of an agent, step by step. What fails on the way leaves nothing attached that was not there before.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use afc_ebpf::identity::{NodeId, OwnerWord};
use afc_engine::{Engine, Restored, effect::Leases};
use anyhow::{Context, Result, anyhow};
use tracing::warn;

use super::{
    discovery::Discovery,
    disk::Disk,
    floors::{FloorTask, WantedFloors},
    parts, restore,
};
use crate::{
    clock,
    config::{Config, ServiceConfig},
    control::server::ControlServer,
    datapath::{self, Claim, Datapath, FastMaps},
    events::{EventKind, EventLog, Happening},
    heartbeat::{
        fast_path::FastPath,
        mailbox::{self, Mailbox, Notice, Order},
        scheduling,
        socket::HeartbeatSocket,
        timing::Timings,
        view::{Tally, View},
    },
    key::ClusterKeys,
    network::{Neighbour, Network, arp::GratuitousArp},
};

/// An agent whose fast path is ready to run.
pub(super) struct Agent {
    pub(super) config: Arc<Config>,
    pub(super) network: Network,
    pub(super) datapath: Datapath,
    pub(super) disk: Disk,
    pub(super) floors: Arc<WantedFloors>,
    pub(super) discovery: Discovery,
    pub(super) events: Arc<EventLog>,
    pub(super) orders: Arc<Mailbox<Order>>,
    pub(super) notices: Arc<Mailbox<Notice>>,
    pub(super) view: Arc<Mutex<View>>,
    pub(super) maps: datapath::View,
    pub(super) control: Option<ControlServer>,
    pub(super) fast_path: Option<FastPath>,
    /// What writes the recording, if there is one.
    pub(super) recording: Option<JoinHandle<()>>,
    neighbours: BTreeMap<NodeId, Neighbour>,
    pub(super) session: u64,
    pub(super) started_ns: u64,
}

/// The session that the agent goes on with, or begins.
struct Session {
    id: u64,
    is_adopted: bool,
}

impl Agent {
    pub(super) async fn start(config: Arc<Config>) -> Result<Self> {
        let keys = ClusterKeys::load(&config.cluster.key_file)?;
        let disk = Disk::open(&config.agent)?;
        let control = ControlServer::bind(&config.agent.control_socket)?;
        let network = Network::connect()?;
        for name in &config.agent.interfaces {
            network.link(name).await?;
        }
        let socket = bind(&config)?;
        let discovery = Discovery::bind(&config, &keys, disk.incarnation)?;
        let mut datapath = Datapath::load(&parts::options(&config))?;
        let session = Session::choose(&config, &datapath, &keys)?;
        let mut maps = datapath.take_fast()?;
        if !session.is_adopted {
            // Addresses that a dead agent left go before the fence changes that it left around them.
            network.set_virtual_ips(&BTreeSet::new()).await?;
        }
        let restored = session.restore(&config, &keys, &mut datapath, &mut maps, &disk)?;
        datapath.set_peers(&parts::peers(&config))?;
        datapath.set_addresses(&parts::addresses(&config))?;
        // The fence stands before any virtual IP is on loopback.
        if let Err(error) = datapath.attach() {
            maps.set_agent_until(0);
            network.set_virtual_ips(&BTreeSet::new()).await?;
            return Err(error.into());
        }
        let mut agent = Self {
            network,
            events: Arc::clone(&disk.events),
            disk,
            floors: Arc::default(),
            discovery,
            orders: mailbox::orders()?,
            notices: mailbox::notices()?,
            view: Arc::new(Mutex::new(View::default())),
            maps: maps.view().clone(),
            control: Some(control),
            fast_path: None,
            recording: None,
            neighbours: BTreeMap::new(),
            session: session.id,
            started_ns: clock::boottime_ns(),
            datapath,
            config,
        };
        match agent.complete(maps, socket, &keys, restored).await {
            Ok(()) => {
                agent.report_start(&session);
                agent.disk.repository.put_configuration(&agent.config.text);
                Ok(agent)
            }
            // What the agent before left running is left running, until its timeout.
            Err(error) if session.is_adopted => Err(error),
            Err(error) => {
                agent.give_up().await;
                Err(error)
            }
        }
    }

    /// What comes after the fence; the kernel answers probes under this session in the end.
    async fn complete(
        &mut self,
        maps: FastMaps,
        socket: HeartbeatSocket,
        keys: &ClusterKeys,
        restored: Restored,
    ) -> Result<()> {
        self.network.set_virtual_ips(&virtual_ips(&self.config)).await?;
        self.seed_neighbours().await?;
        if let Err(error) = scheduling::lock_memory() {
            warn!(%error, "memory is not locked, so paging may delay heartbeats: raise LimitMEMLOCK");
        }
        self.fast_path = Some(self.build_fast_path(maps, socket, keys, restored)?);
        Ok(())
    }

    fn build_fast_path(
        &mut self,
        maps: FastMaps,
        socket: HeartbeatSocket,
        keys: &ClusterKeys,
        restored: Restored,
    ) -> Result<FastPath> {
        let config = Arc::clone(&self.config);
        let seed = random()?;
        let setup = parts::setup(&config, self.session, seed);
        let mut recorder = self.start_recording(&setup, &restored);
        let now = clock::boottime_ns();
        if let Some(recorder) = &mut recorder {
            recorder.start(now);
        }
        let engine = Engine::new(setup, restored, now);
        *self.view.lock().expect("nobody else has the view yet") = View::with_room_for(&engine);
        let mut gratuitous = Vec::with_capacity(self.datapath.modes().len());
        for interface in self.datapath.modes() {
            let opened = GratuitousArp::open(interface.ifindex, interface.mac);
            gratuitous.push(
                opened.with_context(|| {
                    format!("cannot send ARP on {}; CAP_NET_RAW is needed", interface.name)
                })?,
            );
        }
        let mut fast_path = FastPath {
            engine,
            maps,
            socket,
            node: config.agent.node,
            places: parts::places(&config),
            contacts: parts::contacts(&config, &self.maps),
            envelope: parts::envelope(&config, keys),
            gratuitous,
            orders: Arc::clone(&self.orders),
            notices: Arc::clone(&self.notices),
            recorder,
            view: Arc::clone(&self.view),
            agent_timeout_ns: config.agent.agent_timeout.as_nanos() as u64,
            interval: config.heartbeat.interval,
            tally: Tally::default(),
            timings: Timings::default(),
            has_news: false,
        };
        // What a new session forgets is forgotten before the kernel speaks for it.
        fast_path.settle()?;
        self.datapath.set_settings(&parts::settings(&config, keys, self.session))?;
        Ok(fast_path)
    }

    /// Tells the kernel the link addresses that are known already, so that it can redirect before the first heartbeat.
    async fn seed_neighbours(&mut self) -> Result<()> {
        for neighbour in self.network.neighbours().await? {
            if let Some(node) = self.config.nodes.iter().find(|node| node.address == neighbour.address) {
                self.datapath.seed_neighbour(node.id, neighbour.mac, neighbour.ifindex)?;
            }
        }
        Ok(())
    }

    /// Keeps the other nodes' link addresses in the neighbour table for good, as the kernel heard them: a node whose link
    /// comes back speaks to its peers at once, instead of after the second that a lost ARP request costs.
    pub(super) async fn fix_neighbours(&mut self) {
        for node in self.config.nodes.iter().filter(|node| node.id != self.config.agent.node) {
            let heard = self.maps.heard(node.id);
            let neighbour = Neighbour { address: node.address, mac: heard.mac, ifindex: heard.ifindex };
            if !heard.mac.is_known() || self.neighbours.get(&node.id) == Some(&neighbour) {
                continue;
            }
            match self.network.set_neighbour(neighbour).await {
                Ok(()) => drop(self.neighbours.insert(node.id, neighbour)),
                Err(error) => warn!(%error, "heartbeats wait for ARP"),
            }
        }
    }

    /// After a failed start. The failure itself is what is told.
    async fn give_up(self) {
        if let Err(error) = self.unfence().await {
            warn!(%error, "not everything was undone");
        }
    }

    /// Takes the node out of service: the addresses first, then the programs that fenced them. Where an address stays, the
    /// fence stays.
    pub(super) async fn unfence(self) -> Result<()> {
        for neighbour in self.neighbours.values() {
            self.network.remove_neighbour(*neighbour).await?;
        }
        let removed = self.network.set_virtual_ips(&BTreeSet::new()).await;
        removed.context("virtual IPs stay on loopback, and the programs stay to fence them")?;
        self.datapath.detach().context("cannot detach the programs")
    }

    /// What makes the floors safe that the fast path asks for.
    pub(super) fn floor_task(&self) -> FloorTask {
        FloorTask::new(Arc::clone(&self.floors), Arc::clone(&self.disk.repository), Arc::clone(&self.orders))
    }

    fn report_start(&self, session: &Session) {
        if session.is_adopted {
            self.report(Happening::new(
                EventKind::Adopted,
                "goes on with the programs and maps of the agent before it",
            ));
        } else {
            self.report(Happening::new(EventKind::Started, "started with a new session"));
        }
        for interface in self.datapath.modes() {
            let text = format!("XDP is attached to {} in {} mode", interface.name, interface.mode.name());
            self.report(Happening::new(EventKind::Interface, text));
        }
    }
}

impl Session {
    /// The session of the agent before, if it died less than `agent_timeout` ago and was configured alike; else a new one.
    fn choose(config: &Config, datapath: &Datapath, keys: &ClusterKeys) -> Result<Self> {
        if let Some(adopted) = datapath.adopted() {
            let now = parts::settings(config, keys, adopted.settings.session);
            let lives = clock::boottime_ns() < adopted.agent_until_ns;
            if lives && now == adopted.settings && has_services(datapath, config)? {
                return Ok(Self { id: adopted.settings.session, is_adopted: true });
            }
        }
        Ok(Self { id: random()?.max(1), is_adopted: false })
    }

    /// What the engine starts from; for a new session the maps are emptied first, but for what floors they know.
    fn restore(
        &self,
        config: &Config,
        keys: &ClusterKeys,
        datapath: &mut Datapath,
        maps: &mut FastMaps,
        disk: &Disk,
    ) -> Result<Restored> {
        if self.is_adopted {
            let restored = restore::adopted(config, maps, &disk.repository.floors())?;
            maps.set_incarnation(disk.incarnation);
            for (index, service) in config.services.iter().enumerate() {
                rehold(maps, index as u32, service, &parts::others(config, service))?;
            }
            return Ok(restored);
        }
        let same_services = has_services(datapath, config)?;
        let kept = if same_services { restore::kept_floors(config, maps) } else { Default::default() };
        // Fences, and answers nobody yet.
        datapath.set_settings(&parts::settings(config, keys, 0))?;
        maps.clear()?;
        maps.set_incarnation(disk.incarnation);
        datapath.set_services(&parts::indices(config))?;
        Ok(restore::forgotten(config, &disk.repository.floors(), &kept))
    }
}

fn bind(config: &Config) -> Result<HeartbeatSocket> {
    let (address, port) = (config.this_node().address, config.heartbeat.port);
    let only_interface = match config.agent.interfaces.as_slice() {
        [only] => Some(only.as_str()),
        _ => None,
    };
    HeartbeatSocket::bind(address, port, only_interface).map_err(|error| {
        let fix = if error.kind() == io::ErrorKind::AddrInUse {
            "another agent, or another program, uses it: stop that one"
        } else if error.kind() == io::ErrorKind::AddrNotAvailable {
            "give this machine that address, or correct it in [[nodes]]"
        } else {
            "run afc as root, or with CAP_NET_RAW"
        };
        anyhow!("cannot receive heartbeats on {address}:{port}: {error}; {fix}")
    })
}

/// Whether the indexes in the maps mean the services of this configuration.
fn has_services(datapath: &Datapath, config: &Config) -> Result<bool> {
    Ok(datapath.services()? == parts::indices(config).into_iter().collect())
}

fn random() -> Result<u64> {
    getrandom::u64().map_err(|error| anyhow!("the kernel gives no random numbers: {error}"))
}

/// What an adopted agent held counts again under the new incarnation.
fn rehold(maps: &mut FastMaps, index: u32, service: &ServiceConfig, others: &[NodeId]) -> Result<()> {
    let holding = maps.holding(index)?;
    if holding.is_held() {
        let word = OwnerWord(holding.word);
        let leases = Leases::CarriedOver;
        maps.hold(index, &Claim { service: service.id, word, others, now_ns: clock::boottime_ns(), leases })?;
    }
    Ok(())
}

/// The virtual IPs of every service that this node may serve.
fn virtual_ips(config: &Config) -> BTreeSet<Ipv4Addr> {
    let eligible = config.services.iter().filter(|service| service.candidates.contains(&config.agent.node));
    eligible.flat_map(|service| service.addresses.iter().map(|virtual_ip| virtual_ip.address)).collect()
}
