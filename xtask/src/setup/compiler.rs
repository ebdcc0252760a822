//! Which compiler this is: its release, its LLVM, its sysroot. Installs nothing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The `rustc` that cargo calls.
pub(super) struct Compiler {
    /// As in "1.95.0".
    pub(super) release: String,
    /// The major version of the LLVM that it writes bitcode with.
    pub(super) llvm: u32,
    pub(super) sysroot: PathBuf,
}

impl Compiler {
    pub(super) fn find() -> Result<Self> {
        let version = process::output(Command::new("rustc").arg("-vV"))?;
        let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
        Self::parse(&version, sysroot.trim_end().into()).with_context(|| format!("rustc says\n{version}"))
    }

    fn parse(version: &str, sysroot: PathBuf) -> Result<Self> {
        let field = |name: &str| {
            let mut values = version.lines().filter_map(|line| line.strip_prefix(name));
            values.next().with_context(|| format!("rustc does not say its `{name}`"))
        };
        let llvm = field("LLVM version: ")?;
        let llvm = llvm.split('.').next().unwrap_or_default().parse().context("no LLVM version")?;
        Ok(Self { release: field("release: ")?.to_owned(), llvm, sysroot })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_and_llvm_are_read_from_what_rustc_prints() {
        let version =
            "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nrelease: 1.95.0\nLLVM version: 22.1.2\n";
        let compiler = Compiler::parse(version, "/sysroot".into()).unwrap();
        assert_eq!((compiler.release.as_str(), compiler.llvm), ("1.95.0", 22));
    }

    #[test]
    fn a_compiler_without_llvm_is_refused() {
        assert!(Compiler::parse("release: 1.95.0\n", "/sysroot".into()).is_err());
    }
}
