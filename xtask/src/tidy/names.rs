//! Rules on the names of files.

use super::{Breach, source::Source};

/// Names that say nothing about what is inside, so that everything ends up there.
const VAGUE: [&str; 6] = ["utils", "common", "types", "helpers", "manager", "misc"];

/// `foo.rs` beside `foo/`, never `foo/mod.rs`; a file's and a directory's name is its subject.
pub(super) fn file_name(source: &Source) -> Vec<Breach> {
    let mut parts = source.path().split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    let message = if source.path().ends_with("/mod.rs") {
        "a module's file is named after it, beside its directory".to_owned()
    } else if let Some(vague) = parts.find(|part| VAGUE.contains(part)) {
        format!("`{vague}` does not name a subject")
    } else {
        return Vec::new();
    };
    vec![Breach { line: 1, message }]
}
