//! The bounded queues between the fast path and the slow path. Neither end ever waits for the other.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use afc_ebpf::identity::ServiceId;
use afc_engine::{
    effect::{Offer, Report},
    ranking::Ranking,
};
use crossbeam_queue::ArrayQueue;
use tokio::io::unix::AsyncFd;

use super::wake::Bell;

/// Orders that wait for the fast path, at most. An order that finds no room is given back to its sender.
const ORDERS: usize = 4096;
/// Notices that wait for the slow path, at most. Reports that find no room are lost and counted.
const NOTICES: usize = 4096;

/// What the slow path asks of the fast path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Epochs of a service with a counter up to this one are safe on disk.
    FloorReserved {
        /// The service.
        service: ServiceId,
        /// The counter.
        counter: u32,
    },
    /// Whether this node may take services over changed: its resources.
    Available(bool),
    /// Whether this node is drained changed: its operator's word.
    Drained(bool),
    /// The lists changed the order of a service's candidates.
    Ranked {
        /// The service.
        service: ServiceId,
        /// Its backups, best first.
        ranking: Ranking,
    },
    /// This node is ready to serve a service: ask its owner for it.
    Take {
        /// The service.
        service: ServiceId,
        /// Only as long as its owner gives it away for this reason.
        offer: Option<Offer>,
    },
    /// Release everything and end.
    Stop,
    /// End at once: in doubt, abort. The kernel says nothing for this node any more, and its leases run out.
    Abandon,
}

/// What the fast path tells the slow path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A state change, for log and events.
    Report {
        /// When, BOOTTIME ns.
        at_ns: u64,
        /// What.
        report: Report,
    },
    /// The floor of a service must be made safe on disk up to this counter.
    ReserveFloor {
        /// The service.
        service: ServiceId,
        /// The counter.
        counter: u32,
    },
    /// The owner of a service gives it away: make ready to serve it, then order [`Order::Take`].
    Prepare {
        /// The service.
        service: ServiceId,
        /// Why it is given away.
        offer: Offer,
    },
    /// What reports before this told of shows in the [`View`](super::view::View) now.
    Viewed,
    /// Everything is released.
    Stopped,
    /// The fast path can't go on; the agent must end, and its leases run out.
    Failed(String),
}

/// One direction: a queue and the bell that its reader waits for.
pub struct Mailbox<T> {
    queue: ArrayQueue<T>,
    bell: Bell,
}

impl<T> Mailbox<T> {
    fn new(capacity: usize) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { queue: ArrayQueue::new(capacity), bell: Bell::new()? }))
    }

    /// Puts an item in and wakes the reader.
    ///
    /// # Errors
    /// The item, when the queue is full.
    pub fn put(&self, item: T) -> Result<(), T> {
        let result = self.queue.push(item);
        self.bell.ring();
        result
    }

    /// Takes the oldest item.
    pub fn take(&self) -> Option<T> {
        self.queue.pop()
    }

    /// What the reader waits for, and silences before it takes.
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// The bell for a reader on tokio.
    ///
    /// # Errors
    /// That of `dup(2)`, or no tokio runtime.
    pub fn async_bell(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let bell = self.bell.as_fd().try_clone_to_owned()?;
        // SAFETY: the descriptor is owned by the AsyncFd and stays the same and open until it is dropped.
        unsafe { AsyncFd::register(bell) }.map_err(Into::into)
    }
}

/// The queue of orders.
///
/// # Errors
/// That of `eventfd(2)`.
pub fn orders() -> io::Result<Arc<Mailbox<Order>>> {
    Mailbox::new(ORDERS)
}

/// The queue of notices.
///
/// # Errors
/// That of `eventfd(2)`.
pub fn notices() -> io::Result<Arc<Mailbox<Notice>>> {
    Mailbox::new(NOTICES)
}
