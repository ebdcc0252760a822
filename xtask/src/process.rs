//! Starting programs.

use std::process::Command;

use anyhow::{Context, Result, bail};

pub(crate) fn cargo() -> Command {
    Command::new("cargo")
}

pub(crate) fn as_root(program: &str) -> Command {
    Command::new(program)
}

pub(crate) fn root_prefix() -> &'static [&'static str] {
    &[]
}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().context("cannot start")?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}
