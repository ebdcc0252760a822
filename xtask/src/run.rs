//! `cargo xtask run`: the five-node cluster of the invention in namespaces, with real agents and clients.
//!
//! Builds the agent, becomes root and decides between the live view and a scenario; both end with everything removed.

mod duration;
mod figures;
mod kill;
mod live;
mod scenario;
mod signals;
mod timeline;

use std::{
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    time::Duration,
};

use afc_lab::{LabSpec, spec::Timing};
use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::timeline::Timeline;
use crate::process;

/// What `cargo xtask run` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Play this instead of showing the cluster live; without a terminal: kill
    #[arg(long, value_enum)]
    scenario: Option<Scenario>,
    /// Time between two heartbeat probes
    #[arg(long, default_value = "5ms", value_parser = duration::parse)]
    interval: Duration,
    /// Heartbeat timeout, which is also the lease
    #[arg(long, default_value = "25ms", value_parser = duration::parse)]
    timeout: Duration,
    /// Packets a second from each UDP client to each service
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    rate: u32,
    /// The longest time that a client may be without a service in a scenario
    #[arg(long, default_value_t = 250)]
    budget_ms: u64,
    /// Write a scenario's timeline as JSON to this file, `-` for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What can be played without anybody at the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Scenario {
    /// Node 1 loses power; node 1 returns
    Kill,
    /// Node 4 runs short of memory, node 1 dies: the invention's figures 5 to 9, and the same with static lists
    Figures,
}

/// What a scenario has shown.
struct Verdict {
    /// Everything, for programs.
    json: Value,
    /// What is not as it must be, a sentence each.
    complaints: Vec<String>,
    /// What to say if there is nothing to complain of.
    praise: String,
}

/// Builds the agent and runs the cluster, until the scenario is over or somebody quits.
pub(crate) fn run(arguments: &RunArgs) -> Result<()> {
    if arguments.interval * 2 > arguments.timeout {
        bail!("--timeout must be at least twice --interval: two lost probes are no failure");
    }
    if env::var_os("AFC_BIN").is_none() {
        process::run(process::cargo().args([
            "build",
            "--quiet",
            "--package",
            "afc-agent",
            "--package",
            "afc-lab",
            "--bins",
        ]))?;
    }
    if !process::root_prefix().is_empty() {
        return again_as_root();
    }
    signals::note_requests_to_end().context("handling SIGINT and SIGTERM")?;
    match arguments.scenario {
        Some(scenario) => play(arguments, scenario),
        None if io::stdin().is_terminal() && io::stdout().is_terminal() => {
            live::show(LabSpec::five_nodes().with_timing(timing(arguments)), arguments.rate)
        }
        None => play(arguments, Scenario::Kill),
    }
}

/// Plays a scenario, prints it, and judges it.
fn play(arguments: &RunArgs, scenario: Scenario) -> Result<()> {
    let to_stdout = arguments.json.as_deref() == Some(Path::new("-"));
    let mut print = |line: &str| {
        if to_stdout { eprintln!("{line}") } else { println!("{line}") }
    };
    let budget = Duration::from_millis(arguments.budget_ms);
    let timing = timing(arguments);
    let verdict = match scenario {
        Scenario::Kill => {
            let spec = LabSpec::five_nodes().with_timing(timing);
            Verdict::of_kill(&kill::play(spec, arguments.rate, &mut print)?, budget)
        }
        Scenario::Figures => {
            let spec = LabSpec::figures().with_timing(timing);
            figures::play(&spec, arguments.rate, budget, &mut print)?
        }
    };
    if let Some(file) = &arguments.json {
        let text = format!("{:#}\n", verdict.json);
        match to_stdout {
            true => print_whole(&text)?,
            false => std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?,
        }
    }
    if verdict.complaints.is_empty() {
        print(&verdict.praise);
        return Ok(());
    }
    bail!("{}", verdict.complaints.join("; "))
}

impl Verdict {
    fn of_kill(timeline: &Timeline, budget: Duration) -> Self {
        Self {
            json: timeline.to_json(budget),
            complaints: timeline.complaints(budget),
            praise: format!(
                "every client kept its service within {budget:?}, and no two nodes ever served one address at once"
            ),
        }
    }
}

fn timing(arguments: &RunArgs) -> Timing {
    Timing { interval: arguments.interval, timeout: arguments.timeout, ..Timing::default() }
}

/// Prints to standard output, where a reader that goes away early is no crash.
fn print_whole(text: &str) -> io::Result<()> {
    io::Write::write_all(&mut io::stdout(), text.as_bytes())
}

/// Runs this same command through sudo: only root may make namespaces.
fn again_as_root() -> Result<()> {
    let program = env::current_exe().context("finding this program")?;
    process::run(process::as_root(&program.display().to_string()).args(env::args_os().skip(1)))
}
