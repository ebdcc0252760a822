//! What waits for the writer: writes that somebody waits for, in order, and the newest of everything else.
//!
//! Both are bounded. Who wants an acknowledgement waits for room. Of what nobody waits for only the newest is kept: one
//! record a node, one set of lists, and as many events as are kept anyway, so nothing is lost that would have stayed.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use afc_ebpf::identity::NodeId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    codec::Document,
    contents::{Change, RecordChange},
    failure::PutError,
};
use crate::events::{self, EventRecord};

/// Acknowledged writes that wait at one time; a further one waits for its place.
const ROOM: usize = 1024;
/// How long the writer waits for more of what nobody waits for, before it writes it.
const LAZY_DELAY: Duration = Duration::from_millis(100);

/// A write that somebody waits for.
pub(super) struct Urgent {
    pub(super) change: Change,
    pub(super) acknowledge: oneshot::Sender<Result<(), PutError>>,
    _room: OwnedSemaphorePermit,
}

/// Writes that nobody waits for: the newest of each.
#[derive(Debug, Default)]
pub(super) struct Lazy {
    records: BTreeMap<NodeId, RecordChange>,
    lists: Option<Arc<Document>>,
    configuration: Option<Arc<Document>>,
    events: VecDeque<Arc<EventRecord>>,
}

impl Lazy {
    fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.lists.is_none()
            && self.configuration.is_none()
            && self.events.is_empty()
    }

    /// As changes, in an order that does not matter but for events.
    pub(super) fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let records = self.records.iter().map(|(node, change)| Change::Record(*node, change.clone()));
        let lists = self.lists.iter().map(|lists| Change::Lists(Arc::clone(lists)));
        let configuration = self.configuration.iter().map(|text| Change::Configuration(Arc::clone(text)));
        let events = self.events.iter().map(|event| Change::Event(Arc::clone(event)));
        records.chain(lists).chain(configuration).chain(events)
    }

    fn add_record(&mut self, node: NodeId, change: RecordChange) {
        match self.records.entry(node) {
            Entry::Vacant(vacant) => drop(vacant.insert(change)),
            Entry::Occupied(mut waiting) => {
                if change.prevails_over(waiting.get()) {
                    waiting.insert(change);
                }
            }
        }
    }

    /// Puts what is older under this.
    fn put_under(&mut self, older: Self) {
        let newer = std::mem::replace(self, older);
        for (node, change) in newer.records {
            self.add_record(node, change);
        }
        self.lists = newer.lists.or_else(|| self.lists.take());
        self.configuration = newer.configuration.or_else(|| self.configuration.take());
        self.events.extend(newer.events);
        self.drop_oldest_events();
    }

    fn drop_oldest_events(&mut self) {
        let surplus = self.events.len().saturating_sub(events::CAPACITY);
        self.events.drain(..surplus);
    }
}

/// What the writer does in one transaction.
pub(super) struct Batch {
    pub(super) urgent: Vec<Urgent>,
    pub(super) lazy: Lazy,
    /// Nothing comes after it.
    pub(super) is_last: bool,
}

#[derive(Default)]
struct Waiting {
    urgent: Vec<Urgent>,
    lazy: Lazy,
    /// Since when something nobody waits for has waited.
    lazy_since: Option<Instant>,
    is_closing: bool,
}

/// The queue.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Condvar,
    room: Arc<Semaphore>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { waiting: Mutex::default(), bell: Condvar::new(), room: Arc::new(Semaphore::new(ROOM)) }
    }

    /// Puts a write in and waits until it is safe. Cancelling that takes back the wish only before it found room.
    pub(super) async fn put(&self, change: Change) -> Result<(), PutError> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| PutError::Closed)?;
        let (acknowledge, acknowledged) = oneshot::channel();
        {
            let mut waiting = self.lock();
            if waiting.is_closing {
                return Err(PutError::Closed);
            }
            waiting.urgent.push(Urgent { change, acknowledge, _room: room });
        }
        self.bell.notify_one();
        acknowledged.await.unwrap_or(Err(PutError::Closed))
    }

    pub(super) fn put_record(&self, node: NodeId, change: RecordChange) {
        self.put_lazily(|lazy| lazy.add_record(node, change));
    }

    pub(super) fn put_lists(&self, lists: Arc<Document>) {
        self.put_lazily(|lazy| lazy.lists = Some(lists));
    }

    pub(super) fn put_configuration(&self, text: Arc<Document>) {
        self.put_lazily(|lazy| lazy.configuration = Some(text));
    }

    pub(super) fn put_event(&self, event: Arc<EventRecord>) {
        self.put_lazily(|lazy| {
            lazy.events.push_back(event);
            lazy.drop_oldest_events();
        });
    }

    fn put_lazily(&self, put: impl FnOnce(&mut Lazy)) {
        let mut waiting = self.lock();
        put(&mut waiting.lazy);
        waiting.lazy_since.get_or_insert_with(Instant::now);
        self.bell.notify_one();
    }

    /// Has the writer write what waits, and end.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.room.close();
        self.bell.notify_one();
    }

    /// Gives back what could not be written.
    pub(super) fn put_back(&self, lazy: Lazy) {
        self.lock().lazy.put_under(lazy);
    }

    /// The next batch: at once when somebody waits, else when it has waited long enough. While the disk fails that is at
    /// `retry_at`, and then an empty batch comes, too. Blocks.
    pub(super) fn next(&self, retry_at: Option<Instant>) -> Batch {
        let mut waiting = self.lock();
        loop {
            let due = retry_at.or_else(|| waiting.lazy_since.map(|since| since + LAZY_DELAY));
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if waiting.is_closing || !waiting.urgent.is_empty() || left == Some(Duration::ZERO) {
                waiting.lazy_since = None;
                return Batch {
                    urgent: std::mem::take(&mut waiting.urgent),
                    lazy: std::mem::take(&mut waiting.lazy),
                    is_last: waiting.is_closing,
                };
            }
            waiting = match left {
                Some(left) => self.bell.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.bell.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change is one insertion, so a panic elsewhere left nothing half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.lazy.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::record::{NodeRecord, NodeState, Version};

    const NODE: NodeId = NodeId(3);

    fn version(sequence: u64) -> Version {
        Version { incarnation: 1, sequence }
    }

    fn put(sequence: u64) -> RecordChange {
        let state = NodeState::default();
        RecordChange::Put(Arc::new(NodeRecord { node: NODE, version: version(sequence), state }))
    }

    #[test]
    fn of_what_nobody_waits_for_the_newest_is_kept_whatever_the_order() {
        let forget = |sequence| RecordChange::Forget(version(sequence));
        let table = [
            (vec![put(1), put(3), put(2)], "put 3"),
            (vec![put(3), forget(2)], "put 3"),
            (vec![put(3), forget(3)], "forget 3"),
            (vec![forget(3), put(3)], "forget 3"),
            (vec![forget(3), put(4)], "put 4"),
        ];
        for (changes, kept) in table {
            let mut lazy = Lazy::default();
            for change in changes.clone() {
                lazy.add_record(NODE, change);
            }
            let left = match &lazy.records[&NODE] {
                RecordChange::Put(record) => format!("put {}", record.version.sequence),
                RecordChange::Forget(version) => format!("forget {}", version.sequence),
            };
            assert_eq!(left, kept, "{changes:?}");
        }
    }

    #[test]
    fn what_is_given_back_goes_under_what_came_since() {
        let queue = Queue::new();
        queue.put_record(NODE, put(2));
        queue.put_lists(Arc::new(Document::of("new")));
        let mut older = Lazy::default();
        older.add_record(NODE, put(1));
        older.lists = Some(Arc::new(Document::of("old")));
        older.configuration = Some(Arc::new(Document::of("only")));
        queue.put_back(older);
        let lazy = queue.next(None).lazy;
        assert!(matches!(&lazy.records[&NODE], RecordChange::Put(record) if record.version.sequence == 2));
        assert_eq!(lazy.lists.unwrap().bytes, b"new");
        assert_eq!(lazy.configuration.unwrap().bytes, b"only");
    }
}
