//! The standard library's source, of exactly the compiler's release: `-Z build-std=core` builds `core` for BPF
//! from it.
//!
//! rustup has it, if its server answers. Else Debian's `rust-src` of the same release is unpacked into the
//! sysroot; a stamp beside it tells which release it is, so that it is replaced when the compiler is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{compiler::Compiler, mirror, say};
use crate::{process, workspace};

/// Seconds until rustup's server counts as out of reach.
const RUSTUP_TIMEOUT: &str = "120";

/// Puts the source into the compiler's sysroot, or into the one given, unless it is there.
pub(super) fn ensure(compiler: &Compiler, sysroot: Option<&Path>) -> Result<()> {
    let place = Place::in_sysroot(sysroot.unwrap_or(&compiler.sysroot));
    if place.holds(&compiler.release) {
        return Ok(());
    }
    // rustup knows the compiler's own sysroot only.
    if sysroot.is_none() && from_rustup() && place.holds(&compiler.release) {
        return Ok(());
    }
    from_debian(&compiler.release, &place).with_context(|| {
        format!(
            "the source of Rust {0}'s standard library is missing; by hand: `rustup component add rust-src`, \
             or unpack {0}'s library/ as {1}",
            compiler.release,
            place.library.display()
        )
    })
}

/// Where a sysroot keeps the source.
struct Place {
    library: PathBuf,
    /// Which release we put there; missing if somebody else did.
    stamp: PathBuf,
}

impl Place {
    fn in_sysroot(sysroot: &Path) -> Self {
        let directory = sysroot.join("lib/rustlib/src/rust");
        Self { library: directory.join("library"), stamp: directory.join("library.release") }
    }

    /// Whether the source is there and, as far as can be told, of this release. rustup's needs no stamp: it
    /// comes and goes with the compiler.
    fn holds(&self, release: &str) -> bool {
        let stamped = fs::read_to_string(&self.stamp).ok();
        self.library.join("core/src/lib.rs").is_file() && stamped.is_none_or(|stamp| stamp.trim() == release)
    }

    /// Takes a copy of `source`. What is half copied has another name.
    fn fill(&self, source: &Path, release: &str) -> Result<()> {
        let partial = self.library.with_extension("partial");
        process::create_parent(&partial)?;
        for old in [&partial, &self.library] {
            if old.exists() {
                fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
            }
        }
        process::run(
            Command::new("cp").args(["--recursive", "--no-target-directory"]).arg(source).arg(&partial),
        )?;
        fs::write(&self.stamp, release).with_context(|| format!("cannot write {}", self.stamp.display()))?;
        fs::rename(&partial, &self.library)
            .with_context(|| format!("cannot create {}", self.library.display()))
    }
}

/// Whether rustup brought it. Why it did not does not matter: Debian is asked next.
fn from_rustup() -> bool {
    if process::find("rustup").is_none() {
        return false;
    }
    say("adding rustup's component rust-src");
    let mut add = Command::new("timeout");
    add.args([RUSTUP_TIMEOUT, "rustup", "component", "add", "rust-src"]);
    process::run_long(&mut add, &workspace::target_dir().join("setup/rustup.log")).is_ok()
}

fn from_debian(release: &str, place: &Place) -> Result<()> {
    say(&format!("taking rust-src {release} from Debian, through this machine's own mirror"));
    let scratch = workspace::target_dir().join("setup/rust-src");
    let archive = mirror::download("rust-src", release, &scratch)?;
    let unpacked = scratch.join("unpacked");
    let mut unpack = Command::new("dpkg-deb");
    process::run(unpack.arg("--extract").arg(archive).arg(&unpacked))?;
    let source = unpacked.join(format!("usr/src/rustc-{release}/library"));
    if !source.is_dir() {
        bail!("Debian's rust-src has no {}", source.display());
    }
    place.fill(&source, release)?;
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysroot_holds_the_source_only_of_the_release_on_its_stamp() {
        let sysroot = std::env::temp_dir().join(format!("afc-xtask-sysroot-{}", std::process::id()));
        let source = sysroot.join("source");
        fs::create_dir_all(source.join("core/src")).unwrap();
        fs::write(source.join("core/src/lib.rs"), "").unwrap();
        let place = Place::in_sysroot(&sysroot);
        assert!(!place.holds("1.95.0"), "nothing is there yet");

        place.fill(&source, "1.95.0").unwrap();
        assert!(place.holds("1.95.0"));
        assert!(!place.holds("1.96.0"), "left behind by an older compiler");

        place.fill(&source, "1.96.0").unwrap();
        assert!(place.holds("1.96.0"), "the old source was replaced");

        fs::remove_file(&place.stamp).unwrap();
        assert!(place.holds("1.97.0"), "rustup's has no stamp");
        fs::remove_dir_all(&sysroot).unwrap();
    }
}
