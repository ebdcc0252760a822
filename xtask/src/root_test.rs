//! Tests that need root: built as the user, run as root.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Makes a `cargo test` command run what it has built as root. Builds the agent first, which labs start.
pub(crate) fn prepare(command: &mut Command) -> Result<()> {
    process::run(process::cargo().args(["build", "--workspace", "--bin", "afc"]))?;
    let sudo = process::root_prefix();
    if let Some(program) = sudo.first() {
        if process::find(program).is_none() {
            bail!("there is no {program}: run as root");
        }
        let runner = [sudo, &["--preserve-env"]].concat();
        command.arg("--config").arg(format!("target.'cfg(all())'.runner={runner:?}"));
    }
    Ok(())
}
