//! One finding about a configuration file: where, which setting, what is wrong, how to put it right.
//!
//! Decides nothing about what is wrong; that is the business of the readers beside this file.

use std::{fmt, path::PathBuf};

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The agent refuses to run with it.
    Error,
    /// The agent runs, but probably not as meant.
    Warning,
    /// Worth knowing.
    Note,
}

/// One finding; shown as `file:line: setting: what is wrong; how to put it right`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The configuration file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// The setting, as in `services[web-1].home`; empty where the file is not TOML.
    pub setting: String,
    /// What is wrong.
    pub problem: String,
    /// How to put it right; may be empty.
    pub fix: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        match self.severity {
            Severity::Error => {}
            Severity::Warning => f.write_str("warning: ")?,
            Severity::Note => f.write_str("note: ")?,
        }
        if !self.setting.is_empty() {
            write!(f, "{}: ", self.setting)?;
        }
        f.write_str(&self.problem)?;
        if !self.fix.is_empty() {
            write!(f, "; {}", self.fix)?;
        }
        Ok(())
    }
}

/// All findings about one file, in the order of its lines; shown one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// How many of them are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// Only those of this severity.
    #[must_use]
    pub fn only(self, severity: Severity) -> Self {
        Self(self.0.into_iter().filter(|diagnostic| diagnostic.severity == severity).collect())
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}
