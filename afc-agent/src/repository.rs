//! The local repository (design.md section 1): what the agent knows and must not forget, in one crash-safe file.
//!
//! ```text
//!   reserve, drain ────────► queue ──► writer (a thread) ──► redb ──► repository.redb
//!   put_record, put_event ─► newest ─┘      │ after the commit
//!   floors, records, lists ◄── contents ◄───┴──► acknowledgements, incidents
//! ```
//!
//! Floors of epochs, nodes' state records, lists, the own `drained` mark, the configuration last used, and events. A write
//! whose future says `Ok` is on the disk. Readers see one moment of what is on the disk, from memory: it is small,
//! and a database that met a full disk answers no reads.
//!
//! Not here: what the content means, but for one thing: an older record never overwrites a newer one.

mod codec;
mod contents;
mod disk;
mod failure;
mod floors;
mod queue;
mod store;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};

use afc_ebpf::{
    histogram::Histogram,
    identity::{NodeId, OwnerWord, ServiceId},
};
use tokio::sync::mpsc;

pub use codec::{Document, SetAside};
pub use failure::{DiskError, OpenError, PutError};
pub use floors::{Floor, Floors};

use crate::{
    cluster::record::{NodeRecord, Version},
    events::EventRecord,
    heartbeat::scheduling::STACK_BYTES,
    state::History,
};
use contents::{Change, Contents, RecordChange};
use disk::SyncTimes;
use floors::Unlisted;
use store::{Image, Look, Place, Store};
use writer::{Shared, Writer};

/// Incidents that wait for the agent, at most; more are only logged.
const INCIDENTS: usize = 64;

/// The repository. Dropping it writes what waits, and blocks for that.
pub struct Repository {
    shared: Arc<Shared>,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
}

/// What an open repository came from.
pub struct Opened {
    /// What there was.
    pub found: Found,
    /// Events from before, oldest first.
    pub events: Vec<Arc<EventRecord>>,
    /// Rows that could not be read, each for itself; they are kept aside in the file.
    pub set_aside: Vec<SetAside>,
    /// What happens to the file from now on, for people.
    pub incidents: mpsc::Receiver<Incident>,
}

/// What there was at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No agent ran here before: every floor is zero.
    FirstStart,
    /// The file is good. Floors may still be unknown from an earlier loss.
    Known,
    /// An agent ran here before, and its file is gone: floors are unknown.
    Lost,
    /// The file cannot be trusted: floors are unknown.
    Damaged {
        /// Where it is kept for people.
        kept: PathBuf,
        /// What is wrong with it.
        damage: String,
    },
}

/// What happened to the file of a running agent. Told once, at the change.
#[derive(Clone, Debug)]
pub enum Incident {
    /// It cannot be written. What waits is tried again each second.
    Failing(DiskError),
    /// It is written again, and holds everything.
    Recovered,
    /// It was damaged; a new one with the same content was made.
    Rebuilt {
        /// Where the damaged one is kept.
        kept: PathBuf,
        /// What is wrong with it.
        damage: String,
    },
}

/// How the repository is, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The file's length.
    pub file_bytes: u64,
    /// Transactions committed since the start.
    pub commits: u64,
    /// Transactions that the disk did not take.
    pub failed_commits: u64,
    /// Syncs of the file.
    pub syncs: u64,
    /// How long the last sync took.
    pub last_sync: Duration,
    /// How long the longest took.
    pub worst_sync: Duration,
    /// All of them; wide buckets.
    pub all_syncs: Histogram,
    /// Records that were not newer than the stored one.
    pub older_records: u64,
    /// Records that hold what cannot be stored, such as infinite numbers.
    pub unstorable_records: u64,
    /// Files that were damaged and replaced.
    pub damaged_files: u64,
    /// Rows that could not be read.
    pub set_aside: u64,
}

impl Repository {
    /// Opens the repository of a locked state directory, checks all of it, and starts its writer. Blocks.
    ///
    /// # Errors
    /// The disk failed, or a newer afc wrote the file. Damage is no error but [`Found::Damaged`].
    pub fn open(dir: &Path, history: History) -> Result<(Self, Opened), OpenError> {
        let place = Place::new(dir, Arc::<SyncTimes>::default());
        let (found, store, image) = find(&place, history)?;
        let (contents, set_aside) = Contents::read(&image);
        if !set_aside.is_empty() {
            let rows = contents::set_aside(&image, &contents, &set_aside);
            store.write(&rows).map_err(|failure| failure.at("write", &place.file))?;
        }
        let (incidents, reports) = mpsc::channel(INCIDENTS);
        let events = contents.events.values().cloned().collect();
        let shared = Arc::new(Shared::new(place, contents));
        shared.counters.set_aside.store(set_aside.len() as u64, Ordering::Relaxed);
        shared.counters.damaged_files.store(matches!(found, Found::Damaged { .. }).into(), Ordering::Relaxed);
        let writer = Writer::new(Arc::clone(&shared), store, incidents);
        let thread = thread::Builder::new()
            .name("afc-repository".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(|| writer.run());
        let thread =
            thread.map_err(|error| DiskError::new("start the writer of", &shared.place.file, error))?;
        let repository = Self { shared, writer: Mutex::new(Some(thread)) };
        Ok((repository, Opened { found, events, set_aside, incidents: reports }))
    }

    /// The floors that are safe on disk.
    pub fn floors(&self) -> Arc<Floors> {
        Arc::clone(&self.shared.contents().floors)
    }

    /// Makes it safe to grant and hold epochs of a service with a counter up to `counter`. Never lowers a floor.
    ///
    /// # Errors
    /// The disk failed. The floor may be higher all the same, which is safe.
    pub async fn reserve(&self, service: ServiceId, counter: u32) -> Result<(), PutError> {
        self.reserve_all([(service, counter)]).await
    }

    /// The same for many services in one transaction.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub async fn reserve_all(
        &self,
        counters: impl IntoIterator<Item = (ServiceId, u32)>,
    ) -> Result<(), PutError> {
        self.shared.queue.put(Change::ReserveFloors(counters.into_iter().collect())).await
    }

    /// Replaces reserved floors by exact ones: words at or above everything granted or held. Only for a node that grants
    /// and holds nothing any more, so at a clean stop.
    ///
    /// # Errors
    /// The disk failed; the floors may be as before, which is safe.
    pub async fn save_exact(
        &self,
        words: impl IntoIterator<Item = (ServiceId, OwnerWord)>,
    ) -> Result<(), PutError> {
        self.shared.queue.put(Change::SaveExact(words.into_iter().collect())).await
    }

    /// Whether an operator drained this node.
    pub fn drained(&self) -> bool {
        self.shared.contents().drained
    }

    /// Keeps over restarts that an operator drained this node.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn drain(&self) -> Result<(), PutError> {
        self.shared.queue.put(Change::SetDrained(true)).await
    }

    /// Keeps that it is no longer drained.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn undrain(&self) -> Result<(), PutError> {
        self.shared.queue.put(Change::SetDrained(false)).await
    }

    /// Every node's newest record, by node.
    pub fn records(&self) -> Vec<Arc<NodeRecord>> {
        self.shared.contents().records.values().cloned().collect()
    }

    /// Keeps a record, soon, unless the stored one is as new.
    pub fn put_record(&self, record: NodeRecord) {
        self.shared.queue.put_record(record.node, RecordChange::Put(Arc::new(record)));
    }

    /// Removes a node's record, soon, unless it is newer than `version`.
    pub fn forget_record(&self, node: NodeId, version: Version) {
        self.shared.queue.put_record(node, RecordChange::Forget(version));
    }

    /// The lists last computed.
    pub fn lists(&self) -> Option<Arc<Document>> {
        self.shared.contents().lists.clone()
    }

    /// Keeps lists, soon.
    pub fn put_lists(&self, lists: Document) {
        self.shared.queue.put_lists(Arc::new(lists));
    }

    /// The configuration last used, with the BLAKE3 digest of its text.
    pub fn configuration(&self) -> Option<Arc<Document>> {
        self.shared.contents().configuration.clone()
    }

    /// Keeps the text of the configuration, soon.
    pub fn put_configuration(&self, text: &str) {
        self.shared.queue.put_configuration(Arc::new(Document::of(text)));
    }

    /// Keeps an event, soon; the oldest goes when there are more than [`crate::events::CAPACITY`].
    pub fn put_event(&self, event: Arc<EventRecord>) {
        self.shared.queue.put_event(event);
    }

    /// Waits until everything that was put before is on the disk.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn flush(&self) -> Result<(), PutError> {
        self.shared.queue.put(Change::Flush).await
    }

    /// How the repository is.
    pub fn stats(&self) -> Stats {
        let Shared { place, counters, .. } = &*self.shared;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let all_syncs = place.times.all();
        Stats {
            file_bytes: place.file_bytes(),
            commits: count(&counters.commits),
            failed_commits: count(&counters.failed_commits),
            syncs: all_syncs.count(),
            last_sync: place.times.last(),
            worst_sync: place.times.worst(),
            all_syncs,
            older_records: count(&counters.older_records),
            unstorable_records: count(&counters.unstorable_records),
            damaged_files: count(&counters.damaged_files),
            set_aside: count(&counters.set_aside),
        }
    }

    /// Writes what waits, if the disk takes it, and ends the writer. Blocks for that.
    pub fn close(&self) {
        self.shared.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the repository's writer panicked");
        }
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens what is there; makes a new file where there is none that can be trusted.
fn find(place: &Place, history: History) -> Result<(Found, Store, Image), OpenError> {
    let (found, unlisted) = match place.look()? {
        Look::Good(store, image) => return Ok((Found::Known, store, image)),
        Look::Missing => match history {
            History::FirstStart => (Found::FirstStart, Unlisted::Zero),
            History::UsedBefore => (Found::Lost, Unlisted::Unknown),
        },
        Look::Damaged(damage) => (Found::Damaged { kept: place.move_aside()?, damage }, Unlisted::Unknown),
    };
    let (store, image) = place.create(&Contents::new(unlisted).image())?;
    Ok((found, store, image))
}

#[cfg(test)]
mod tests;
