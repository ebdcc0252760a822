//! `cargo xtask soak`: the long forms of tests that `cargo xtask test` runs in short form.
//!
//! A campaign is a test and the variable that makes it long; what it prints passes by as it comes.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::setup::{self, Need};
use crate::{process, root_test};

const EXAMPLES: &str = "\
Examples:
  cargo xtask soak                             # all of them, an hour or so
  cargo xtask soak engine --steps 100000000
  cargo xtask soak discovery                   # 100 changes while 30 % of the controllers' packets are lost
  cargo xtask soak repository --kills 10000
  cargo xtask soak faults --minutes 60
  AFC_FAULTS_SEED=5 cargo xtask soak faults    # the schedule of a run that failed, again
  AFC_FAULTS_JSON=faults.json cargo xtask soak faults

The variables that are set are shown; those of the environment count too. Campaigns with real agents need root.";

/// What `cargo xtask soak` takes.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SoakArgs {
    #[command(subcommand)]
    campaign: Option<Campaign>,
}

/// What can be run for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
enum Campaign {
    /// The fail-over engine's simulation: random faults against the promise and the lists, seed by seed
    Engine {
        /// For how long
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// Or so many simulated clusters,
        #[arg(long, conflicts_with = "seconds")]
        seeds: Option<u64>,
        /// or so many steps
        #[arg(long, conflicts_with_all = ["seconds", "seeds"])]
        steps: Option<u64>,
    },
    /// The engine's simulation of a large cluster: traffic a node and fail-over time against its size
    Growth {
        /// Nodes of the largest cluster
        #[arg(long, default_value_t = 1000)]
        nodes: u64,
    },
    /// The model of the lease protocol: every state that can be reached, of the large models too
    Model,
    /// The local repository: killed at random instants under load, then opened again
    Repository {
        /// Kills
        #[arg(long, default_value_t = 1000)]
        kills: u64,
    },
    /// Discovery: every change of a node's state reaches every node, also when packets are lost
    Discovery {
        /// Changes
        #[arg(long, default_value_t = 100)]
        changes: u64,
    },
    /// The whole cluster: faults of every kind, alone and together, under the eyes of an observer outside
    Faults {
        /// For how long
        #[arg(long, default_value_t = 10)]
        minutes: u64,
    },
}

/// A campaign as cargo's test.
#[derive(Debug, PartialEq, Eq)]
struct LongTest {
    name: &'static str,
    /// Which target, and which of its tests.
    target: &'static [&'static str],
    variable: (&'static str, u64),
    user: User,
}

/// Who may run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    Anybody,
    Root,
}

impl Campaign {
    /// In the order in which they run: the shorter ones first.
    const ALL: [Self; 6] = [
        Self::Growth { nodes: 1000 },
        Self::Discovery { changes: 100 },
        Self::Repository { kills: 1000 },
        Self::Engine { seconds: 600, seeds: None, steps: None },
        Self::Faults { minutes: 10 },
        Self::Model,
    ];

    fn test(self) -> LongTest {
        match self {
            Self::Engine { seconds, seeds, steps } => LongTest {
                name: "engine",
                target: &["--lib", "tests::random::the_promise"],
                variable: match (seeds, steps) {
                    (Some(seeds), _) => ("AFC_SEEDS", seeds),
                    (None, Some(steps)) => ("AFC_STEPS", steps),
                    (None, None) => ("AFC_SECONDS", seconds),
                },
                user: User::Anybody,
            },
            Self::Growth { nodes } => LongTest {
                name: "growth",
                target: &["--lib", "tests::growth"],
                variable: ("AFC_NODES", nodes),
                user: User::Anybody,
            },
            Self::Model => LongTest {
                name: "model",
                target: &["--test", "promise"],
                variable: ("AFC_MODEL_LONG", 1),
                user: User::Anybody,
            },
            Self::Repository { kills } => LongTest {
                name: "repository",
                target: &["--test", "repository"],
                variable: ("AFC_KILLS", kills),
                user: User::Root,
            },
            Self::Discovery { changes } => LongTest {
                name: "discovery",
                target: &["--test", "discovery"],
                variable: ("AFC_CHANGES", changes),
                user: User::Root,
            },
            Self::Faults { minutes } => LongTest {
                name: "faults",
                target: &["--test", "faults"],
                variable: ("AFC_FAULTS_SECONDS", minutes * 60),
                user: User::Root,
            },
        }
    }
}

/// Runs what was asked for, up to the first that fails.
pub(crate) fn run(arguments: &SoakArgs) -> Result<()> {
    setup::ensure(Need::TO_RUN)?;
    let campaigns = arguments.campaign.map_or_else(|| Campaign::ALL.to_vec(), |campaign| vec![campaign]);
    for campaign in &campaigns {
        let test = campaign.test();
        let started = Instant::now();
        let mut command = test.command();
        println!("soak {}: {}", test.name, test.shown(&command));
        if test.user == User::Root {
            root_test::prepare(&mut command)?;
        }
        command.args(["--", "--test-threads=1", "--nocapture"]);
        process::run(&mut command).with_context(|| format!("soak {} failed", test.name))?;
        println!("soak {}: ok, {} s", test.name, started.elapsed().as_secs());
    }
    Ok(())
}

impl LongTest {
    /// `cargo test` of it. Of the whole workspace, like the steps of `cargo xtask test`: what they built is used.
    fn command(&self) -> Command {
        let mut command = process::cargo();
        let (variable, value) = self.variable;
        command.args(["test", "--workspace"]).args(self.target).env(variable, value.to_string());
        command
    }

    fn shown(&self, command: &Command) -> String {
        let (variable, value) = self.variable;
        format!("{variable}={value} {}", process::shown(command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn a_campaign_is_a_test_and_the_variable_that_makes_it_long() {
        let test = Campaign::Discovery { changes: 7 }.test();
        let shown = test.shown(&test.command());
        assert_eq!(shown, "AFC_CHANGES=7 cargo test --workspace --test discovery");
    }

    #[test]
    fn every_campaign_has_its_test() {
        let there = ["tests", "model"].map(workspace::integration_tests).concat();
        for campaign in Campaign::ALL {
            if let ["--test", name] = campaign.test().target {
                assert!(there.iter().any(|test| test == name), "there is no test {name}");
            }
        }
    }
}
