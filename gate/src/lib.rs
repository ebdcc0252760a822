//! The regression gate: figures that a test measured, against those in `gate/baseline.toml`.
//!
//! For what is the same on each run of one program: counts and sizes, never times. A figure beyond what is allowed
//! fails the test that measured it, which prints the old figure, the new one, and how to accept it: that is a change of
//! a file that a reviewer sees. `docs/costs.md` says what is measured where.

pub mod allocations;

use std::{
    collections::BTreeMap,
    env, fmt,
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

/// Set to anything, it has what was measured written to the file, instead of compared.
pub const ACCEPT: &str = "AFC_ACCEPT";

/// What the file starts with.
const HEADER: &str = "# What the regression gate compares with: see `gate/src/lib.rs`.\n\
                      # Written by the tests themselves when AFC_ACCEPT is set: AFC_ACCEPT=1 cargo xtask test\n\n";

/// By how much a figure may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Not at all.
    Nothing,
    /// By so many hundredths.
    PerCent(u64),
}

/// A section of the file.
type Section = BTreeMap<String, u64>;
/// All of it.
type Book = BTreeMap<String, Section>;

/// Figures of one test.
#[derive(Debug)]
pub struct Gate {
    section: String,
    allowed: Allowed,
    measured: Section,
}

/// A figure that does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Breach {
    figure: String,
    /// None for a figure that the file does not have.
    old: Option<u64>,
    /// None for one that was not measured any more.
    new: Option<u64>,
    limit: Option<u64>,
}

impl Gate {
    /// Figures for a section of the file, none of which may grow by more than `allowed`.
    pub fn new(section: impl Into<String>, allowed: Allowed) -> Self {
        Self { section: section.into(), allowed, measured: Section::new() }
    }

    /// Adds a figure.
    #[must_use]
    pub fn figure(mut self, name: impl Into<String>, value: u64) -> Self {
        let before = self.measured.insert(name.into(), value);
        assert_eq!(before, None, "a figure is measured once");
        self
    }

    /// Whether the file has this section at all.
    pub fn is_known(&self) -> bool {
        parse(&read(&mut open(&path()))).contains_key(&self.section)
    }

    /// Compares, or accepts if [`ACCEPT`] is set.
    ///
    /// # Panics
    /// When a figure is worse than allowed, new, or gone.
    #[track_caller]
    pub fn check(&self) {
        if env::var_os(ACCEPT).is_some() {
            return self.accept(&path());
        }
        let book = parse(&read(&mut open(&path())));
        let none = Section::new();
        let breaches = self.breaches(book.get(&self.section).unwrap_or(&none));
        if !breaches.is_empty() {
            let lines: String = breaches.iter().map(|breach| format!("  {breach}\n")).collect();
            panic!(
                "[{}] of {} does not allow what was measured:\n{lines}\
                 If the new figures are right, run this test with {ACCEPT}=1, which writes them there, and say why in the commit.",
                self.section,
                path().display(),
            );
        }
    }

    fn breaches(&self, old: &Section) -> Vec<Breach> {
        let limit = |old: u64| match self.allowed {
            Allowed::Nothing => old,
            Allowed::PerCent(hundredths) => old + old * hundredths / 100,
        };
        let mut names: Vec<&String> = old.keys().chain(self.measured.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let all = names.into_iter().map(|name| {
            let (old, new) = (old.get(name).copied(), self.measured.get(name).copied());
            Breach { figure: name.clone(), old, new, limit: old.map(limit) }
        });
        all.filter(|breach| breach.new.is_none() || breach.new > breach.limit).collect()
    }

    /// Writes the section. Tests of several processes may do so at once, so the file is locked meanwhile.
    fn accept(&self, path: &Path) {
        let mut file = open(path);
        file.lock().expect("the file can be locked");
        let mut book = parse(&read(&mut file));
        book.insert(self.section.clone(), self.measured.clone());
        let text = HEADER.to_owned() + &toml::to_string(&book).expect("tables of numbers");
        file.rewind().and_then(|()| file.set_len(0)).expect("the file can be emptied");
        file.write_all(text.as_bytes()).expect("the file can be written");
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, old, new, limit } = self;
        let number = |value: &Option<u64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        write!(formatter, "{figure}: old {}, new {}, allowed {}", number(old), number(new), number(limit))
    }
}

/// Says something about a test that passes, past what captures its output: nothing is skipped in silence.
pub fn say(what: &str) {
    let line = format!("{what}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.toml")
}

fn open(path: &Path) -> File {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(file: &mut File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).expect("the file is text");
    text
}

fn parse(text: &str) -> Book {
    toml::from_str(text).expect("sections of numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(figures: &[(&str, u64)]) -> Section {
        figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    fn failing(allowed: Allowed, new: u64) -> Vec<String> {
        let gate = Gate::new("s", allowed).figure("a", new).figure("b", 1);
        gate.breaches(&section(&[("a", 200), ("b", 1)])).iter().map(Breach::to_string).collect()
    }

    #[test]
    fn a_figure_passes_up_to_what_is_allowed_and_not_beyond() {
        assert_eq!(failing(Allowed::Nothing, 200), [""; 0]);
        assert_eq!(failing(Allowed::Nothing, 1), [""; 0]);
        assert_eq!(failing(Allowed::Nothing, 201), ["a: old 200, new 201, allowed 200"]);
        assert_eq!(failing(Allowed::PerCent(5), 210), [""; 0]);
        assert_eq!(failing(Allowed::PerCent(5), 211), ["a: old 200, new 211, allowed 210"]);
    }

    #[test]
    fn a_figure_that_is_new_or_gone_does_not_pass() {
        let breaches = Gate::new("s", Allowed::Nothing).figure("new", 0).breaches(&section(&[("gone", 3)]));
        let lines: Vec<String> = breaches.iter().map(Breach::to_string).collect();
        assert_eq!(lines, ["gone: old 3, new none, allowed 3", "new: old none, new 0, allowed none"]);
    }

    #[test]
    fn accepting_replaces_one_section_and_keeps_the_others() {
        let path = env::temp_dir().join(format!("afc-gate-{}.toml", std::process::id()));
        Gate::new("a 1", Allowed::Nothing).figure("x y", 1).figure("gone", 1).accept(&path);
        Gate::new("b", Allowed::Nothing).figure("x", 2).accept(&path);
        Gate::new("a 1", Allowed::Nothing).figure("x y", 3).accept(&path);
        let book = parse(&read(&mut open(&path)));
        std::fs::remove_file(&path).unwrap();
        let expected = [("a 1", section(&[("x y", 3)])), ("b", section(&[("x", 2)]))];
        assert_eq!(book, expected.map(|(name, figures)| (name.to_owned(), figures)).into());
    }
}
