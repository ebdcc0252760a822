//! The Debian packages with the programs that labs and root tests call.

use std::process::Command;

use anyhow::{Context, Result};

use super::say;
use crate::{process, workspace};

/// A program and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 3] = [("ip", "iproute2"), ("tc", "iproute2"), ("nft", "nftables")];

/// Installs the packages whose programs are missing.
pub(super) fn ensure() -> Result<()> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| process::find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("installing Debian's {}", missing.join(", ")));
    let log = workspace::target_dir().join("setup/apt-get.log");
    let installed = process::run_long(&mut install(&missing), &log).or_else(|_| {
        // Lists that were never fetched, or that name versions which the mirror has dropped.
        process::run_long(&mut apt_get(&["update"]), &log)?;
        process::run_long(&mut install(&missing), &log)
    });
    installed.with_context(|| {
        let missing = missing.join(" ");
        format!("{missing}: not installed; as root: apt-get update && apt-get install {missing}")
    })
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
