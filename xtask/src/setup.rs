//! `cargo xtask setup`: finds or installs what Debian and rustup's Rust alone do not bring.
//!
//! Each need is a file under `setup/` with one function `ensure`: silent if nothing is to do, else it says in
//! one line what it does, and an error says what to run by hand. Nothing here builds this workspace.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;

use compiler::Compiler;

mod cargo_deny;
mod compiler;
mod linker;
mod mirror;
mod packages;
mod prometheus;
mod rust_source;

/// Something that a command cannot work without; in the order in which they are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// bpf-linker, which makes the BPF object.
    BpfLinker,
    /// The standard library's source: there is no ready-made `core` for BPF.
    RustSource,
    /// Debian packages with the programs that labs call.
    Packages,
    /// Debian's Chromium, which shows the web page.
    Chromium,
    /// Debian's Prometheus, which reads the metrics and checks the alert rules.
    Prometheus,
    /// Debian packages of what afc is measured beside, and of what loads the machine meanwhile.
    Peers,
    /// cargo-deny, which checks the dependencies' licences and origins.
    CargoDeny,
}

impl Need {
    /// What it takes to build the agent.
    pub(crate) const TO_BUILD: &[Self] = &[Self::BpfLinker, Self::RustSource];

    /// What it takes to build the agent and run it in a lab.
    pub(crate) const TO_RUN: &[Self] = &[Self::BpfLinker, Self::RustSource, Self::Packages];

    /// What it takes to measure it beside others.
    pub(crate) const TO_BENCH: &[Self] = &[Self::BpfLinker, Self::RustSource, Self::Packages, Self::Peers];

    /// What it takes to run the tests that need root.
    pub(crate) const TO_TEST: &[Self] =
        &[Self::BpfLinker, Self::RustSource, Self::Packages, Self::Chromium, Self::Prometheus, Self::Peers];

    /// Everything.
    const ALL: &[Self] = &[
        Self::BpfLinker,
        Self::RustSource,
        Self::Packages,
        Self::Chromium,
        Self::Prometheus,
        Self::Peers,
        Self::CargoDeny,
    ];
}

/// What `cargo xtask setup` takes.
#[derive(clap::Args)]
pub(crate) struct SetupArgs {
    /// Put the standard library's source into this sysroot instead of the compiler's
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
}

/// `cargo xtask setup`: everything that any command needs.
pub(crate) fn run(arguments: &SetupArgs) -> Result<()> {
    meet(Need::ALL, arguments.sysroot.as_deref())
}

/// Meets each need that is not met yet.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    meet(needs, None)
}

/// What `cargo xtask run` needs: nothing to build with if `AFC_BIN` names the agent, as it does where we have
/// become root, without the user's compiler.
pub(crate) fn for_run() -> Result<()> {
    let is_built = env::var_os("AFC_BIN").is_some();
    ensure(if is_built { &[Need::Packages] } else { Need::TO_RUN })
}

fn meet(needs: &[Need], sysroot: Option<&Path>) -> Result<()> {
    for need in needs {
        match need {
            Need::BpfLinker => linker::ensure(&Compiler::find()?)?,
            Need::RustSource => rust_source::ensure(&Compiler::find()?, sysroot)?,
            Need::Packages => packages::ensure(&packages::LABS)?,
            Need::Chromium => packages::ensure(&packages::PAGES)?,
            Need::Prometheus => prometheus::ensure()?,
            Need::Peers => packages::ensure_asleep(&packages::PEERS)?,
            Need::CargoDeny => cargo_deny::ensure()?,
        }
    }
    Ok(())
}

/// One line about what is being done.
fn say(what: &str) {
    eprintln!("setup: {what}");
}
