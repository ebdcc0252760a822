//! Rules on files as lines of text.

use super::{Breach, source::Source};

const FILE_MAX_LINES: usize = 400;

/// Names of files that people write, whose white space an editor keeps as `.editorconfig` says.
const WRITTEN: [&str; 7] = [".rs", ".toml", ".md", ".sh", ".yml", ".service", "/run"];

/// Servers of packages, in pieces so that this file does not name them. A machine has its own configuration of
/// where it gets packages from, and may reach no other.
const HOSTS: [&[&str]; 10] = [
    &["static", "crates", "io"],
    &["index", "crates", "io"],
    &["static", "rust-lang", "org"],
    &["deb", "debian", "org"],
    &["ftp", "debian", "org"],
    &["security", "debian", "org"],
    &["snapshot", "debian", "org"],
    &["pypi", "org"],
    &["files", "pythonhosted", "org"],
    &["registry", "npmjs", "org"],
];

/// Directories that somebody's machine has and others' have not, without the slashes around them.
const DEVELOPERS_DIRECTORIES: [&str; 3] = ["work", "root", "home"];

pub(super) fn file_length(source: &Source) -> Vec<Breach> {
    let lines = source.lines().count();
    if !source.is_rust() || lines <= FILE_MAX_LINES {
        return Vec::new();
    }
    vec![Breach {
        line: lines,
        message: format!("{lines} lines, more than {FILE_MAX_LINES}: split it by subject"),
    }]
}

pub(super) fn header_comment(source: &Source) -> Vec<Breach> {
    if !source.is_rust() || source.text().starts_with("//! ") {
        return Vec::new();
    }
    vec![Breach { line: 1, message: "does not begin with a `//!` comment saying what it is for".to_owned() }]
}

pub(super) fn whitespace(source: &Source) -> Vec<Breach> {
    if !WRITTEN.iter().any(|end| source.path().ends_with(end)) {
        return Vec::new();
    }
    let mut breaches: Vec<Breach> = source
        .lines()
        .filter(|(_, line)| line.ends_with([' ', '\t', '\r']) || line.starts_with('\t'))
        .map(|(line, _)| Breach { line, message: "a tab, or white space at the end".to_owned() })
        .collect();
    if !source.text().is_empty() && !source.text().ends_with('\n') {
        let message = "the last line has no end".to_owned();
        breaches.push(Breach { line: source.lines().count(), message });
    }
    breaches
}

pub(super) fn host_name(source: &Source) -> Vec<Breach> {
    let hosts = HOSTS.map(|labels| labels.join("."));
    let named = |line: &str| hosts.iter().find(|host| line.contains(host.as_str()));
    source
        .lines()
        .filter_map(|(line, text)| named(text).map(|host| (line, host)))
        .map(|(line, host)| Breach { line, message: format!("names the package server {host}") })
        .collect()
}

pub(super) fn developer_path(source: &Source) -> Vec<Breach> {
    let directories = DEVELOPERS_DIRECTORIES.map(|name| format!("/{name}/"));
    let named = |line: &str| directories.iter().find(|directory| begins_a_path(line, directory));
    source
        .lines()
        .filter_map(|(line, text)| named(text).map(|directory| (line, directory)))
        .map(|(line, directory)| Breach {
            line,
            message: format!("a path below {directory} is one machine's own"),
        })
        .collect()
}

/// Whether an absolute path begins with this directory somewhere in the line, as `a/home/b` does not.
fn begins_a_path(line: &str, directory: &str) -> bool {
    line.match_indices(directory).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-/}~*)".contains(before))
    })
}
