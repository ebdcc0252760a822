//! The state directory: what survives a restart of the agent and of the machine.
//!
//! A lock (one agent a directory), the incarnation (design.md section 2, "One agent a host") and the floors of epochs.
//! Everything here blocks on the disk, so nothing here is called from the fast path.

mod file;
mod floors;
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
pub use floors::{Damage, Floor, FloorError, FloorStore, Loaded};
pub use incarnation::IncarnationError;
pub use lock::LockError;
pub use volatile::is_volatile;

use lock::DirLock;

/// The state directory of the one agent that may use it. Dropping it releases the lock.
#[derive(Debug)]
pub struct StateDir {
    /// This agent's incarnation: greater than that of every agent before it.
    pub incarnation: u64,
    /// The floors of epochs.
    pub floors: FloorStore,
    /// What the floors said at start; [`Loaded::Lost`] and [`Loaded::Damaged`] are for people to know.
    pub loaded: Loaded,
    _lock: DirLock,
}

impl StateDir {
    /// Makes the directory if there is none, locks it, reads the floors and begins a new incarnation.
    ///
    /// # Errors
    /// Another agent uses it, or it cannot be read and written. Damaged content is no error: see [`Loaded`].
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| StateError::Make { path: path.to_owned(), source })?;
        let lock = DirLock::take(path)?;
        // Before the incarnation, whose file tells a lost file of floors from a first start.
        let (floors, loaded) = FloorStore::open(path)?;
        let incarnation = incarnation::begin(path)?;
        Ok(Self { incarnation, floors, loaded, _lock: lock })
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
    /// The floors could not be read or written.
    #[error(transparent)]
    Floors(#[from] FloorError),
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
            let incarnation = StateDir::open(dir.path()).unwrap().incarnation;
            assert!(incarnation > last, "{incarnation} after {last}");
            last = incarnation;
        }
    }

    #[test]
    fn floors_lost_between_two_starts_are_told_from_a_first_start() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(StateDir::open(dir.path()).unwrap().loaded, Loaded::FirstStart);
        assert_eq!(StateDir::open(dir.path()).unwrap().loaded, Loaded::Known);
        std::fs::remove_file(dir.path().join("floors")).unwrap();
        assert_eq!(StateDir::open(dir.path()).unwrap().loaded, Loaded::Lost);
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
