//! `cargo xtask tidy`: the house rules that a program can check, and that rustc and clippy do not.
//!
//! Each rule is a function from a source file to its breaches, in the file of its kind under `tidy/`. Adding
//! one takes a row in [`RULES`] and a fixture that shows it firing. Looks at the files as they
//! lie, never at git's history.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace;
use source::Source;

mod code;
mod kernel;
mod layers;
mod names;
mod source;
mod text;
mod token;

#[cfg(test)]
mod tests;

/// A rule and the function that finds what breaks it.
struct Rule {
    name: &'static str,
    check: fn(&Source) -> Vec<Breach>,
}

/// A place that breaks a rule.
struct Breach {
    line: usize,
    message: String,
}

/// A breach, with the file and the rule.
struct Found<'a> {
    path: &'a str,
    line: usize,
    rule: &'static str,
    message: String,
}

const RULES: [Rule; 16] = [
    Rule { name: "file-name", check: names::file_name },
    Rule { name: "file-length", check: text::file_length },
    Rule { name: "header-comment", check: text::header_comment },
    Rule { name: "whitespace", check: text::whitespace },
    Rule { name: "host-name", check: text::host_name },
    Rule { name: "developer-path", check: text::developer_path },
    Rule { name: "function-length", check: code::function_length },
    Rule { name: "bool-parameter", check: code::bool_parameter },
    Rule { name: "placeholder", check: code::placeholder },
    Rule { name: "allow", check: code::allow },
    Rule { name: "ignored-test", check: code::ignored_test },
    Rule { name: "sleep-in-test", check: code::sleep_in_test },
    Rule { name: "layers", check: layers::layers },
    Rule { name: "anyhow", check: layers::anyhow },
    Rule { name: "raw-pointer", check: kernel::raw_pointer },
    Rule { name: "map-static", check: kernel::map_static },
];

/// What others wrote: `.git` is a directory, or a file where there are several work trees.
const SKIPPED: [&str; 5] = [".git", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT", "target"];

/// Prints every breach in the workspace; an error if there is one.
pub(crate) fn run() -> Result<()> {
    let mut files = Vec::new();
    read_directory(workspace::root(), "", &mut files)?;
    let sources = Source::parse_all(files)?;
    let found = breaches(&sources);
    for Found { path, line, rule, message } in &found {
        println!("{path}:{line}: {message} [{rule}]");
    }
    match found.len() {
        0 => Ok(()),
        number => bail!("{number} breaches of the house rules"),
    }
}

/// What every rule finds in every file.
fn breaches(sources: &[Source]) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    for source in sources {
        for rule in &RULES {
            let breaches = (rule.check)(source).into_iter();
            found.extend(breaches.map(|Breach { line, message }| Found {
                path: source.path(),
                line,
                rule: rule.name,
                message,
            }));
        }
    }
    found
}

/// Adds the text files below a directory in order, with their paths from the workspace's root.
fn read_directory(directory: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    let entries = directory.read_dir().and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.with_context(|| format!("cannot read {}", directory.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().with_context(|| format!("cannot read {}", entry.path().display()))?;
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            read_directory(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else if kind.is_file() {
            let bytes =
                fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
            // What is not text, as a captured packet, is not ours to judge.
            files.extend(String::from_utf8(bytes).ok().map(|text| (format!("{prefix}{name}"), text)));
        }
    }
    Ok(())
}
