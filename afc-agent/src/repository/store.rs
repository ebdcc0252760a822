//! The database: rows of bytes in a few tables, read as a whole and changed in transactions. Knows no meaning.
//!
//! The file is checked whole whenever it is opened: it is small (some hundred kB), so that costs milliseconds.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{
    disk::{Disk, Head, SyncTimes},
    failure::{DiskError, Failure, OpenError, guarded},
};

/// The format of the file: what tables there are and what they mean. Values have versions of their own.
pub(super) const FORMAT: u8 = 1;
/// The file.
const FILE: &str = "repository.redb";
/// Where a new one is made, until it is whole.
const NEW: &str = "repository.redb.new";
/// A longer file is none of ours, and is not read into memory to find out.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Pages that redb keeps in memory, which is locked: everything that is read again is kept as contents.
const CACHE_BYTES: usize = 1 << 20;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    /// What there is one of, by [`super::contents::Single`].
    Single,
    /// By service.
    Floors,
    /// By node.
    Records,
    /// By event id.
    Events,
    /// Rows that could not be read, in the order in which they were found.
    Aside,
}

impl Table {
    const ALL: [Self; 5] = [Self::Single, Self::Floors, Self::Records, Self::Events, Self::Aside];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Floors => "floors",
            Self::Records => "records",
            Self::Events => "events",
            Self::Aside => "aside",
        }
    }

    const fn definition(self) -> TableDefinition<'static, u64, &'static [u8]> {
        TableDefinition::new(self.name())
    }
}

/// A row's place.
pub(super) type Key = (Table, u64);
/// Every row.
pub(super) type Image = BTreeMap<Key, Vec<u8>>;
/// Rows to be written, or removed where there is no value.
pub(super) type Changes = BTreeMap<Key, Option<Vec<u8>>>;

/// What makes one image of another.
pub(super) fn difference(from: &Image, to: &Image) -> Changes {
    let gone = from.keys().filter(|key| key.0 != Table::Aside && !to.contains_key(key));
    let written = to.iter().filter(|(key, value)| from.get(key) != Some(value));
    gone.map(|key| (*key, None)).chain(written.map(|(key, value)| (*key, Some(value.clone())))).collect()
}

/// Where a repository's file is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    dir: PathBuf,
    pub(super) file: PathBuf,
    pub(super) times: Arc<SyncTimes>,
}

/// What is there.
pub(super) enum Look {
    /// No file.
    Missing,
    /// A file that cannot be trusted.
    Damaged(String),
    /// A good one, open.
    Good(Store, Image),
}

impl Place {
    pub(super) fn new(dir: &Path, times: Arc<SyncTimes>) -> Self {
        Self { dir: dir.to_owned(), file: dir.join(FILE), times }
    }

    /// Opens and checks what is there, and repairs what a crash left.
    pub(super) fn look(&self) -> Result<Look, OpenError> {
        let failed = |error| OpenError::from(DiskError::new("open", &self.file, error));
        match Head::read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Missing),
            Err(error) => return Err(failed(error)),
            Ok(Head::Damaged) => return Ok(Look::Damaged("its head is not that of a repository".to_owned())),
            Ok(Head::Format(found)) if found > FORMAT => {
                return Err(OpenError::Newer { path: self.file.clone(), found, known: FORMAT });
            }
            Ok(Head::Format(0)) => return Ok(Look::Damaged("it has no format".to_owned())),
            Ok(Head::Format(_)) => {}
        }
        let file = OpenOptions::new().read(true).write(true).open(&self.file).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > MAX_FILE_BYTES {
            return Ok(Look::Damaged(format!("it is longer than {} MiB", MAX_FILE_BYTES >> 20)));
        }
        let opened = Store::open(file, &self.times).and_then(|store| {
            let image = store.image()?;
            Ok((store, image))
        });
        match opened {
            Ok((store, image)) => Ok(Look::Good(store, image)),
            Err(Failure::Damaged(damage)) => Ok(Look::Damaged(damage)),
            Err(Failure::Disk(error)) => Err(failed(error)),
        }
    }

    /// Makes a file with these rows, and opens it. It is whole, or it is not there.
    pub(super) fn create(&self, image: &Image) -> Result<(Store, Image), OpenError> {
        let new = self.dir.join(NEW);
        let failed = |error| DiskError::new("make", &self.file, error);
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error).into()),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&new).map_err(failed)?;
        let changes = difference(&Image::new(), image);
        let made = Store::open(file, &self.times).and_then(|store| store.write(&changes));
        made.map_err(|failure| failure.at("make", &self.file))?;
        fs::rename(&new, &self.file).map_err(failed)?;
        // The rename is safe only with its directory.
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        match self.look()? {
            Look::Good(store, image) => Ok((store, image)),
            Look::Missing => Err(failed(io::ErrorKind::NotFound.into()).into()),
            Look::Damaged(damage) => Err(failed(io::Error::other(damage)).into()),
        }
    }

    /// Keeps a damaged file for people; says where.
    pub(super) fn move_aside(&self) -> Result<PathBuf, DiskError> {
        let failed = |error| DiskError::new("keep aside the damaged", &self.file, error);
        for number in 1_u32.. {
            let kept = self.dir.join(format!("{FILE}.damaged-{number}"));
            if !kept.try_exists().map_err(failed)? {
                fs::rename(&self.file, &kept).map_err(failed)?;
                return Ok(kept);
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }

    /// The file's length.
    pub(super) fn file_bytes(&self) -> u64 {
        fs::metadata(&self.file).map_or(0, |metadata| metadata.len())
    }
}

/// An open database. After any failure it is of no more use: redb wants it opened again.
pub(super) struct Store {
    database: Option<Database>,
}

impl Store {
    fn open(file: File, times: &Arc<SyncTimes>) -> Result<Self, Failure> {
        let database = guarded(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
            Ok(builder.create_with_backend(Disk::new(file, FORMAT, Arc::clone(times))?)?)
        })?;
        Ok(Self { database: Some(database) })
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is taken only by drop")
    }

    /// Every row.
    pub(super) fn image(&self) -> Result<Image, Failure> {
        guarded(|| {
            let mut image = Image::new();
            let transaction = self.database().begin_read()?;
            for table in Table::ALL {
                for row in transaction.open_table(table.definition())?.iter()? {
                    let (key, value) = row?;
                    image.insert((table, key.value()), value.value().to_vec());
                }
            }
            Ok(image)
        })
    }

    /// Makes changes, all or none; they are on the disk when this returns.
    pub(super) fn write(&self, changes: &Changes) -> Result<(), Failure> {
        guarded(|| {
            let mut transaction = self.database().begin_write()?;
            // In one phase a damaged last commit looks like a torn one after a crash, and the one before it would silently
            // take its place. That costs one more sync, which nothing waits for that is in a hurry.
            transaction.set_two_phase_commit(true);
            for table in Table::ALL {
                let mut rows = transaction.open_table(table.definition())?;
                for ((_, key), value) in changes.range((table, 0)..=(table, u64::MAX)) {
                    match value {
                        Some(value) => drop(rows.insert(key, value.as_slice())?),
                        None => drop(rows.remove(key)?),
                    }
                }
            }
            Ok(transaction.commit()?)
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Closing writes, too, so it can meet damage. What was acknowledged is safe already.
        let closed = guarded(|| Ok(self.database.take().map_or(Ok(()), Database::close)?));
        if let Err(failure) = closed {
            tracing::debug!(?failure, "the repository was not closed cleanly; the next open repairs it");
        }
    }
}
