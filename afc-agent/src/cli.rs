//! The command line: what may be asked for, and which function does it.

mod check;
mod read;
mod replay;
mod watch;

use std::{error::Error, io, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use thiserror::Error;

use crate::{
    config::{self, Config, ConfigError},
    control::{Duty, client::ClientError},
    key::{self, KeygenError},
    top::TopError,
};

pub use watch::Watching;

/// afc keeps virtual IPs served: the failover agent of one node, and the commands that talk to it.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_STATUS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Shown below every help.
const EXIT_STATUS: &str = "Exit status: 0 done, 1 refused or failed, 2 wrong usage.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run this node's agent in the foreground.
    #[command(after_help = "Examples:\n  afc run\n  afc run --config /etc/afc/edge.toml\n  \
        afc run --record /var/tmp/n1.recording\n\nSIGTERM and SIGINT \
        release what it serves and end it. The log goes to standard error; RUST_LOG chooses how much.")]
    Run {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigPath,
        /// Record every event and effect of the engine in this file, for `afc replay`; in place of agent.record.
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// Check a configuration file: list every error with its line.
    #[command(
        after_help = "Examples:\n  afc check\n  afc check --config edge.toml\n  afc check --config edge.toml --json\n\n\
        Errors make the exit status 1. Warnings, such as a key file that this machine does not have, and notes do not."
    )]
    Check {
        /// The configuration file.
        #[command(flatten)]
        config: ConfigPath,
        /// Print a JSON list.
        #[arg(long)]
        json: bool,
    },
    /// Make a key file with a new secret, mode 0600.
    #[command(
        after_help = "Examples:\n  afc keygen /etc/afc/cluster.key\n\nEvery node of a cluster needs the same file. \
        An existing file is never overwritten."
    )]
    Keygen {
        /// The file to make.
        path: PathBuf,
    },
    /// Show who serves what, and how the nodes are.
    #[command(
        after_help = "Examples:\n  afc status\n  afc status --json | jq '.services[] | {name, owner}'\n  \
        afc status --socket /run/afc/edge.sock\n\nIn the table a backup is A (available) or N with its reasons."
    )]
    Status(Reading),
    /// Watch the cluster live: services, leases, lists, nodes, counters, events.
    #[command(after_help = "Examples:\n  afc top\n  afc top --interval 2s --socket /run/afc/edge.sock\n  \
        afc top --once\n  afc top --count 60 --interval 1s > minute.txt\n  watch -n 5 afc top --once\n\n\
        On a terminal: q quits, ? explains the other keys. Anywhere else it prints plain text, a frame each interval, until its \
        reader hangs up. NO_COLOR=1 asks for no colours; in a locale without UTF-8 bars are ASCII. Scripts are better \
        served by `afc status --json`, `afc lists --json` and `afc events --json`.")]
    Top(Watching),
    /// Show what happened on this node: the last 1024 state changes, those before a restart of the agent too.
    #[command(
        after_help = "Examples:\n  afc events\n  afc events --follow\n  afc events --json --after 40\n\n\
        With --json one object a line."
    )]
    Events {
        /// How to read.
        #[command(flatten)]
        reading: Reading,
        /// Only events with a greater id.
        #[arg(long, value_name = "ID", default_value_t = 0)]
        after: u64,
        /// Go on with each new event.
        #[arg(long, short)]
        follow: bool,
    },
    /// Show every node's backups, best first, as the agent has them.
    #[command(
        after_help = "Examples:\n  afc lists\n  afc lists --json | jq '.lists[] | {node, backups}'\n  afc lists --follow\n\n\
        A column for each node: its state, A (available) or N (not) with its reasons, and its backups below. Every node \
        computes the same lists; `digest` tells whether it did."
    )]
    Lists {
        /// How to read.
        #[command(flatten)]
        reading: Reading,
        /// Go on with each new version.
        #[arg(long, short)]
        follow: bool,
    },
    /// Explain why each backup of a service stands where it stands: which threshold, since when.
    #[command(
        after_help = "Examples:\n  afc explain web-1\n  afc explain web-1 --json | jq '.candidates[].why'"
    )]
    Explain {
        /// The service.
        service: String,
        /// How to read.
        #[command(flatten)]
        reading: Reading,
    },
    /// Move a service to a node, which takes it over from its owner without a gap.
    #[command(
        after_help = "Examples:\n  afc move web-1 n4\n  afc move web-1 n1 --json\n\nAny node's agent passes it on. \
        The node must be the service's home or among its backups, and have room. The service stays there until something \
        else moves it; its home does not preempt it."
    )]
    Move {
        /// The service.
        service: String,
        /// The node.
        node: String,
        /// How to read.
        #[command(flatten)]
        reading: Reading,
    },
    /// Drain a node: it takes nothing over any more, and gives away what others can serve.
    #[command(
        after_help = "Examples:\n  afc drain n4\n  afc drain n1 --json\n\nAny node's agent passes it on. A drained node \
        stays so across restarts, until `afc undrain`. What nobody else can serve stays where it is."
    )]
    Drain {
        /// The node.
        node: String,
        /// How to read.
        #[command(flatten)]
        reading: Reading,
    },
    /// Put a drained node back into service; services stay where they are, but for those with `preempt`.
    #[command(after_help = "Examples:\n  afc undrain n4")]
    Undrain {
        /// The node.
        node: String,
        /// How to read.
        #[command(flatten)]
        reading: Reading,
    },
    /// Tell a recording again: run the engine over its events and compare what it asks for.
    #[command(after_help = "Examples:\n  afc replay /var/tmp/n1.recording --reports\n  \
        afc replay n1.recording --service web-1 | less\n  \
        afc replay n1.recording --json | jq -c 'select(.event | objects | has(\"doubt\"))'\n\n\
        `afc run --record FILE` makes a recording. Times are seconds since its start. Each event is a line, and beneath it \
        is what the engine asks for. The exit status is 1 if this engine asks for something else than the recorded one \
        did, which a newer version may, or if the recording has a gap; where, is said. A line that was cut off by the \
        agent's death is no failure.")]
    Replay(Replaying),
}

/// What of a recording is shown.
#[derive(Clone, Debug, Args)]
pub struct Replaying {
    /// The recording.
    pub file: PathBuf,
    /// Print one JSON object a line: each step, then how it ended.
    #[arg(long)]
    pub json: bool,
    /// Only state changes.
    #[arg(long)]
    pub reports: bool,
    /// Only what is about this service: its name, or its number as in #0a1b2c3d.
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
}

/// Which configuration file.
#[derive(Clone, Debug, Args)]
pub struct ConfigPath {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
}

/// How a reading command finds the agent and answers.
#[derive(Clone, Debug, Args)]
pub struct Reading {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the agent is.
    #[command(flatten)]
    pub agent: AgentAddress,
}

/// How a command finds the agent.
#[derive(Clone, Debug, Args)]
pub struct AgentAddress {
    /// The agent's control socket [default: /run/afc/afc.sock, or as in --config].
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Take the control socket from this configuration file.
    #[arg(long, short, value_name = "FILE", conflicts_with = "socket")]
    pub config: Option<PathBuf>,
}

/// Why a command failed: one sentence, with the fix where there is one.
#[derive(Debug, Error)]
pub enum CliError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `check` found errors, which it printed.
    #[error("{} has {errors} {}", file.display(), if *errors == 1 { "error" } else { "errors" })]
    Check {
        /// The file.
        file: PathBuf,
        /// How many.
        errors: usize,
    },
    /// No key file was made.
    #[error(transparent)]
    Keygen(#[from] KeygenError),
    /// The agent gave no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// `top` could not go on.
    #[error(transparent)]
    Top(#[from] TopError),
    /// A recording was not replayed to its end, or differs.
    #[error(transparent)]
    Replay(#[from] replay::ReplayError),
    /// The agent could not run.
    #[error("{}", chain(source.as_ref()))]
    Run {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

/// Does what was asked for. `run` is the agent.
///
/// # Errors
/// The command was refused or failed.
pub fn dispatch<E>(cli: Cli, run: impl FnOnce(Config) -> Result<(), E>) -> Result<(), CliError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut out = io::stdout().lock();
    match cli.command {
        Command::Run { config, record } => {
            drop(out);
            let mut config = Config::load(&config.config)?;
            config.agent.record = record.or(config.agent.record);
            run(config).map_err(|error| CliError::Run { source: error.into() })
        }
        Command::Check { config, json } => {
            let form = if json { check::Form::Json } else { check::Form::Text };
            check::check(&config.config, form, &mut out)
        }
        Command::Keygen { path } => Ok(key::generate(&path)?),
        Command::Status(reading) => read::status(&reading, &mut out),
        Command::Top(watching) => {
            drop(out);
            watch::top(&watching)
        }
        Command::Events { reading, after, follow } => {
            read::events(&reading, read::From { after, follow }, &mut out)
        }
        Command::Lists { reading, follow } => {
            let span = if follow { read::Span::Follow } else { read::Span::Now };
            read::lists(&reading, span, &mut out)
        }
        Command::Explain { service, reading } => read::explain(&reading, &service, &mut out),
        Command::Move { service, node, reading } => read::move_service(&reading, &service, &node, &mut out),
        Command::Drain { node, reading } => read::set_duty(&reading, &node, Duty::Drained, &mut out),
        Command::Undrain { node, reading } => read::set_duty(&reading, &node, Duty::InService, &mut out),
        Command::Replay(replaying) => Ok(replay::replay(&replaying, &mut out)?),
    }
}

/// Whether output was printed. That its reader hung up, as in `afc events | head`, is no failure.
fn printed_or_unread(printed: io::Result<()>) -> Result<(), CliError> {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// An error with all its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run_nothing(_: Config) -> Result<(), io::Error> {
        Ok(())
    }

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_examples() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands_mut() {
            let help = sub.render_long_help().to_string();
            assert!(help.contains("Examples:\n  afc "), "{help}");
        }
    }

    #[test]
    fn wrong_usage_is_exit_status_2() {
        for arguments in [
            &["afc"][..],
            &["afc", "dance"],
            &["afc", "keygen"],
            &["afc", "status", "--jason"],
            &["afc", "status", "--socket", "a", "--config", "b"],
            &["afc", "events", "--after", "x"],
            &["afc", "explain"],
            &["afc", "drain"],
            &["afc", "move", "web-1"],
            &["afc", "lists", "n4"],
            &["afc", "replay"],
            &["afc", "replay", "a", "b"],
            &["afc", "run", "--record"],
            &["afc", "top", "--interval", "99ms"],
            &["afc", "top", "--interval", "61s"],
            &["afc", "top", "--interval", "often"],
            &["afc", "top", "--count", "0"],
            &["afc", "top", "--once", "--count", "2"],
            &["afc", "top", "web-1"],
        ] {
            assert_eq!(Cli::try_parse_from(arguments).unwrap_err().exit_code(), 2, "{arguments:?}");
        }
    }

    #[test]
    fn run_gets_a_valid_configuration_or_is_not_called() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("afc.toml");
        std::fs::write(&path, include_str!("../../deploy/afc.toml")).unwrap();
        let cli = || Cli::parse_from(["afc".as_ref(), "run".as_ref(), "--config".as_ref(), path.as_os_str()]);
        let mut ran = false;
        dispatch(cli(), |config| {
            ran = config.cluster.name == "edge";
            run_nothing(config)
        })
        .unwrap();
        assert!(ran);
        let failure = dispatch(cli(), |_| Err(io::Error::other("no BPF"))).unwrap_err();
        assert_eq!(failure.to_string(), "no BPF");
        std::fs::write(&path, "[cluster]\n").unwrap();
        let refused =
            dispatch(cli(), |_| -> Result<(), io::Error> { panic!("ran with a bad file") }).unwrap_err();
        assert!(refused.to_string().contains("afc.toml:1: cluster.name: is missing"), "{refused}");
    }

    #[test]
    fn a_missing_configuration_is_one_sentence_with_the_fix() {
        let cli = Cli::parse_from(["afc", "run", "--config", "/none/afc.toml"]);
        let refused = dispatch(cli, run_nothing).unwrap_err().to_string();
        assert!(refused.starts_with("cannot read the configuration /none/afc.toml: "), "{refused}");
        assert!(refused.ends_with("name another file with --config"), "{refused}");
    }
}
