//! Counts what cargo's test runs report, while their output passes by.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// The sum over all test runs so far. Prints as "12 passed, 0 failed".
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// How many tests have run.
    pub(super) fn ran(&self) -> u64 {
        self.passed + self.failed
    }

    /// Runs a command that runs tests; its output is printed as it comes.
    pub(super) fn run(&mut self, command: &mut Command) -> Result<()> {
        let shown = process::shown(command);
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{shown}`"))?;
        let output = child.stdout.take().expect("stdout is piped");
        for line in BufReader::new(output).split(b'\n') {
            let line = line.with_context(|| format!("cannot read what `{shown}` prints"))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            self.add_line(&line);
        }
        let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
        if !status.success() {
            bail!("`{shown}` failed ({status})");
        }
        Ok(())
    }

    /// Adds a line like `test result: ok. 3 passed; 0 failed; 0 ignored; ...`; others count nothing.
    fn add_line(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                Some(_) | None => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up_and_others_count_nothing() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test tests::it_says_9_passed ... ok",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            "test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "9 passed; 9 failed",
        ] {
            tally.add_line(line);
        }
        assert_eq!(tally, Tally { passed: 7, failed: 1 });
        assert_eq!(tally.ran(), 8);
        assert_eq!(tally.to_string(), "7 passed, 1 failed");
    }

    #[test]
    fn a_failing_command_is_an_error_and_still_counted() {
        let mut tally = Tally::default();
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'test result: FAILED. 1 passed; 2 failed; 0 ignored'; exit 101"]);
        assert!(tally.run(&mut command).is_err());
        assert_eq!(tally, Tally { passed: 1, failed: 2 });
    }
}
