//! Reads small text files of the kernel into one buffer.
//!
//! Files are opened anew each time: that costs 4 to 8 µs a file, some 0.01 % of a core at the default interval, and a
//! file that was replaced, mounted over or removed is never read under its old name.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::sample::{Flaw, SampleError};

/// A file is read up to here; `/proc/stat` of the largest machines is a tenth of it. A longer one is an error.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A buffer that is used again and again.
#[derive(Debug, Default)]
pub(super) struct Reader {
    buffer: String,
}

impl Reader {
    /// What `read` makes of the text of a file.
    pub(super) fn parse<T>(
        &mut self,
        path: &Path,
        parse: impl FnOnce(&str) -> Result<T, Flaw>,
    ) -> Result<T, SampleError> {
        let flawed = |flaw| SampleError::Flawed { path: path.to_owned(), flaw };
        self.fill(path).map_err(|source| SampleError::Read { path: path.to_owned(), source })?;
        if self.buffer.len() as u64 > MAX_FILE_BYTES {
            return Err(flawed(Flaw::TooLong));
        }
        // Also keeps procfs-core, which cuts some words at fixed places, from cutting within a character.
        if !self.buffer.is_ascii() {
            return Err(flawed(Flaw::Malformed("plain text")));
        }
        parse(&self.buffer).map_err(flawed)
    }

    fn fill(&mut self, path: &Path) -> io::Result<()> {
        self.buffer.clear();
        // Should somebody put a pipe there, opening it must not wait for a writer.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut self.buffer).map(drop)
    }
}
