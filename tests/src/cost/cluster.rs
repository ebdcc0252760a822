//! A node of a five-node cluster whose data path is loaded and filled, with one service in each state that a packet can
//! find: the node that everything is measured on.

use std::{
    fs,
    net::Ipv4Addr,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use afc_agent::{
    clock::boottime_ns,
    datapath::{Claim, Datapath, FastMaps, Options, WantedMode, peer_address},
    heartbeat::codec::Envelope,
};
use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    layout::{Peer, Settings, name, role},
    mac::Mac,
    siphash::Key,
    wire::{DEFAULT_PORT, Kind, TTL},
};
use afc_engine::{
    effect::Leases,
    message::{Message, Slots},
};
use anyhow::{Context, Result, ensure};
use aya::maps::MapData;

use super::packet::{self, Ip, Link, UDP};
use crate::{
    bpf::{RunContext, TestRun},
    ip,
    janitor::Janitor,
    netns::Netns,
};

/// The node itself, and the peer that everything comes from.
pub(super) const ME: NodeId = NodeId(1);
pub(super) const PEER: NodeId = NodeId(2);
/// The other voters of every service.
const OTHERS: [NodeId; 4] = [PEER, NodeId(3), NodeId(4), NodeId(5)];
pub(super) const CLIENT: Mac = Mac::from_bytes([2, 0, 0, 0, 0, 0xcc]);
pub(super) const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 200);
const SESSION: u64 = 0x1111_2222_3333_4444;
const KEY: Key = Key::from_bytes(*b"0123456789abcdef");
const CLUSTER: u32 = 0xedfe_0001;
const GENERATION: u32 = 3;
/// Longer than any measurement, so that what is live stays so.
const LEASE_NS: u64 = 3_600_000_000_000;

/// The services, by index: one in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// This node's, with a lease of two of the other four voters.
    Live,
    /// This node's, until its lease ran out.
    Lapsed,
    /// Another node's, which is on the inner link.
    Elsewhere,
    /// Another node's, which is on the outer link.
    Behind,
}

/// How the programs are attached, where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attach {
    /// As on any interface.
    Generic,
    /// In the driver, on the inner interface.
    Native,
}

/// The measured node. Dropping it removes everything.
pub(super) struct Cluster {
    pub(super) datapath: Datapath,
    pub(super) heard: OwnedFd,
    /// The interface that packets come in on.
    pub(super) ifindex: u32,
    pub(super) mac: Mac,
    fast: FastMaps,
    sequence: u64,
    _janitor: Janitor,
}

/// The namespace that a [`Cluster`] lives in, for as long as this does.
pub(super) struct Site {
    name: String,
    directory: PathBuf,
    janitor: Janitor,
}

impl Site {
    /// Lays two wires whose far ends lie loose.
    pub(super) fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("afc-{}-{}-cost", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(&name);
        let mut janitor = Janitor::start()?;
        janitor.remove_namespace(&name)?;
        janitor.undo_mount(&directory.join("bpf"))?;
        janitor.remove_directory(&directory)?;
        fs::create_dir(&directory).with_context(|| format!("making {}", directory.display()))?;
        ip::host(&[format!("netns add {name}")])?;
        let namespace = Netns::open(&name)?;
        let own = mac(ME).to_bytes().map(|byte| format!("{byte:02x}")).join(":");
        let lines = [
            format!("link add in0 up address {own} type veth peer name in1"),
            "link add out0 up type veth peer name out1".to_owned(),
        ];
        ip::inside(&namespace, &lines)?;
        Ok(Self { name, directory, janitor })
    }

    /// Its namespace.
    pub(super) fn namespace(&self) -> Result<Netns> {
        Netns::open(&self.name)
    }
}

impl Cluster {
    /// Loads, fills, and lets two voters grant. In the namespace of `site`.
    pub(super) fn new(site: Site, attach: Attach) -> Result<Self> {
        let bpf_dir = site.directory.join("bpf");
        let options = Options {
            bpf_dir: bpf_dir.clone(),
            cluster: "cost".into(),
            node: "n1".into(),
            interfaces: vec!["in0".into(), "out0".into()],
            xdp_mode: match attach {
                Attach::Generic => WantedMode::Generic,
                // Generic again where the far end would lose what is transmitted.
                Attach::Native => WantedMode::Auto,
            },
            ..Options::default()
        };
        let mut datapath = Datapath::open(&options)?;
        let heard = MapData::from_pin(pin(&bpf_dir, name::HEARD).context("the pin of HEARD")?)?;
        let heard = heard.fd().as_fd().try_clone_to_owned()?;
        let fast = datapath.take_fast()?;
        let inner = datapath.modes()[0].clone();
        let mut cluster = Self {
            datapath,
            heard,
            ifindex: inner.ifindex,
            mac: inner.mac,
            fast,
            sequence: boottime_ns() & !1,
            _janitor: site.janitor,
        };
        cluster.fill()?;
        Ok(cluster)
    }

    fn fill(&mut self) -> Result<()> {
        let states = [State::Live, State::Lapsed, State::Elsewhere, State::Behind];
        let services: Vec<_> = states.map(|state| (service(state), state as u32)).into();
        let addresses: Vec<_> = states.map(|state| (virtual_ip(state), state as u32)).into();
        let peers = [ME, OTHERS[0], OTHERS[1], OTHERS[2], OTHERS[3]].map(|node| {
            (node, Peer { address: peer_address(address(node)), role: role::MEMBER, reserved: [0; 3] })
        });
        self.datapath.set_settings(&settings())?;
        self.datapath.set_services(&services)?;
        self.datapath.set_addresses(&addresses)?;
        self.datapath.set_peers(&peers)?;
        let outer = self.datapath.modes()[1].ifindex;
        self.datapath.seed_neighbour(OTHERS[1], mac(OTHERS[1]), self.ifindex)?;
        self.datapath.seed_neighbour(OTHERS[2], mac(OTHERS[2]), outer)?;
        self.fast.set_incarnation(1);
        let now_ns = boottime_ns();
        self.fast.set_agent_until(now_ns + LEASE_NS);
        self.fast.raise_word(State::Lapsed as u32, word(ME));
        self.fast.raise_word(State::Elsewhere as u32, word(OTHERS[1]));
        self.fast.raise_word(State::Behind as u32, word(OTHERS[2]));
        self.fast.raise_word(State::Live as u32, word(ME));
        let live = service(State::Live);
        let claim = Claim { service: live, word: word(ME), others: &OTHERS, now_ns, leases: Leases::Fresh };
        self.fast.hold(State::Live as u32, &claim)?;
        for voter in [OTHERS[1], PEER] {
            let probe = self.probe(voter);
            self.receive(&probe)?;
        }
        let (_, until_ns) = self.fast.serving(State::Live as u32);
        ensure!(until_ns > now_ns, "two grants of four make a live lease");
        Ok(())
    }

    /// Runs a packet through the XDP program once.
    pub(super) fn receive(&self, packet: &[u8]) -> Result<Vec<u8>> {
        let program = self.datapath.xdp_program()?.as_fd();
        let run = TestRun { program, packet, context: RunContext::Interface(self.ifindex), repeat: 1 };
        Ok(run.run()?.packet)
    }

    /// A PROBE of `voter` that grants what this node holds.
    pub(super) fn probe(&mut self, voter: NodeId) -> Vec<u8> {
        let message = message(Kind::Probe, voter, Slots::one(service(State::Live), word(ME)));
        self.carried(&message, TTL)
    }

    /// The sequence of the newest message.
    pub(super) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// A message with the next sequence, as it comes in.
    pub(super) fn carried(&mut self, message: &Message, ttl: u8) -> Vec<u8> {
        self.sequence += 2;
        carried(self.mac, message, self.sequence, ttl)
    }

    /// The link of a client's packet.
    pub(super) const fn client_link(&self) -> Link {
        Link { to: self.mac, from: CLIENT }
    }
}

/// A message to this node.
pub(super) fn message(kind: Kind, from: NodeId, slots: Slots) -> Message {
    let now_ns = boottime_ns();
    Message {
        kind,
        flags: 0,
        from,
        to: ME,
        refusal: None,
        page: 0,
        session: SESSION,
        sent_ns: now_ns,
        echo_ns: now_ns,
        remaining_ns: 0,
        slots,
    }
}

/// A message as it comes in at the interface with this link address.
pub(super) fn carried(to: Mac, message: &Message, sequence: u64, ttl: u8) -> Vec<u8> {
    let keys = [(1, KEY), (0, Key::default())];
    let envelope = Envelope { cluster: CLUSTER, generation: GENERATION, keys, key_count: 1 };
    let link = Link { to, from: mac(message.from) };
    let ip = Ip { to: address(ME), from: address(message.from), ttl, protocol: UDP };
    packet::heartbeat(link, ip, &envelope.encode(message, sequence))
}

/// A service's virtual IP.
pub(super) const fn virtual_ip(state: State) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 101 + state as u8)
}

/// A node's address.
pub(super) const fn address(node: NodeId) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, node.0 as u8)
}

/// A node's link address on the inner link.
pub(super) const fn mac(node: NodeId) -> Mac {
    Mac::from_bytes([2, 0, 0, 0, 0, node.0 as u8])
}

const fn service(state: State) -> ServiceId {
    ServiceId(0x5e51_0000 + state as u32)
}

const fn word(owner: NodeId) -> OwnerWord {
    Epoch::claim(5, owner).owned_by(owner)
}

fn settings() -> Settings {
    Settings {
        session: SESSION,
        lease_ns: LEASE_NS,
        keys: [KEY, Key::default()],
        key_ids: [1, 0],
        key_count: 1,
        role: role::MEMBER,
        node: ME.0,
        port: DEFAULT_PORT,
        cluster: CLUSTER,
        generation: GENERATION,
        configuration: 0,
    }
}

/// The pin of this name, somewhere below.
fn pin(directory: &Path, name: &str) -> Option<PathBuf> {
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        if path.ends_with(name) {
            return Some(path);
        }
        pending.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    None
}
