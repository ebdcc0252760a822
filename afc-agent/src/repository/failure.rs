//! What can go wrong with the repository's file, for people and for the writer.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use crate::state::fix;

/// The disk did not do what it was asked to.
#[derive(Clone, Debug, Error)]
#[error("cannot {step} {}: {source}; {}", path.display(), fix(source))]
pub struct DiskError {
    /// What was asked.
    pub step: &'static str,
    /// Of which file.
    pub path: PathBuf,
    /// Why not. Shared, for one failed commit fails many writes.
    pub source: Arc<io::Error>,
}

impl DiskError {
    pub(super) fn new(step: &'static str, path: &Path, source: io::Error) -> Self {
        Self { step, path: path.to_owned(), source: Arc::new(source) }
    }
}

/// Why the repository could not be opened. What is merely damaged is replaced: see [`super::Found`].
#[derive(Debug, Error)]
pub enum OpenError {
    /// A newer afc wrote it; it was not touched.
    #[error(
        "{} has format {found}, and this afc knows formats up to {known}: run the newer afc that wrote it, or name \
         another state_dir in [agent]", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u8,
        /// The newest that this binary knows.
        known: u8,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why a write was not acknowledged. It may be on the disk all the same.
#[derive(Clone, Debug, Error)]
pub enum PutError {
    /// The disk failed; the writer tries again what was not to be acknowledged, the caller what was.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The repository was closed.
    #[error("the repository is closed")]
    Closed,
}

/// What redb said, as far as it matters.
#[derive(Debug)]
pub(super) enum Failure {
    /// The content cannot be trusted.
    Damaged(String),
    /// The disk failed; the content may be good.
    Disk(io::Error),
}

impl Failure {
    /// For people, and for a file that nobody damaged: it was just checked.
    pub(super) fn at(self, step: &'static str, path: &Path) -> DiskError {
        let error = match self {
            Self::Disk(error) => error,
            Self::Damaged(damage) => io::Error::other(damage),
        };
        DiskError::new(step, path, error)
    }
}

impl From<redb::Error> for Failure {
    fn from(error: redb::Error) -> Self {
        const CONTENT: [io::ErrorKind; 2] = [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData];
        if let redb::Error::Io(error) = error {
            return if CONTENT.contains(&error.kind()) {
                Self::Damaged(error.to_string())
            } else {
                Self::Disk(error)
            };
        }
        if matches!(error, redb::Error::PreviousIo | redb::Error::DatabaseAlreadyOpen) {
            return Self::Disk(io::Error::other(error.to_string()));
        }
        Self::Damaged(error.to_string())
    }
}

/// Runs what enters redb, which may panic over a damaged file.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Failure> {
    // What a panic may have left half done is thrown away with the database, which is opened and checked again.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(Failure::from),
        Err(panic) => Err(Failure::Damaged(format!("redb panicked: {}", message(panic.as_ref())))),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}
