//! The Debian packages with the programs that labs and root tests call.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::say;
use crate::{process, workspace};

/// A program, and the Debian packages that bring it.
type Program = (&'static str, &'static [&'static str]);

/// What every lab calls.
const OF_LABS: [Program; 3] = [("ip", &["iproute2"]), ("tc", &["iproute2"]), ("nft", &["nftables"])];

/// What shows the web page in its tests; without a font it would show boxes.
const OF_PAGES: [Program; 1] = [("chromium", &["chromium", "fonts-dejavu-core"])];

/// Installs what labs need and is missing.
pub(super) fn ensure_for_labs() -> Result<()> {
    ensure(&OF_LABS)
}

/// Installs what the web page's tests need and is missing.
pub(super) fn ensure_for_pages() -> Result<()> {
    ensure(&OF_PAGES)
}

/// Does what apt-get is asked to do; a second time where it fails with lists that were never fetched, or that name
/// versions which the mirror has dropped.
pub(super) fn run_with_fresh_lists(mut run: impl FnMut() -> Result<()>) -> Result<()> {
    run().or_else(|_| {
        process::run_long(&mut apt_get(&["update"]), &log())?;
        run()
    })
}

/// Installs the packages whose programs are missing.
fn ensure(programs: &[Program]) -> Result<()> {
    let missing = programs.iter().filter(|(program, _)| process::find(program).is_none());
    let mut missing: Vec<&str> = missing.flat_map(|(_, packages)| *packages).copied().collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("installing Debian's {}", missing.join(", ")));
    let installed = run_with_fresh_lists(|| process::run_long(&mut install(&missing), &log()));
    installed.with_context(|| {
        let missing = missing.join(" ");
        format!("{missing}: not installed; as root: apt-get update && apt-get install {missing}")
    })
}

fn log() -> PathBuf {
    workspace::target_dir().join("setup/apt-get.log")
}

fn install(packages: &[&str]) -> Command {
    let mut command = apt_get(&["install", "--yes", "--no-install-recommends"]);
    command.args(packages);
    command
}

/// apt-get as root, which asks nothing, waits for another one to end, and tries again a few times.
fn apt_get(arguments: &[&str]) -> Command {
    let mut command = process::as_root("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command.args(["--option", "Acquire::Retries=3", "--option", "DPkg::Lock::Timeout=120"]).args(arguments);
    command
}
