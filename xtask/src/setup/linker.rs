//! bpf-linker: turns the compiler's bitcode into the BPF object.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{compiler::Compiler, say};
use crate::{process, workspace};

/// The version that the BPF object is tested with.
const VERSION: &str = "0.10.4";

/// It reads bitcode with the compiler's own LLVM library, through the interface of this major version.
const LLVM: u32 = 22;

/// Installs bpf-linker where `cargo install` does, unless this very version is there.
pub(super) fn ensure(compiler: &Compiler) -> Result<()> {
    if compiler.llvm != LLVM {
        bail!(
            "rustc {} has LLVM {}, but bpf-linker {VERSION} needs LLVM {LLVM}: \
             run `rustup toolchain install 1.95.0 && rustup override set 1.95.0`",
            compiler.release,
            compiler.llvm
        );
    }
    let installed = installed_version();
    match installed.as_deref() {
        Some(VERSION) => return Ok(()),
        Some(other) => say(&format!("replacing bpf-linker {other} by {VERSION}: takes a minute or two")),
        None => say(&format!("installing bpf-linker {VERSION}: takes a minute or two")),
    }
    let mut install = process::cargo();
    install.args(["install", "--locked", "--force", &format!("bpf-linker@{VERSION}")]);
    process::run_long(&mut install, &workspace::target_dir().join("setup/bpf-linker.log"))
        .with_context(|| format!("bpf-linker is missing; by hand: {}", process::shown(&install)))
}

fn installed_version() -> Option<String> {
    let said = process::output(Command::new(process::find("bpf-linker")?).arg("--version")).ok()?;
    Some(said.trim().strip_prefix("bpf-linker ")?.to_owned())
}
