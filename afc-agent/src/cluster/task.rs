//! The task around the controller: its socket, its clock, and the channels to the agent.
//!
//! Owner: the agent, which spawns [`ClusterTask::run`]. It is woken by datagrams, by the controller's next time, by a
//! state or command from a [`ClusterHandle`], and by room in the [`ClusterInbox`]. Cancelling it loses nothing that lasts:
//! the others keep this node's last record until it ages out, commands under way end with [`CommandError::Ended`], and
//! the next task begins a new session and hears everything again. It never waits for the agent: of changes that are not
//! fetched, the last of each kind for each node is kept.

mod handle;
mod pending;

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot, watch},
    time::sleep,
};
use tracing::{debug, warn};

use super::{
    change::{Change, CommandAnswer, CommandError, IncomingCommand, ListsDigest},
    controller::{Controller, Output, Randomness, Setup},
    counter::{Counter, Counters},
    record::NodeState,
    wire::{MAX_DATAGRAM_BYTES, Session},
};
use crate::{clock, key::ClusterKeys};
use pending::Pending;

pub use handle::{ClusterHandle, ClusterInbox};

/// Commands that wait for the task, changes that wait for the agent, and answers on their way back.
const CHANNEL: usize = 64;
/// Bytes that the kernel keeps for this socket: what some hundred nodes say at once.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// Datagrams taken before other things have their turn.
const DATAGRAMS_AT_ONCE: usize = 64;

/// Why there is no controller.
#[derive(Debug, Error)]
pub enum BindError {
    /// Its socket could not be made.
    #[error("cannot receive the other nodes' states on {address}: {source}; {}", fix(source))]
    Socket {
        /// Where.
        address: SocketAddrV4,
        /// Why.
        source: io::Error,
    },
    /// No random numbers, without which nothing can be sealed.
    #[error("the kernel gives no random numbers: {0}")]
    Random(getrandom::Error),
}

fn fix(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::AddrInUse {
        "another agent, or another program, uses it: stop that one, or write another [cluster] port on every node"
    } else if error.kind() == io::ErrorKind::AddrNotAvailable {
        "give this machine that address, or correct it in [[nodes]]"
    } else {
        "let afc's user open UDP sockets"
    }
}

/// A controller on its socket, not running yet.
pub struct ClusterTask {
    controller: Controller,
    socket: UdpSocket,
    port: u16,
    orders: Orders,
    snapshots: watch::Sender<Arc<super::Snapshot>>,
    changes: mpsc::Sender<Change>,
    pending: Pending,
    commands: mpsc::Sender<IncomingCommand>,
    answers: mpsc::Sender<CommandAnswer>,
    waiting: BTreeMap<u64, oneshot::Sender<Result<(), CommandError>>>,
}

/// What comes from the agent.
struct Orders {
    state: watch::Receiver<Option<NodeState>>,
    lists: watch::Receiver<Option<ListsDigest>>,
    commands: mpsc::Receiver<handle::Order>,
    answers: mpsc::Receiver<CommandAnswer>,
}

impl ClusterTask {
    /// A controller on this node's address and port, a handle to it, and what it says. Needs a tokio runtime.
    ///
    /// # Errors
    /// The socket cannot be made, or the kernel has no random numbers.
    pub fn bind(setup: &Setup, keys: &ClusterKeys) -> Result<(Self, ClusterHandle, ClusterInbox), BindError> {
        let address = SocketAddrV4::new(setup.address, setup.port);
        let socket = open(address).map_err(|source| BindError::Socket { address, source })?;
        let mut session = Session::default();
        getrandom::fill(&mut session.0).map_err(BindError::Random)?;
        let randomness = Randomness { session, seed: getrandom::u64().map_err(BindError::Random)? };
        let mut controller = Controller::new(setup, keys, randomness, clock::boottime_ns());
        let (snapshots, snapshot) = watch::channel(Arc::new(controller.snapshot()));
        let (state, state_orders) = watch::channel(None);
        let (lists, lists_orders) = watch::channel(None);
        let (orders, command_orders) = mpsc::channel(CHANNEL);
        let (changes, change_inbox) = mpsc::channel(CHANNEL);
        let (commands, command_inbox) = mpsc::channel(CHANNEL);
        let (answers, answer_orders) = mpsc::channel(CHANNEL);
        let counters = Arc::clone(controller.counters());
        let handle = ClusterHandle { state, lists, orders, snapshot, counters };
        let inbox = ClusterInbox { changes: change_inbox, commands: command_inbox };
        let orders = Orders {
            state: state_orders,
            lists: lists_orders,
            commands: command_orders,
            answers: answer_orders,
        };
        let (pending, waiting) = (Pending::default(), BTreeMap::new());
        let port = setup.port;
        let task = Self {
            controller,
            socket,
            port,
            orders,
            snapshots,
            changes,
            pending,
            commands,
            answers,
            waiting,
        };
        Ok((task, handle, inbox))
    }

    /// Takes part in the cluster until it is cancelled or every handle is dropped.
    pub async fn run(mut self) {
        let mut datagram = vec![0; MAX_DATAGRAM_BYTES + 1];
        let changes = self.changes.clone();
        // Until tokio has seen the socket writable once, it would refuse to send.
        if let Err(error) = self.socket.writable().await {
            return warn!(%error, "the cluster controller's socket is gone");
        }
        loop {
            self.carry_outputs();
            let due_ns = self.controller.poll_timeout();
            let pause = Duration::from_nanos(due_ns.saturating_sub(clock::boottime_ns()));
            tokio::select! {
                ready = self.socket.readable() => match ready {
                    Ok(()) => self.receive(&mut datagram),
                    Err(error) => return warn!(%error, "the cluster controller's socket is gone"),
                },
                changed = self.orders.state.changed() => match changed {
                    Ok(()) => self.take_state(),
                    Err(_) => return debug!("every handle of the cluster controller is gone"),
                },
                Ok(()) = self.orders.lists.changed() => self.take_lists(),
                Some(order) = self.orders.commands.recv() => self.take_order(order),
                Some(CommandAnswer { to, id, outcome }) = self.orders.answers.recv() => {
                    self.controller.answer_command(to, id, outcome);
                }
                Ok(room) = changes.reserve(), if !self.pending.is_empty() => {
                    if let Some(change) = self.pending.pop() {
                        room.send(change);
                    }
                }
                () = sleep(pause) => self.controller.handle_timeout(clock::boottime_ns()),
            }
        }
    }

    #[cfg(test)]
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..DATAGRAMS_AT_ONCE {
            match self.socket.try_recv_from(buffer) {
                Ok((length, SocketAddr::V4(source))) => {
                    let now_ns = clock::boottime_ns();
                    self.controller.handle_datagram(*source.ip(), &buffer[..length], now_ns);
                }
                // The socket is IPv4.
                Ok((_, SocketAddr::V6(_))) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error about something sent before; what was sent is repeated anyhow.
                Err(error) => return debug!(%error, "cannot receive"),
            }
        }
    }

    fn take_state(&mut self) {
        let state = self.orders.state.borrow_and_update().clone();
        let Some(state) = state else { return };
        if let Err(error) = self.controller.set_own_state(state, clock::boottime_ns()) {
            warn!(%error, "the others keep this node's last state, because this one cannot be");
        }
    }

    fn take_lists(&mut self) {
        if let Some(lists) = *self.orders.lists.borrow_and_update() {
            self.controller.set_lists_digest(lists);
        }
    }

    fn take_order(&mut self, order: handle::Order) {
        let handle::Order { to, command, patience, answer } = order;
        let now_ns = clock::boottime_ns();
        let patience_ns = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        let deadline_ns = now_ns.saturating_add(patience_ns);
        match self.controller.send_command(to, command, deadline_ns, now_ns) {
            Ok(id) => drop(self.waiting.insert(id, answer)),
            // Whoever asked may have gone.
            Err(_) => drop(answer.send(Err(CommandError::Busy))),
        }
    }

    fn carry_outputs(&mut self) {
        while let Some(output) = self.controller.poll_output() {
            match output {
                Output::Send { to, datagram } => self.send(to, &datagram),
                Output::Change(change) => self.pending.put(change),
                Output::Command { from, id, command } => {
                    let answers = self.answers.clone();
                    let incoming = IncomingCommand { from, command, id, answers };
                    if self.commands.try_send(incoming).is_err() {
                        let refusal = "its agent is busy; try again later".to_owned();
                        self.controller.answer_command(from, id, Err(refusal));
                    }
                }
                Output::CommandEnded { id, outcome } => {
                    if let Some(answer) = self.waiting.remove(&id) {
                        // Whoever asked may have gone.
                        drop(answer.send(outcome));
                    }
                }
            }
        }
        if self.controller.is_changed() {
            self.snapshots.send_replace(Arc::new(self.controller.snapshot()));
        }
    }

    /// A datagram that the kernel does not take at once is lost like any other, and repeated if it matters.
    fn send(&self, to: Ipv4Addr, datagram: &[u8]) {
        let to = SocketAddr::new(IpAddr::V4(to), self.port);
        if let Err(error) = self.socket.try_send_to(datagram, to) {
            debug!(%to, %error, "cannot send");
            self.counters().count(Counter::SendFailed);
        }
    }

    fn counters(&self) -> &Counters {
        self.controller.counters()
    }
}

fn open(address: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
