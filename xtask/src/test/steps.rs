//! What `cargo xtask test` does, step by step: which cargo command each step is.
//!
//! All steps on the host select the whole workspace, and tests are told apart by name: for a smaller selection cargo
//! would build shared dependencies anew, with just the features that it needs.

use std::env::consts::ARCH;
use std::process::Command;

use anyhow::Result;

use super::tally::Tally;
use crate::setup::Need;
use crate::{process, root_test, tidy, workspace};

/// The packages whose tests need root: that of the labs, and what measures in them.
const ROOT_TESTS: [&str; 2] = ["tests", "bench"];

/// Packages whose integration tests need no root.
const PACKAGES: [&str; 5] = ["afc-agent", "afc-ebpf", "afc-engine", "model", "xtask"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Format,
    Tidy,
    HostClippy,
    BpfClippy,
    Deny,
    Docs,
    DocTests,
    UnitTests,
    RootTests,
}

impl Step {
    /// In the order in which they run: what fails fast first, and tests last, whose result closes the output.
    pub(super) const ALL: [Self; 9] = [
        Self::Format,
        Self::Tidy,
        Self::HostClippy,
        Self::BpfClippy,
        Self::Deny,
        Self::Docs,
        Self::DocTests,
        Self::UnitTests,
        Self::RootTests,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Format => "formatting",
            Self::Tidy => "house rules",
            Self::HostClippy => "clippy on the host",
            Self::BpfClippy => "clippy on the BPF target",
            Self::Deny => "licences and origins of dependencies",
            Self::Docs => "documentation",
            Self::DocTests => "examples in the documentation",
            Self::UnitTests => "unit tests",
            Self::RootTests => "tests that need root",
        }
    }

    /// Whether `--quick` keeps it.
    pub(super) fn is_quick(self) -> bool {
        matches!(self, Self::Format | Self::Tidy | Self::HostClippy | Self::UnitTests)
    }

    /// Whether it runs tests, to which a filter applies.
    pub(super) fn runs_tests(self) -> bool {
        matches!(self, Self::DocTests | Self::UnitTests | Self::RootTests)
    }

    /// What must be installed. Building on the host needs the BPF tools too: the agent contains the BPF object.
    pub(super) fn needs(self) -> &'static [Need] {
        match self {
            Self::Format | Self::Tidy => &[],
            Self::HostClippy | Self::BpfClippy | Self::Docs | Self::DocTests | Self::UnitTests => {
                Need::TO_BUILD
            }
            Self::Deny => &[Need::CargoDeny],
            Self::RootTests => Need::TO_TEST,
        }
    }

    pub(super) fn run(self, filter: Option<&str>, tally: &mut Tally) -> Result<()> {
        match self {
            Self::Format => process::run(&mut cargo("fmt --all -- --check --files-with-diff")),
            Self::Tidy => tidy::run(),
            Self::HostClippy => {
                process::run(&mut cargo("clippy --workspace --all-targets -- --deny warnings"))
            }
            Self::BpfClippy => process::run(&mut bpf_clippy()),
            // Not the advisories: their database is no package, and its server need not be in reach.
            Self::Deny => {
                process::run(&mut cargo("deny --locked --log-level error check licenses bans sources"))
            }
            Self::Docs => process::run(
                cargo("doc --workspace --no-deps --document-private-items")
                    .env("RUSTDOCFLAGS", "--deny warnings"),
            ),
            Self::DocTests => tally.run(&mut doc_tests(filter)),
            Self::UnitTests => tally.run(&mut unit_tests(filter)),
            Self::RootTests => root_tests(filter, tally),
        }
    }
}

/// With a target directory of its own: build scripts of common dependencies watch `RUSTC_BOOTSTRAP`, and would
/// make cargo build everything again, here and then on the host.
fn bpf_clippy() -> Command {
    // What decides which code is compiled, as in `bpf-build`.
    let arch = format!("--cfg=bpf_target_arch=\"{ARCH}\"");
    let flags = [arch.as_str(), "-Ctarget-cpu=v3"].join("\x1f");
    let mut command = cargo("clippy --package afc-ebpf --package afc-observer --bins --profile bpf");
    command.args("-Z build-std=core --target bpfel-unknown-none --target-dir".split(' '));
    command.arg(workspace::target_dir().join("bpf-clippy")).args(["--", "--deny", "warnings"]);
    command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_ENCODED_RUSTFLAGS", flags);
    command
}

fn unit_tests(filter: Option<&str>) -> Command {
    let mut targets = vec!["--lib".to_owned(), "--bins".to_owned()];
    targets.extend(PACKAGES.into_iter().flat_map(integration_targets));
    tests(&targets, filter)
}

fn doc_tests(filter: Option<&str>) -> Command {
    tests(&["--doc".to_owned()], filter)
}

/// Builds them as the user and runs them as root, one at a time: they share the machine's clock and cores.
fn root_tests(filter: Option<&str>, tally: &mut Tally) -> Result<()> {
    let targets: Vec<String> = ROOT_TESTS.into_iter().flat_map(integration_targets).collect();
    if targets.is_empty() {
        println!("there are none");
        return Ok(());
    }
    let mut command = tests(&targets, filter);
    root_test::prepare(&mut command)?;
    tally.run(command.args(["--", "--test-threads=1"]))
}

/// `cargo test` of these targets, all of them even if one fails, so that the sum is of all.
fn tests(targets: &[String], filter: Option<&str>) -> Command {
    let mut command = cargo("test --workspace --no-fail-fast");
    command.args(targets).args(filter);
    command
}

/// cargo with these arguments, none of which has a space in it.
fn cargo(arguments: &str) -> Command {
    let mut command = process::cargo();
    command.args(arguments.split(' '));
    command
}

/// The arguments that select a package's integration tests.
fn integration_targets(package: &str) -> Vec<String> {
    workspace::integration_tests(package).into_iter().flat_map(|name| ["--test".to_owned(), name]).collect()
}
