//! `cargo xtask`: everything that is done to this repository, one file per command.
//!
//! Parses the command line and calls one function; does no work itself.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod process;
mod root_test;
mod run;
mod setup;
mod soak;
mod test;
mod tidy;
mod workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Everything that is done to this repository"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring up the five-node cluster and watch it fail over
    Run(run::RunArgs),
    /// Check and test everything, as CI does
    Test(test::TestArgs),
    /// Run the long forms of tests; all of them without a name
    Soak(soak::SoakArgs),
    /// Measure afc beside what people use today
    Bench(Box<bench::BenchArgs>),
    /// Check the house rules that a program can check
    Tidy,
    /// Install what building and testing need; `run` and `test` do this first
    Setup(setup::SetupArgs),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => setup::for_run().and_then(|()| run::run(&arguments)),
        Command::Test(arguments) => test::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Tidy => tidy::run(),
        Command::Setup(arguments) => setup::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
