//! The file under redb: its head, the time that a sync takes, and nothing else.
//!
//! redb's header has two bytes of padding (its design document, "Database header"). They hold this repository's format,
//! so that a newer one is known without opening the file, and a check over it and the byte before it, which says
//! which of the two commit slots counts: the only byte that no checksum of redb covers, and whose flip would silently
//! bring back the commit before the last.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    ops::Bound,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use afc_ebpf::histogram::Histogram;
use redb::{BackendError, StorageBackend, backends::FileBackend};

/// What a redb file begins with.
const MAGIC: &[u8; 9] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// Which slot counts, and how it was committed.
const SLOTS: usize = MAGIC.len();
const FORMAT_AT: usize = SLOTS + 1;
const CHECK_AT: usize = SLOTS + 2;
const HEAD_BYTES: usize = SLOTS + 3;

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A repository of this format.
    Format(u8),
    /// They are not those of a repository.
    Damaged,
}

impl Head {
    /// Reads the head of a file.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut head = [0; HEAD_BYTES];
        match File::open(path)?.read_exact(&mut head) {
            Ok(()) if is_whole(&head) => Ok(Self::Format(head[FORMAT_AT])),
            Ok(()) => Ok(Self::Damaged),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Self::Damaged),
            Err(error) => Err(error),
        }
    }
}

fn is_whole(head: &[u8]) -> bool {
    head.starts_with(MAGIC) && head[CHECK_AT] == check(head)
}

/// Differs after any one flipped bit of the two bytes that it covers.
fn check(head: &[u8]) -> u8 {
    !(head[SLOTS] ^ head[FORMAT_AT])
}

/// How long syncs took.
#[derive(Debug, Default)]
pub(super) struct SyncTimes {
    last_ns: AtomicU64,
    worst_ns: AtomicU64,
    all: Mutex<Histogram>,
    /// The error that every write is to fail with; none while it is 0.
    #[cfg(test)]
    pub(super) fault: std::sync::atomic::AtomicI32,
}

impl SyncTimes {
    #[cfg(test)]
    fn fail(&self) -> io::Result<()> {
        match self.fault.load(Ordering::Relaxed) {
            0 => Ok(()),
            fault => Err(io::Error::from_raw_os_error(fault)),
        }
    }

    fn add(&self, took: Duration) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.last_ns.store(took_ns, Ordering::Relaxed);
        self.worst_ns.fetch_max(took_ns, Ordering::Relaxed);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).add_wide(took_ns);
    }

    pub(super) fn last(&self) -> Duration {
        Duration::from_nanos(self.last_ns.load(Ordering::Relaxed))
    }

    pub(super) fn all(&self) -> Histogram {
        *self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn worst(&self) -> Duration {
        Duration::from_nanos(self.worst_ns.load(Ordering::Relaxed))
    }
}

/// A repository's file, as redb uses it.
#[derive(Debug)]
pub(super) struct Disk {
    file: FileBackend,
    format: u8,
    times: Arc<SyncTimes>,
}

impl Disk {
    pub(super) fn new(file: File, format: u8, times: Arc<SyncTimes>) -> Result<Self, redb::DatabaseError> {
        Ok(Self { file: FileBackend::new(file)?, format, times })
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)?;
        if offset == 0 && out.len() >= HEAD_BYTES {
            out[FORMAT_AT..HEAD_BYTES].fill(0);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let from = Instant::now();
        let result = self.file.sync_data();
        self.times.add(from.elapsed());
        result
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.times.fail()?;
        if offset >= HEAD_BYTES as u64 {
            return self.file.write(offset, data);
        }
        // The head is written with the slot that it makes count: one write, inside of one sector.
        if offset != 0 || data.len() < HEAD_BYTES || data[FORMAT_AT..HEAD_BYTES] != [0, 0] {
            return Err(io::Error::new(ErrorKind::Unsupported, "redb's header has no room for a format"));
        }
        let mut data = data.to_vec();
        data[FORMAT_AT] = self.format;
        data[CHECK_AT] = check(&data);
        self.file.write(0, &data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
