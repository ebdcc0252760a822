//! The one writer: a thread that owns the database, because a sync blocks and must block nobody else.
//!
//! Owner: [`super::Repository`]. It is woken by the queue, and by its retry while the disk fails. Closing the queue ends
//! it after what waits is written; killing it loses what was not acknowledged.
//!
//! What is written is everything that waits, in one transaction; then it is acknowledged and shown to readers. After a
//! failure the file is opened, checked and compared with what it should hold, so that nothing acknowledged is lost
//! with a file that is damaged under a running agent.

use std::{
    borrow::Cow,
    io,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::{
    Incident,
    contents::{Contents, Outcome},
    failure::{DiskError, OpenError, PutError},
    queue::{Batch, Queue},
    store::{Changes, Image, Look, Place, Store, difference},
};

/// How often a failing disk is tried again, unless somebody waits for it.
const RETRY: Duration = Duration::from_secs(1);

/// What the writer shares with the rest of the agent.
pub(super) struct Shared {
    pub(super) place: Place,
    pub(super) queue: Queue,
    pub(super) counters: Counters,
    contents: RwLock<Arc<Contents>>,
}

/// What the writer counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) failed_commits: AtomicU64,
    pub(super) older_records: AtomicU64,
    pub(super) unstorable_records: AtomicU64,
    pub(super) damaged_files: AtomicU64,
    pub(super) set_aside: AtomicU64,
}

impl Shared {
    pub(super) fn new(place: Place, contents: Contents) -> Self {
        let contents = RwLock::new(Arc::new(contents));
        Self { place, queue: Queue::new(), counters: Counters::default(), contents }
    }

    /// What is safe now, all of one moment.
    pub(super) fn contents(&self) -> Arc<Contents> {
        Arc::clone(&self.contents.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn show(&self, contents: Contents) {
        *self.contents.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(contents);
    }
}

/// The writer.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Nothing after a failure, until the file was opened again.
    store: Option<Store>,
    incidents: mpsc::Sender<Incident>,
    /// Since the last transaction failed.
    retry_at: Option<Instant>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, store: Store, incidents: mpsc::Sender<Incident>) -> Self {
        Self { shared, store: Some(store), incidents, retry_at: None }
    }

    pub(super) fn run(mut self) {
        loop {
            let batch = self.shared.queue.next(self.retry_at);
            let is_last = batch.is_last;
            if !batch.is_empty() || self.retry_at.is_some() {
                self.handle(batch);
            }
            if is_last {
                return;
            }
        }
    }

    fn handle(&mut self, batch: Batch) {
        let mut contents = Contents::clone(&self.shared.contents());
        let urgent = batch.urgent.iter().map(|urgent| urgent.change.clone());
        let (rows, outcome) = contents.apply(batch.lazy.changes().chain(urgent));
        let result = self.commit(&contents, &rows);
        // Readers see it before anybody is told that it is safe.
        match &result {
            Ok(()) => self.succeed(contents, outcome),
            Err(failure) => self.fail(failure.clone()),
        }
        for urgent in batch.urgent {
            // Who no longer waits does not want to know.
            drop(urgent.acknowledge.send(result.clone().map_err(PutError::Disk)));
        }
        if result.is_err() && !batch.is_last {
            self.shared.queue.put_back(batch.lazy);
        }
    }

    /// Makes the file hold `contents`: by `rows` alone if it is open, else by whatever differs.
    fn commit(&mut self, contents: &Contents, rows: &Changes) -> Result<(), DiskError> {
        let (store, rows) = match self.store.take() {
            Some(store) => (store, Cow::Borrowed(rows)),
            None => {
                let (store, image) = self.reopen(contents)?;
                (store, Cow::Owned(difference(&image, &contents.image())))
            }
        };
        if !rows.is_empty() {
            // Whether the file is damaged is seen when it is opened, at the next attempt.
            store.write(&rows).map_err(|failure| failure.at("write", &self.shared.place.file))?;
            self.shared.counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        self.store = Some(store);
        Ok(())
    }

    /// Opens the file again; in the place of one that is gone or damaged a new one is made with everything.
    fn reopen(&self, contents: &Contents) -> Result<(Store, Image), DiskError> {
        let place = &self.shared.place;
        let failed = |error: OpenError| match error {
            OpenError::Disk(error) => error,
            OpenError::Newer { .. } => DiskError::new("write", &place.file, io::Error::other(error)),
        };
        match place.look().map_err(failed)? {
            Look::Good(store, image) => return Ok((store, image)),
            Look::Missing => {}
            Look::Damaged(damage) => {
                let kept = place.move_aside()?;
                self.shared.counters.damaged_files.fetch_add(1, Ordering::Relaxed);
                self.tell(Incident::Rebuilt { kept, damage });
            }
        }
        place.create(&contents.image()).map_err(failed)
    }

    fn succeed(&mut self, contents: Contents, outcome: Outcome) {
        let counters = &self.shared.counters;
        counters.older_records.fetch_add(outcome.older, Ordering::Relaxed);
        counters.unstorable_records.fetch_add(outcome.unstorable, Ordering::Relaxed);
        if outcome.unstorable > 0 {
            warn!(records = outcome.unstorable, "records that hold no proper numbers are not stored");
        }
        self.shared.show(contents);
        if self.retry_at.take().is_some() {
            info!(file = %self.shared.place.file.display(), "the repository is written again");
            self.tell(Incident::Recovered);
        }
    }

    fn fail(&mut self, failure: DiskError) {
        self.shared.counters.failed_commits.fetch_add(1, Ordering::Relaxed);
        if self.retry_at.replace(Instant::now() + RETRY).is_none() {
            error!(%failure, "the repository is not written");
            self.tell(Incident::Failing(failure));
        }
    }

    fn tell(&self, incident: Incident) {
        // State changes only, at most one a retry: whoever does not take them for a minute has the log.
        if let Err(error) = self.incidents.try_send(incident) {
            warn!(%error, "nobody takes the repository's reports");
        }
    }
}
