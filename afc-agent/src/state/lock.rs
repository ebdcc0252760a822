//! The lock of the state directory: one agent at a time, released by the kernel however the agent ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::file::fix;

/// The lock's file; it holds the locker's process id, for people.
const FILE: &str = "lock";
/// A process id has fewer digits.
const MAX_PID_BYTES: u64 = 16;

/// Why the directory could not be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another agent holds the lock.
    #[error("another afc (process {pid}) runs with {}; stop it, or name another state_dir in [agent]", dir.display())]
    Held {
        /// The directory.
        dir: PathBuf,
        /// Its process id, as far as it said.
        pid: String,
    },
    /// The file could not be opened, locked or written.
    #[error("cannot lock the state directory with {}: {source}; {}", path.display(), fix(source))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock without waiting for it.
    pub(super) fn take(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(FILE);
        let failed = |source| LockError::File { path: path.clone(), source };
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { dir: dir.to_owned(), pid: pid(file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn pid(file: File) -> String {
    let mut text = String::new();
    match file.take(MAX_PID_BYTES).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}
