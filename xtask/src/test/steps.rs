//! What `cargo xtask test` does, step by step: which cargo command each step is.
//!
//! All steps on the host select the whole workspace, and tell targets apart by name: cargo would build shared
//! dependencies anew for each smaller selection, with just the features it needs. The BPF binary compiles for
//! its own target only, so no step on the host may select it.

use std::env::consts::ARCH;
use std::process::Command;

use anyhow::{Result, bail};

use super::tally::Tally;
use crate::setup::Need;
use crate::{process, tidy, workspace};

/// The binaries that run on the host.
const BINARIES: [&str; 4] = ["--bin", "afc", "--bin", "xtask"];

/// The package of the labs and of the tests that need root.
const ROOT_TESTS: &str = "tests";

/// Packages whose integration tests need no root.
const PACKAGES: [&str; 3] = ["afc-agent", "afc-ebpf", "xtask"];

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
        matches!(
            self,
            Self::Format | Self::Tidy | Self::HostClippy | Self::UnitTests
        )
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
            Self::RootTests => Need::TO_RUN,
        }
    }

    pub(super) fn run(self, filter: Option<&str>, tally: &mut Tally) -> Result<()> {
        match self {
            Self::Format => {
                process::run(process::cargo().args(["fmt", "--all", "--", "--check", "--files-with-diff"]))
            }
            Self::Tidy => tidy::run(),
            Self::HostClippy => process::run(&mut host_clippy()),
            Self::BpfClippy => process::run(&mut bpf_clippy()),
            Self::Deny => process::run(&mut deny()),
            Self::Docs => process::run(&mut docs()),
            Self::DocTests => tally.run(&mut doc_tests(filter)),
            Self::UnitTests => tally.run(&mut unit_tests(filter)),
            Self::RootTests => root_tests(filter, tally),
        }
    }
}

fn host_clippy() -> Command {
    let mut command = process::cargo();
    command
        .args(["clippy", "--workspace", "--lib", "--tests", "--examples"])
        .args(BINARIES);
    command.args(["--", "--deny", "warnings"]);
    command
}

/// With a target directory of its own: build scripts of common dependencies watch `RUSTC_BOOTSTRAP`, and would
/// make cargo build everything again, here and then on the host.
fn bpf_clippy() -> Command {
    // What decides which code is compiled, as in `afc-agent/build.rs`.
    let flags = [
        format!("--cfg=bpf_target_arch=\"{ARCH}\""),
        "-Ctarget-cpu=v3".to_owned(),
    ];
    let mut command = process::cargo();
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    command.args([
        "clippy",
        "--package",
        "afc-ebpf",
        "--bin",
        "afc-datapath",
        "--profile",
        "bpf",
    ]);
    command.args([
        "-Z",
        "build-std=core",
        "--target",
        "bpfel-unknown-none",
        "--target-dir",
    ]);
    command
        .arg(workspace::target_dir().join("bpf-clippy"))
        .args(["--", "--deny", "warnings"]);
    command
}

/// Not the advisories: their database is no package, and its server need not be in reach.
fn deny() -> Command {
    let mut command = process::cargo();
    command.args([
        "deny",
        "--locked",
        "--log-level",
        "error",
        "check",
        "licenses",
        "bans",
        "sources",
    ]);
    command
}

fn docs() -> Command {
    let mut command = process::cargo();
    command.env("RUSTDOCFLAGS", "--deny warnings");
    command.args([
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--lib",
        "--bin",
        "xtask",
    ]);
    command
}

fn unit_tests(filter: Option<&str>) -> Command {
    let mut targets: Vec<String> = ["--lib"]
        .iter()
        .chain(&BINARIES)
        .map(|word| (*word).to_owned())
        .collect();
    targets.extend(PACKAGES.into_iter().flat_map(integration_targets));
    tests(&targets, filter)
}

fn doc_tests(filter: Option<&str>) -> Command {
    tests(&["--doc".to_owned()], filter)
}

/// Builds them as the user and runs them as root, one at a time: they share the machine's clock and cores.
fn root_tests(filter: Option<&str>, tally: &mut Tally) -> Result<()> {
    let targets = integration_targets(ROOT_TESTS);
    if targets.is_empty() {
        println!("there are none");
        return Ok(());
    }
    // The labs start it.
    process::run(process::cargo().args(["build", "--workspace", "--bin", "afc"]))?;
    let mut command = tests(&targets, filter);
    let sudo = process::root_prefix();
    if let Some(program) = sudo.first() {
        if process::find(program).is_none() {
            bail!("there is no {program}: run as root");
        }
        let runner = [sudo, &["--preserve-env"]].concat();
        command
            .arg("--config")
            .arg(format!("target.'cfg(all())'.runner={runner:?}"));
    }
    tally.run(command.args(["--", "--test-threads=1"]))
}

/// `cargo test` of these targets, all of them even if one fails, so that the sum is of all.
fn tests(targets: &[String], filter: Option<&str>) -> Command {
    let mut command = process::cargo();
    command
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(targets)
        .args(filter);
    command
}

/// The arguments that select a package's integration tests.
fn integration_targets(package: &str) -> Vec<String> {
    workspace::integration_tests(package)
        .into_iter()
        .flat_map(|name| ["--test".to_owned(), name])
        .collect()
}
