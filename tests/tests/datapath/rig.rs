//! One loaded data path of node 1, attached in a namespace of its own, and what runs a packet through it.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use afc_agent::{
    clock::boottime_ns,
    datapath::{Claim, Datapath, FastMaps, Options, WantedMode, peer_address},
};
use afc_ebpf::{
    identity::{NodeId, OwnerWord},
    layout::{Event, Heard, Peer, Serving, Settings, name, role},
    mac::Mac,
    reason::Reason,
    wire::{DEFAULT_PORT, Kind, MAGIC, TTL},
};
use afc_engine::effect::Leases;
use aya::maps::{Array, HashMap, Map, MapData};

pub(crate) use super::cluster::{
    CLIENT, CLIENT_ADDRESS, CLUSTER, GATEWAY, GENERATION, INCARNATION, KEY, KEY_ID, LEASE_NS, ME, NEXT_KEY,
    NEXT_KEY_ID, OTHER, PEER, SERVICES, SESSION, address, mac, service, virtual_ip, word,
};
use super::{
    frame::{Arp, Beat, Ipv4, ethernet},
    testrun::{self, Returned},
};
use crate::namespace::{BpfDirectory, Namespace};

/// One of the node's interfaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interface {
    pub(crate) ifindex: u32,
    pub(crate) mac: Mac,
}

/// What the program did with a packet.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) reason: Reason,
    pub(crate) packet: Vec<u8>,
    pub(crate) events: Vec<Event>,
    /// The clock before and after.
    pub(crate) before_ns: u64,
    pub(crate) after_ns: u64,
}

/// The data path under test.
pub(crate) struct Rig {
    pub(crate) datapath: Datapath,
    pub(crate) fast: FastMaps,
    pub(crate) inner: Interface,
    pub(crate) outer: Interface,
    pub(crate) heard: Array<MapData, Heard>,
    pub(crate) members: HashMap<MapData, u64, u32>,
    serving: Array<MapData, Serving>,
    sequence: u64,
    namespace: Namespace,
    _peer: Namespace,
    _bpf: BpfDirectory,
}

impl Rig {
    pub(crate) fn new(label: &str) -> Self {
        let namespace = Namespace::new(label);
        let peer = Namespace::new(&format!("{label}-peer"));
        namespace.veth("in0", &peer, "in1");
        namespace.veth("out0", &peer, "out1");
        let bpf = BpfDirectory::new(label);
        let options = Options {
            bpf_dir: bpf.path().into(),
            cluster: "fixture".into(),
            node: label.into(),
            interfaces: vec!["in0".into(), "out0".into()],
            xdp_mode: WantedMode::Generic,
            ..Options::default()
        };
        let mut datapath = namespace.inside(|| Datapath::open(&options)).expect("opened");
        let fast = datapath.take_fast().expect("the fast maps");
        let interface = |at: usize| {
            let mode = &datapath.modes()[at];
            Interface { ifindex: mode.ifindex, mac: mode.mac }
        };
        let (inner, outer) = (interface(0), interface(1));
        let map = |name| MapData::from_pin(pin(bpf.path(), name)).expect("a pinned map");
        let mut rig = Self {
            inner,
            outer,
            heard: Map::Array(map(name::HEARD)).try_into().expect("heard"),
            members: Map::HashMap(map(name::MEMBERS)).try_into().expect("members"),
            serving: Map::Array(map(name::SERVING)).try_into().expect("serving"),
            datapath,
            fast,
            sequence: boottime_ns() & !1,
            namespace,
            _peer: peer,
            _bpf: bpf,
        };
        rig.reset();
        rig
    }

    /// Everything as it is before the first packet of a living agent.
    pub(crate) fn reset(&mut self) {
        for node in 0..16 {
            self.heard.set(node, no_heard(), 0).expect("cleared");
        }
        for key in self.members.keys().collect::<Result<Vec<_>, _>>().expect("keys") {
            self.members.remove(&key).expect("removed");
        }
        for index in 0..SERVICES {
            self.fast.drop_holding(index).expect("dropped");
            self.serving.set(index, Serving::default(), 0).expect("cleared");
        }
        self.datapath.set_settings(&settings()).expect("settings");
        let all = 0..SERVICES;
        let services: Vec<_> = all.clone().map(|index| (service(index), index)).collect();
        self.datapath.set_services(&services).expect("services");
        let addresses: Vec<_> = all.map(|index| (Ipv4Addr::from(virtual_ip(index)), index)).collect();
        self.datapath.set_addresses(&addresses).expect("addresses");
        let peers = [ME, PEER, OTHER, GATEWAY].map(|node| (node, self.peer(node)));
        self.datapath.set_peers(&peers).expect("peers");
        self.fast.set_incarnation(INCARNATION);
        self.fast.set_flags(0);
        self.fast.set_agent_until(boottime_ns() + 60_000_000_000);
        while self.fast.next_event().is_some() {}
    }

    /// A node as it is configured.
    pub(crate) fn peer(&self, node: NodeId) -> Peer {
        let role = if node == GATEWAY { role::GATEWAY } else { role::MEMBER };
        Peer { address: peer_address(Ipv4Addr::from(address(node))), role, reserved: [0; 3] }
    }

    /// Changes the settings of [`reset`](Self::reset).
    pub(crate) fn settings(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut changed = settings();
        change(&mut changed);
        self.datapath.set_settings(&changed).expect("settings");
    }

    /// A valid PROBE of the peer, bound to this session, with a sequence of its own.
    pub(crate) fn probe(&mut self) -> Beat {
        self.sequence += 2;
        let now_ns = boottime_ns();
        Beat {
            link_to: self.inner.mac,
            link_from: mac(PEER),
            ip_from: address(PEER),
            ip_to: address(ME),
            port_from: DEFAULT_PORT,
            port_to: DEFAULT_PORT,
            ttl: TTL,
            magic: MAGIC,
            kind: Kind::Probe as u8,
            key_id: KEY_ID,
            flags: 0,
            cluster: CLUSTER,
            generation: GENERATION,
            from: PEER.0,
            to: ME.0,
            reason: 0,
            page: 0,
            session: SESSION,
            sequence: self.sequence,
            sent: now_ns,
            echo: now_ns,
            remaining: 0,
            slots: Vec::new(),
            key: KEY,
        }
    }

    /// The same from another node.
    pub(crate) fn probe_of(&mut self, node: NodeId) -> Beat {
        Beat { link_from: mac(node), ip_from: address(node), from: node.0, ..self.probe() }
    }

    /// A client's UDP packet for a virtual IP, addressed to this node on the link.
    pub(crate) fn to_virtual_ip(&self, index: u32) -> Vec<u8> {
        let ip = Ipv4 { from: CLIENT_ADDRESS, to: virtual_ip(index), ..Ipv4::default() };
        ethernet(self.inner.mac, CLIENT, 0x0800, &ip.packet(b"\x30\x39\x00\x50\x00\x0c\x00\x00ping"))
    }

    /// A packet from a virtual IP on its way out.
    pub(crate) fn leaving_virtual_ip(&self, index: u32) -> Vec<u8> {
        let ip = Ipv4 { from: virtual_ip(index), to: CLIENT_ADDRESS, ..Ipv4::default() };
        ethernet(CLIENT, self.inner.mac, 0x0800, &ip.packet(b"\x00\x50\x30\x39\x00\x0c\x00\x00pong"))
    }

    /// A client's ARP request for a virtual IP.
    pub(crate) fn who_has(&self, index: u32) -> Arp {
        Arp {
            link_to: Mac::from_bytes([0xff; 6]),
            link_from: CLIENT,
            operation: 1,
            sender_mac: CLIENT,
            sender: CLIENT_ADDRESS,
            target_mac: Mac::UNKNOWN,
            target: virtual_ip(index),
        }
    }

    /// Writes who serves a service, and until when.
    pub(crate) fn serve(&mut self, index: u32, word: OwnerWord, lease_until_ns: u64) {
        self.serving
            .set(index, Serving { word: word.0, lease_until_ns, ..Serving::default() }, 0)
            .expect("serving");
    }

    /// Holds a service with two other voters since `age_ns` ago.
    pub(crate) fn hold(&mut self, index: u32, word: OwnerWord, age_ns: u64) {
        let claim = Claim {
            service: service(index),
            word,
            others: &[PEER, OTHER],
            now_ns: boottime_ns() - age_ns,
            leases: Leases::Fresh,
        };
        self.fast.hold(index, &claim).expect("held");
    }

    /// Says to the kernel what the agent says that heard a HANDOVER.
    pub(crate) fn hold_handed_over(&mut self, index: u32, word: OwnerWord) {
        let now_ns = boottime_ns();
        let leases = Leases::HandedOver { until_ns: now_ns + LEASE_NS };
        let claim = Claim { service: service(index), word, others: &[PEER, OTHER], now_ns, leases };
        self.fast.hold(index, &claim).expect("held");
    }

    /// Writes until when a service that was handed over is still answered.
    pub(crate) fn answer(&mut self, index: u32, word: OwnerWord, answers_until_ns: u64) {
        let serving = Serving { word: word.0, answers_until_ns, ..Serving::default() };
        self.serving.set(index, serving, 0).expect("serving");
    }

    /// What was heard of a node.
    pub(crate) fn heard(&self, node: NodeId) -> Heard {
        self.heard.get(&u32::from(node.0), 0).expect("heard")
    }

    /// Changes what was heard of a node.
    pub(crate) fn set_heard(&mut self, node: NodeId, change: impl FnOnce(&mut Heard)) {
        let mut heard = self.heard(node);
        change(&mut heard);
        self.heard.set(u32::from(node.0), heard, 0).expect("heard");
    }

    /// Where a node is on the links.
    pub(crate) fn locate(&mut self, node: NodeId, ifindex: u32) {
        self.set_heard(node, |heard| (heard.mac, heard.ifindex) = (mac(node).0, ifindex));
    }

    /// Runs a packet that came in on the inner interface through the XDP program.
    pub(crate) fn receive(&mut self, packet: &[u8]) -> Outcome {
        let before = Counted::now(&self.datapath);
        let program = self.datapath.xdp_program().expect("loaded").as_fd();
        let ifindex = self.inner.ifindex;
        let returned = self.namespace.inside(|| testrun::xdp(program, ifindex, packet));
        self.outcome(&before, returned)
    }

    /// Runs a packet that leaves through the tc program.
    pub(crate) fn leave(&mut self, packet: &[u8]) -> Outcome {
        self.leave_marked(0, packet)
    }

    /// The same with a mark.
    pub(crate) fn leave_marked(&mut self, mark: u32, packet: &[u8]) -> Outcome {
        let before = Counted::now(&self.datapath);
        let program = self.datapath.egress_program().expect("loaded").as_fd();
        let returned = self.namespace.inside(|| testrun::tc(program, mark, packet));
        self.outcome(&before, returned)
    }

    /// Exactly one reason was counted, and its action is what the program returned.
    fn outcome(&mut self, before: &Counted, returned: Returned) -> Outcome {
        let after = Counted::now(&self.datapath);
        let mut hit = after.reasons.iter().filter(|(reason, count)| before.reasons[reason] != **count);
        let (Some((reason, _)), None) = (hit.next(), hit.next()) else {
            panic!("not one reason for one packet")
        };
        assert_eq!(after.reasons[reason], before.reasons[reason] + 1, "{reason:?} is counted once");
        assert_eq!(returned.action, reason.action(), "{reason:?} is what the program returned");
        Outcome {
            reason: *reason,
            packet: returned.packet,
            events: std::iter::from_fn(|| self.fast.next_event()).collect(),
            before_ns: before.at_ns,
            after_ns: after.at_ns,
        }
    }
}

/// The counters at one moment.
struct Counted {
    at_ns: u64,
    reasons: BTreeMap<Reason, u64>,
}

impl Counted {
    fn now(datapath: &Datapath) -> Self {
        let reasons = datapath.counters().read().expect("counters").into_iter().collect();
        Self { at_ns: boottime_ns(), reasons }
    }
}

fn settings() -> Settings {
    Settings {
        session: SESSION,
        lease_ns: LEASE_NS,
        keys: [KEY, NEXT_KEY],
        key_ids: [KEY_ID, NEXT_KEY_ID],
        key_count: 2,
        role: role::MEMBER,
        node: ME.0,
        port: DEFAULT_PORT,
        cluster: CLUSTER,
        generation: GENERATION,
        configuration: 0,
    }
}

/// A node that was never heard.
pub(crate) fn no_heard() -> Heard {
    // SAFETY: `Heard` is integers; all zero is a value of it.
    unsafe { std::mem::zeroed() }
}

/// The pin of this name, somewhere below.
fn pin(directory: &Path, name: &str) -> PathBuf {
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        if path.ends_with(name) {
            return path;
        }
        pending.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    panic!("no pin {name} below {}", directory.display());
}
