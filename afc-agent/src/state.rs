//! The state directory: one agent a directory, and a number that grows with each of them.
//!
//! A lock and the incarnation (design.md section 2, "One agent a host"). What else survives a restart is in the file of
//! [`crate::repository`], which this directory holds. Everything here blocks on the disk, so nothing here is called
//! from the fast path.

mod file;
mod incarnation;
mod lock;
mod volatile;

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

pub use file::WriteError;
pub(crate) use file::fix;
pub use incarnation::IncarnationError;
pub use lock::LockError;
pub use volatile::is_volatile;

use lock::DirLock;

/// The state directory of the one agent that may use it. Dropping it releases the lock.
#[derive(Debug)]
pub struct StateDir {
    /// Whether an agent used it before: what tells a lost file from a first start.
    pub history: History,
    path: PathBuf,
    _lock: DirLock,
}

/// Whether an agent used a directory before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// None began an incarnation here.
    FirstStart,
    /// One did. In doubt one did.
    UsedBefore,
}

impl StateDir {
    /// Makes the directory if there is none, and locks it.
    ///
    /// # Errors
    /// Another agent uses it, or it cannot be read and written.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| StateError::Make { path: path.to_owned(), source })?;
        let lock = DirLock::take(path)?;
        let was_used = path.join(incarnation::FILE).try_exists().unwrap_or(true);
        let history = if was_used { History::UsedBefore } else { History::FirstStart };
        Ok(Self { history, path: path.to_owned(), _lock: lock })
    }

    /// Begins an incarnation, greater than that of every agent before. Comes after the repository was opened: a crash
    /// between the two must not look as if a file had been lost.
    ///
    /// # Errors
    /// The disk failed.
    pub fn begin_incarnation(&self) -> Result<u64, StateError> {
        Ok(incarnation::begin(&self.path)?)
    }
}

/// Why the state directory cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It could not be made.
    #[error("cannot make the state directory {}: {source}; make it, or name another as state_dir in [agent]", path.display())]
    Make {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The incarnation could not be read or written.
    #[error(transparent)]
    Incarnation(#[from] IncarnationError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_refused_with_the_pid_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made/on/the/way");
        let first = StateDir::open(&path).unwrap();
        let refused = StateDir::open(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        drop(first);
        StateDir::open(&path).unwrap();
    }

    #[test]
    fn each_start_is_a_greater_incarnation_even_when_the_file_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let mut last = 0;
        for damage in [None, None, Some("x"), None, Some(""), Some("18446744073709551616"), None] {
            if let Some(text) = damage {
                std::fs::write(dir.path().join("incarnation"), text).unwrap();
            }
            let incarnation = StateDir::open(dir.path()).unwrap().begin_incarnation().unwrap();
            assert!(incarnation > last, "{incarnation} after {last}");
            last = incarnation;
        }
    }

    #[test]
    fn a_directory_was_used_once_an_incarnation_began_in_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(StateDir::open(dir.path()).unwrap().history, History::FirstStart);
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.history, History::FirstStart);
        state.begin_incarnation().unwrap();
        drop(state);
        assert_eq!(StateDir::open(dir.path()).unwrap().history, History::UsedBefore);
    }

    #[test]
    fn a_directory_that_is_a_file_is_refused_with_a_fix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = StateDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("name another as state_dir in [agent]"), "{error}");
    }
}
