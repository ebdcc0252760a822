//! `afc keygen`: makes a key file, and never overwrites one.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::SECRET_BYTES;

/// Makes a key file with a new secret, mode 0600.
///
/// # Errors
/// The file exists, or could not be written; then there is none.
pub fn generate(path: &Path) -> Result<(), KeygenError> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(KeygenError::Random)?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = created.map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::AlreadyExists {
            KeygenError::Exists { path }
        } else {
            KeygenError::Create { path, source }
        }
    })?;
    write_secret(&mut file, &secret).map_err(|source| {
        // Half a key is worse than none; if it stays, reading it reports it.
        drop(std::fs::remove_file(path));
        KeygenError::Write { path: path.to_owned(), source }
    })
}

/// Why no key file was made.
#[derive(Debug, Error)]
pub enum KeygenError {
    /// There is one.
    #[error("{} exists and is not overwritten; move it away, or name another file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It could not be created.
    #[error("cannot create {}: {source}; make its directory, or name another file", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written.
    #[error("cannot write {}: {source}; make room, or name another file", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel gave no random bytes.
    #[error("the kernel gave no random bytes: {0}; try again later")]
    Random(getrandom::Error),
}

fn write_secret(file: &mut File, secret: &[u8; SECRET_BYTES]) -> io::Result<()> {
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(file, "{digits}")?;
    file.sync_all()
}
