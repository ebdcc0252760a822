//! Walks a TOML document with line numbers and collects every finding instead of stopping at the first.
//!
//! Knows no setting by name: a reader opens a [`Section`], takes each setting it knows, and ends with
//! [`Section::finish`], which reports what nobody took.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
};

use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Diagnostics, Severity};

/// Bytes of a name in a setting's path, at most; of a longer one the place in the file says more.
const MAX_SHOWN_BYTES: usize = 64;

/// What a converter says about a value that it cannot take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// What is wrong.
    pub(super) problem: String,
    /// How to put it right.
    pub(super) fix: String,
}

impl Problem {
    /// A problem and its fix.
    pub(super) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }
}

/// Turns one TOML value into a typed one.
pub(super) type Convert<T> = fn(&DeValue<'_>) -> Result<T, Problem>;

/// The file: its lines and everything found so far.
pub(super) struct Source<'t> {
    file: &'t Path,
    text: &'t str,
    line_starts: Vec<usize>,
    found: RefCell<Vec<Diagnostic>>,
    lines: RefCell<BTreeMap<String, usize>>,
}

impl<'t> Source<'t> {
    /// A source without findings.
    pub(super) fn new(file: &'t Path, text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(newlines).collect();
        Self { file, text, line_starts, found: RefCell::default(), lines: RefCell::default() }
    }

    /// Parses the text and reports what is no TOML. `None` if sections cannot be told apart, so that
    /// looking further would only find consequences.
    pub(super) fn parse(&self) -> Option<DeTable<'t>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let line = self.line(&error.span().unwrap_or(0..0));
            self.report(Severity::Error, line, "", Problem::new(error.message(), ""));
        }
        let headers_hold = errors.iter().all(|error| {
            let line = self.line(&error.span().unwrap_or(0..0));
            !self.text.lines().nth(line - 1).unwrap_or("").trim_start().starts_with('[')
        });
        headers_hold.then(|| document.into_inner())
    }

    /// Everything found, by line, and the line of every setting that was read. On a line that is no TOML only that is
    /// worth saying.
    pub(super) fn finish(self) -> (Diagnostics, BTreeMap<String, usize>) {
        let mut found = self.found.into_inner();
        let broken: BTreeSet<usize> =
            found.iter().filter(|finding| finding.setting.is_empty()).map(|finding| finding.line).collect();
        found.retain(|finding| finding.setting.is_empty() || !broken.contains(&finding.line));
        found.sort_by_key(|finding| (finding.line, finding.severity));
        (Diagnostics(found), self.lines.into_inner())
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.line_starts.partition_point(|&start| start <= span.start).max(1)
    }

    fn report(&self, severity: Severity, line: usize, setting: &str, problem: Problem) {
        self.found.borrow_mut().push(Diagnostic {
            file: self.file.to_owned(),
            line,
            severity,
            setting: setting.to_owned(),
            problem: problem.problem,
            fix: problem.fix,
        });
    }
}

/// One table of the document, or its absence.
pub(super) struct Section<'t> {
    source: &'t Source<'t>,
    table: Option<&'t DeTable<'t>>,
    path: String,
    line: usize,
    taken: RefCell<BTreeSet<&'static str>>,
}

impl<'t> Section<'t> {
    /// The document itself.
    pub(super) fn root(source: &'t Source<'t>, document: &'t DeTable<'t>) -> Self {
        Self::new(source, Some(document), String::new(), 1)
    }

    /// The text of the whole document.
    pub(super) fn text(&self) -> &'t str {
        self.source.text
    }

    fn new(source: &'t Source<'t>, table: Option<&'t DeTable<'t>>, path: String, line: usize) -> Self {
        Self { source, table, path, line, taken: RefCell::default() }
    }

    /// The table under `key`; one without settings if there is none.
    pub(super) fn section(&self, key: &'static str) -> Self {
        let table = self.value(key).and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                let fix = format!("give it settings of its own, as in {key} = {{ .. }}");
                self.error(key, Problem::new("is a value, not a section", fix));
            }
            table
        });
        Self::new(self.source, table, self.setting(key), self.line_of(key))
    }

    /// The tables of `[[key]]`, in the order of the file.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.error(key, Problem::new("is not a list of sections", format!("write each as [[{key}]]")));
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let table = item.get_ref().as_table();
            let name = table.and_then(|table| table.get("name")).and_then(|name| name.get_ref().as_str());
            let path = match name {
                Some(name) if is_plain(name) => format!("{key}[{name}]"),
                Some(_) | None => format!("{key}[#{}]", index + 1),
            };
            let section = Self::new(self.source, table, path, self.source.line(&item.span()));
            if table.is_none() {
                section
                    .error_here(Problem::new("is a value, not a section", format!("write it as [[{key}]]")));
            }
            sections.push(section);
        }
        sections
    }

    /// A setting that must be there. `fix` says what to write where it is not.
    pub(super) fn required<T>(&self, key: &'static str, convert: Convert<T>, fix: &str) -> Option<T> {
        if !self.has(key) {
            self.taken.borrow_mut().insert(key);
            self.error(key, Problem::new("is missing", fix));
            return None;
        }
        self.optional(key, convert)
    }

    /// A setting that may be left out. Also `None` when it is wrong, which is reported.
    pub(super) fn optional<T>(&self, key: &'static str, convert: Convert<T>) -> Option<T> {
        match convert(self.value(key)?.get_ref()) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.error(key, problem);
                None
            }
        }
    }

    /// A setting with a default. `None` only when it is wrong, which is reported.
    pub(super) fn or<T>(&self, key: &'static str, convert: Convert<T>, default: T) -> Option<T> {
        let value = self.optional(key, convert);
        if self.has(key) { value } else { Some(default) }
    }

    /// The good items of a list with their places in it; the others are reported.
    pub(super) fn list<T>(&self, key: &'static str, convert: Convert<T>) -> Vec<(usize, T)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            let kind = value.get_ref().type_str();
            self.error(key, Problem::new(format!("is a {kind}, not a list"), "put it into [ ]"));
            return Vec::new();
        };
        let mut good = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match convert(item.get_ref()) {
                Ok(value) => good.push((index, value)),
                Err(problem) => self.error_item(key, index, problem),
            }
        }
        good
    }

    /// Whether the file has the setting.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether the setting is a list without items.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        let items = self.table.and_then(|table| table.get(key)).and_then(|value| value.get_ref().as_array());
        items.is_some_and(|items| items.is_empty())
    }

    /// The line of a setting, else that of the section.
    pub(super) fn line_of(&self, key: &str) -> usize {
        let span = self.table.and_then(|table| table.get_key_value(key)).map(|(key, _)| key.span());
        span.map_or(self.line, |span| self.source.line(&span))
    }

    /// The line of one item of a list, else that of the list.
    pub(super) fn line_of_item(&self, key: &str, index: usize) -> usize {
        let items = self.table.and_then(|table| table.get(key)).and_then(|value| value.get_ref().as_array());
        let span = items.and_then(|items| items.get(index)).map(toml::Spanned::span);
        span.map_or_else(|| self.line_of(key), |span| self.source.line(&span))
    }

    /// Reports an error of a setting.
    pub(super) fn error(&self, key: &str, problem: Problem) {
        self.report(Severity::Error, key, problem);
    }

    /// Reports an error of one item of a list.
    pub(super) fn error_item(&self, key: &str, index: usize, problem: Problem) {
        self.source.report(Severity::Error, self.line_of_item(key, index), &self.setting(key), problem);
    }

    /// Reports an error of the section itself.
    pub(super) fn error_here(&self, problem: Problem) {
        self.source.report(Severity::Error, self.line, &self.path, problem);
    }

    /// Reports a setting that probably is not meant so.
    pub(super) fn warn(&self, key: &str, problem: Problem) {
        self.report(Severity::Warning, key, problem);
    }

    /// Says something worth knowing about a setting.
    pub(super) fn note(&self, key: &str, text: &str) {
        self.report(Severity::Note, key, Problem::new(text, ""));
    }

    /// Reports every setting that nobody took.
    pub(super) fn finish(&self) {
        let Some(table) = self.table else { return };
        let taken = self.taken.borrow();
        for key in table.keys().filter(|key| !taken.contains(key.get_ref().as_ref())) {
            let name = key.get_ref();
            let problem = Problem::new("no such setting", suggestion(name, &taken));
            self.source.report(
                Severity::Error,
                self.source.line(&key.span()),
                &self.setting(&name.escape_debug().to_string()),
                problem,
            );
        }
    }

    fn report(&self, severity: Severity, key: &str, problem: Problem) {
        self.source.report(severity, self.line_of(key), &self.setting(key), problem);
    }

    fn setting(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn value(&self, key: &'static str) -> Option<&'t toml::Spanned<DeValue<'t>>> {
        self.taken.borrow_mut().insert(key);
        let value = self.table?.get(key);
        if value.is_some() {
            self.source.lines.borrow_mut().insert(self.setting(key), self.line_of(key));
        }
        value
    }
}

/// Whether a name can stand in a line of output without misleading anybody.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=MAX_SHOWN_BYTES).contains(&name.len()) && name.chars().all(plain)
}

/// What the writer of an unknown setting may have meant.
fn suggestion(name: &str, known: &BTreeSet<&'static str>) -> String {
    let similar = |known: &&&str| strsim::jaro_winkler(name, known);
    match known.iter().max_by(|a, b| similar(a).total_cmp(&similar(b))) {
        Some(near) if similar(&near) > 0.8 => format!("did you mean {near}?"),
        Some(_) | None => {
            let known: Vec<_> = known.iter().copied().collect();
            format!("known here: {}", known.join(", "))
        }
    }
}
