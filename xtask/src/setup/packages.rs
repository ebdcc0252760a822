//! The Debian packages with the programs that labs, root tests and benchmarks call.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::say;
use crate::{process, workspace};

/// A program, and the Debian packages that bring it.
pub(super) type Program = (&'static str, &'static [&'static str]);

/// What every lab calls.
pub(super) const LABS: [Program; 3] = [("ip", &["iproute2"]), ("tc", &["iproute2"]), ("nft", &["nftables"])];

/// What shows the web page in its tests; without a font it would show boxes.
pub(super) const PAGES: [Program; 1] = [("chromium", &["chromium", "fonts-dejavu-core"])];

/// What afc is measured beside, and what loads the machine meanwhile.
pub(super) const PEERS: [Program; 3] =
    [("keepalived", &["keepalived"]), ("/usr/lib/frr/bfdd", &["frr"]), ("stress-ng", &["stress-ng"])];

/// What a program's packages would start on this host, at once and at each boot.
const UNITS: [(&str, &str); 2] = [("keepalived", "keepalived.service"), ("/usr/lib/frr/bfdd", "frr.service")];

/// Does what apt-get is asked to do; a second time where it fails with lists that were never fetched, or that name
/// versions which the mirror has dropped.
pub(super) fn run_with_fresh_lists(mut run: impl FnMut() -> Result<()>) -> Result<()> {
    run().or_else(|_| {
        process::run_long(&mut apt_get(&["update"]), &log())?;
        run()
    })
}

/// Installs the packages whose programs are missing.
pub(super) fn ensure(programs: &[Program]) -> Result<()> {
    let missing = programs.iter().filter(|(program, _)| !is_there(program));
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

/// The same, and keeps the host from running what it installs: a unit that is masked beforehand is not started. Packages that
/// are there already are the host's own affair.
pub(super) fn ensure_asleep(programs: &[Program]) -> Result<()> {
    let is_missing = |of: &str| programs.iter().any(|(program, _)| *program == of && !is_there(program));
    let units: Vec<&str> =
        UNITS.iter().filter(|(program, _)| is_missing(program)).map(|(_, unit)| *unit).collect();
    if !units.is_empty() && Path::new("/run/systemd/system").exists() {
        say(&format!("masking {}: only labs shall run them", units.join(", ")));
        process::run(process::as_root("systemctl").args(["--quiet", "mask"]).args(units))?;
    }
    ensure(programs)
}

/// By its name, or where it lies if that is in no `PATH`.
fn is_there(program: &str) -> bool {
    if program.starts_with('/') { Path::new(program).is_file() } else { process::find(program).is_some() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_or_by_path() {
        assert!(is_there("sh") && is_there("/bin/sh"));
        assert!(!is_there("no-such-program") && !is_there("/no/such/program"));
    }
}
