//! `cargo xtask run`: builds the agent; the cluster it runs in comes with the lab.

use anyhow::{Result, bail};

use crate::process;

/// What `cargo xtask run` takes.
#[derive(clap::Args)]
pub(crate) struct RunArgs {}

/// Builds the agent, then says that there is no lab to run it in.
pub(crate) fn run(_args: &RunArgs) -> Result<()> {
    process::run(process::cargo().args(["build", "--package", "afc-agent"]))?;
    bail!("the lab is not part of this tree yet")
}
