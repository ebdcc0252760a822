//! `afc`: parses the command line, does what it says, and turns an error into an exit status.

use std::process::ExitCode;

use afc_agent::{agent, cli};
use clap::Parser;

fn main() -> ExitCode {
    match cli::dispatch(cli::Cli::parse(), agent::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("afc: {error}");
            ExitCode::FAILURE
        }
    }
}
