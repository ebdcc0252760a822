//! `afc`: parses the command line, does what it says, and turns an error into an exit status.

use std::process::ExitCode;

use afc_agent::{cli, config::Config};
use clap::Parser;

fn main() -> ExitCode {
    match cli::dispatch(cli::Cli::parse(), run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("afc: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The agent. The integrator puts `afc_agent::agent::run` in its place.
fn run(_: Config) -> anyhow::Result<()> {
    anyhow::bail!("this build has no agent")
}
