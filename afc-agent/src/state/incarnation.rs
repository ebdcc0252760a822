//! The incarnation: a number that grows with every start of an agent, so that what an older one wrote is known as such.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use thiserror::Error;

use super::file::{self, WriteError};

/// The file; one number, always as long.
pub(super) const FILE: &str = "incarnation";

/// Why no incarnation could begin.
#[derive(Debug, Error)]
pub enum IncarnationError {
    /// The number before could not be read.
    #[error("cannot read {}: {source}; let afc's user read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new number could not be written.
    #[error("cannot begin a new incarnation: {0}")]
    Write(#[from] WriteError),
}

/// Begins an incarnation and returns its number.
pub(super) fn begin(dir: &Path) -> Result<u64, IncarnationError> {
    let path = dir.join(FILE);
    let before = match fs::read(&path) {
        Ok(bytes) => std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse::<u64>().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(IncarnationError::Read { path, source }),
    };
    // Without a number the wall clock is above every incarnation that started from it, one a start; a clock that was
    // set back costs no more than the incarnation's protection against a process that slept all the while.
    let incarnation = before.and_then(|before| before.checked_add(1)).unwrap_or_else(wall_clock_ns);
    file::overwrite(dir, FILE, &format!("{incarnation:020}\n"))?;
    Ok(incarnation)
}

fn wall_clock_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(1, |since| u64::try_from(since.as_nanos()).unwrap_or(1))
}
