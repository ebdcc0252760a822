//! The lines of a file, none of them longer than a line may be.

use std::io::{self, BufRead, Read};

use afc_engine::recording::LINE_BYTES_MAX;

/// Reads one line after the other.
pub(super) struct Lines<F> {
    file: F,
    text: Vec<u8>,
}

/// Whether a line has its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completeness {
    /// It has, or it is too long to look for it.
    Complete,
    /// The file ends first.
    CutOff,
}

impl<F: BufRead> Lines<F> {
    pub(super) fn new(file: F) -> Self {
        Self { file, text: Vec::new() }
    }

    /// Reads the next line; no more of it than tells that it is too long. None at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Completeness>> {
        self.text.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        (&mut self.file).take(limit).read_until(b'\n', &mut self.text)?;
        Ok(match self.text.last() {
            None => None,
            Some(b'\n') => Some(Completeness::Complete),
            Some(_) if self.text.len() as u64 == limit => Some(Completeness::Complete),
            Some(_) => Some(Completeness::CutOff),
        })
    }

    /// The line.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}
