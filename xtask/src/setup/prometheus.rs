//! Debian's Prometheus, whose programs the tests of metrics call: `promtool` and the server itself.
//!
//! Unpacked for this repository alone and not installed: the package would start a server on every interface of the
//! machine. Both programs need nothing but the C library.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use super::{packages, say};
use crate::{process, workspace};

const PROGRAMS: [&str; 2] = ["prometheus", "promtool"];

/// Unpacks the package into `target/tools`, unless its programs are there or the machine has them.
pub(super) fn ensure() -> Result<()> {
    if PROGRAMS.iter().all(|program| process::find(program).is_some()) {
        return Ok(());
    }
    say("unpacking Debian's prometheus into target/tools");
    let scratch = workspace::target_dir().join("setup/prometheus");
    take(&scratch).with_context(
        || "prometheus and promtool are missing; by hand: apt-get install --no-install-recommends prometheus",
    )?;
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))
}

fn take(scratch: &Path) -> Result<()> {
    if scratch.exists() {
        fs::remove_dir_all(scratch).with_context(|| format!("cannot empty {}", scratch.display()))?;
    }
    fs::create_dir_all(scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    let mut download = Command::new("apt-get");
    download.args(["--option", "Acquire::Retries=3", "download", "prometheus"]).current_dir(scratch);
    packages::run_with_fresh_lists(|| process::output(&mut download).map(drop))?;
    let mut files = scratch.read_dir().context("the scratch directory vanished")?.flatten();
    let archive = files.find(|file| file.path().extension().is_some_and(|end| end == "deb"));
    let archive = archive.context("apt-get brought no file")?.path();
    let unpacked = scratch.join("unpacked");
    process::run(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(&unpacked))?;
    for program in PROGRAMS {
        let place = workspace::tools_dir().join("bin").join(program);
        process::create_parent(&place)?;
        let unpacked = unpacked.join("usr/bin").join(program);
        fs::rename(unpacked, &place).with_context(|| format!("cannot create {}", place.display()))?;
    }
    Ok(())
}
