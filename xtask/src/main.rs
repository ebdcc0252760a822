//! `cargo xtask`: everything that is done to this repository.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod process;
mod run;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring up the five-node cluster and watch it fail over
    Run(run::RunArgs),
}

fn main() -> ExitCode {
    let Command::Run(arguments) = Arguments::parse().command;
    match run::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
