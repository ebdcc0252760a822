//! The sans-IO core: datagrams, states and the time come in, datagrams and changes go out.
//!
//! Reads no clock and no socket. Every `now_ns` is this node's `CLOCK_BOOTTIME`; times of other nodes never come in, only
//! ages do. After each input the caller takes all outputs, and comes back at [`Controller::poll_timeout`]. The subjects
//! are in `controller/`: who may say something (`receive`, `session`), records (`flood`), healing (`exchange`), comparing
//! lists (`lists`) and commands (`command`).

mod command;
mod exchange;
mod flood;
mod lists;
mod receive;
mod session;

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
};

use afc_ebpf::identity::NodeId;

use super::{
    change::{Change, Command, CommandError, ListsDigest},
    counter::{Counter, Counters},
    peer::{Peer, Retry},
    pieces::Assembly,
    records::Records,
    seal::Seals,
    snapshot::{Discovery, KnownRecord, Snapshot},
    wire::{Body, Header, Sealed, Session},
};
use crate::{config::Config, key::ClusterKeys};
use command::Commands;
use exchange::Exchange;
use flood::Own;
use receive::Conflicts;
use session::HELLO_FIRST_NS;

pub use command::TooManyCommands;
pub use lists::LISTS_GRACE_NS;

/// What a controller starts from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// This node.
    pub node: NodeId,
    /// Its address.
    pub address: Ipv4Addr,
    /// The controllers' port.
    pub port: u16,
    /// The hash of the cluster's name.
    pub cluster: u32,
    /// This agent's incarnation.
    pub incarnation: u64,
    /// Every other node.
    pub peers: BTreeMap<NodeId, Ipv4Addr>,
}

impl Setup {
    /// What the configuration says.
    pub fn new(config: &Config, incarnation: u64) -> Self {
        let node = config.agent.node;
        let others = config.nodes.iter().filter(|other| other.id != node);
        Self {
            node,
            address: config.this_node().address,
            port: config.cluster.port,
            cluster: config.cluster.id,
            incarnation,
            peers: others.map(|other| (other.id, other.address)).collect(),
        }
    }
}

/// What no two controllers may have in common.
#[derive(Clone, Copy, Debug)]
pub struct Randomness {
    /// Of the kernel, anew at each start.
    pub session: Session,
    /// For questions, turns and pauses.
    pub seed: u64,
}

/// Something for the caller to do.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// To this node's address.
        to: Ipv4Addr,
        /// These bytes.
        datagram: Vec<u8>,
    },
    /// Tell the agent.
    Change(Change),
    /// Do this for another node, and answer with [`Controller::answer_command`].
    Command {
        /// Who asks.
        from: NodeId,
        /// Its number of the command.
        id: u64,
        /// For what.
        command: Command,
    },
    /// What became of a command of this node.
    CommandEnded {
        /// What [`Controller::send_command`] returned.
        id: u64,
        /// The answer, or why there is none.
        outcome: Result<(), CommandError>,
    },
}

/// One node's controller.
pub struct Controller {
    node: NodeId,
    cluster: u32,
    session: Session,
    seals: Seals,
    random: fastrand::Rng,
    counters: Arc<Counters>,
    peers: BTreeMap<NodeId, Peer>,
    /// Nothing is to be repeated to any peer before this.
    peers_due_ns: u64,
    records: Records,
    assembly: Assembly,
    own: Own,
    exchange: Exchange,
    lists: Option<ListsDigest>,
    commands: Commands,
    conflicts: Conflicts,
    discovery: Discovery,
    outputs: VecDeque<Output>,
    is_changed: bool,
}

impl Controller {
    /// A controller that greets every peer at once.
    pub fn new(setup: &Setup, keys: &ClusterKeys, randomness: Randomness, now_ns: u64) -> Self {
        let hello = Retry::at_once(now_ns, HELLO_FIRST_NS);
        let greeted = |address: Ipv4Addr| Peer { hello, ..Peer::new(address) };
        Self {
            node: setup.node,
            cluster: setup.cluster,
            session: randomness.session,
            seals: Seals::new(keys, setup.cluster),
            random: fastrand::Rng::with_seed(randomness.seed),
            counters: Arc::default(),
            peers: setup.peers.iter().map(|(node, address)| (*node, greeted(*address))).collect(),
            peers_due_ns: now_ns,
            records: Records::default(),
            assembly: Assembly::default(),
            own: Own::new(setup.incarnation),
            exchange: Exchange::new(now_ns),
            lists: None,
            commands: Commands::default(),
            conflicts: Conflicts::default(),
            discovery: Discovery::default(),
            outputs: VecDeque::new(),
            is_changed: true,
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now_ns: u64) {
        if self.peers_due_ns <= now_ns {
            self.greet(now_ns);
            self.repeat_records(now_ns);
            let due = self.peers.values().flat_map(|peer| [peer.hello.due_ns(), peer.flood.due_ns()]);
            self.peers_due_ns = due.flatten().min().unwrap_or(u64::MAX);
        }
        self.publish_due(now_ns);
        self.expire_records(now_ns);
        self.interrogate(now_ns);
        self.repeat_commands(now_ns);
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Nothing is due before this.
    pub fn poll_timeout(&self) -> u64 {
        let rest = [self.own.due_ns(), self.records.next_expiry_ns(), self.commands.due_ns()];
        rest.into_iter()
            .flatten()
            .chain([self.peers_due_ns, self.exchange.due_ns()])
            .min()
            .unwrap_or(u64::MAX)
    }

    /// What is counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Whether a snapshot differs from the one taken before.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Everything that is known now.
    pub fn snapshot(&mut self) -> Snapshot {
        self.is_changed = false;
        let known = self.records.iter().map(|kept| KnownRecord {
            record: Arc::clone(&kept.record),
            received_ns: kept.received_ns,
            made_ns: kept.made_ns,
        });
        let peers_with = |wanted: fn(&Peer) -> bool| {
            self.peers.iter().filter(|(_, peer)| wanted(peer)).map(|(node, _)| *node).collect()
        };
        Snapshot {
            node: self.node,
            records: known.collect(),
            in_session: peers_with(|peer| peer.session.is_some()),
            lists_differ: peers_with(|peer| peer.lists.is_alarm),
            discovery: self.discovery.clone(),
        }
    }

    /// This life of this controller.
    #[cfg(test)]
    pub(super) fn session_for_tests(&self) -> Session {
        self.session
    }

    /// Seals and sends a message, if a session of the peer is known: without one it would not be taken.
    fn send(&mut self, to: NodeId, body: Body) {
        if let Some(echo) = self.peers.get(&to).and_then(Peer::known_session) {
            self.send_to_session(to, echo, body);
        }
    }

    fn send_to_session(&mut self, to: NodeId, echo: Session, body: Body) {
        let Some(peer) = self.peers.get_mut(&to) else { return };
        peer.counter += 1;
        let header = Header {
            key_id: 0,
            cluster: self.cluster,
            from: self.node,
            to,
            session: self.session,
            counter: peer.counter,
        };
        let datagram = self.seals.seal(&header, &Sealed { echo, body }.encode());
        self.counters.count(Counter::Sent);
        self.counters.add(Counter::SentBytes, datagram.len() as u64);
        self.outputs.push_back(Output::Send { to: peer.address, datagram });
    }

    fn tell(&mut self, change: Change) {
        self.is_changed = true;
        self.outputs.push_back(Output::Change(change));
    }
}
