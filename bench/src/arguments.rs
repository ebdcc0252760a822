//! The command line of the benchmark. `cargo xtask bench` reads this same file, checks with it what it is given, and hands
//! it on, so it must name nothing of this package.

use std::{path::PathBuf, time::Duration};

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                            # everything: hours
  cargo xtask bench --quick                    # small numbers of everything: most of an hour
  cargo xtask bench --only gap --count 10      # gaps on an idle machine, ten of each
  cargo xtask bench --only starved --loads fifo80,fifo100 --faults power-cut --short 8ms
  cargo xtask bench --only lists --json -      # rows as JSON on standard output

Needs root, for network namespaces. Hogs take both processors for seconds at a time: expect a slow terminal.";

/// What `cargo xtask bench` takes.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "cargo xtask bench", about = "Measure afc beside what people use today", after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The short form: small numbers, short times
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these sections
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<SectionName>,
    /// Only these systems
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) systems: Vec<SystemName>,
    /// Only these faults
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) faults: Vec<FaultName>,
    /// Only these loads, where processors are starved
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) loads: Vec<LoadName>,
    /// Samples of each scenario [default: 30, quick: 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) count: Option<u32>,
    /// Minutes for each load without a fault [default: 10, quick: 0.5]
    #[arg(long)]
    pub(crate) minutes: Option<f64>,
    /// The timeout of `afc-short`, as in `8ms`, instead of a search for the shortest that this machine bears
    #[arg(long, value_parser = millis)]
    pub(crate) short: Option<Duration>,
    /// Directory of the results: bench.txt, bench.json, bench.svg [default: target/bench]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write the rows as JSON to this file too, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the plot to this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// What the engine's growth simulation printed; `cargo xtask bench` runs it
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) growth: Option<PathBuf>,
}

/// The parts of a run, in the order in which they run: quiet ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum SectionName {
    /// Backup lists: time to compute against the cluster's size
    Lists,
    /// What the kernel programs cost: nanoseconds for each path of a packet, and what the verifier walks
    Paths,
    /// Heartbeats a second that one core answers, beside a UDP echo in userspace
    Answers,
    /// What an agent costs: processor, memory, packets against the number of nodes
    Footprint,
    /// From the flip of the map to the first redirected packet
    Redirect,
    /// Detection alone, beside FRR's bfdd
    Detection,
    /// What clients miss after a failure, on an idle machine
    Gap,
    /// The same while hogs starve the processors
    Starved,
    /// False failovers, and answers from two nodes, under load without a fault
    Steady,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum SystemName {
    /// afc with its default times, 5 and 25 ms
    Afc,
    /// afc with the shortest timeout that this machine bears
    AfcShort,
    /// keepalived at its best settings within VRRP
    Keepalived,
    /// keepalived that gives up after two missed advertisements, beyond VRRP
    KeepalivedShort,
}

/// What is done to the node that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum FaultName {
    /// All of the node's links at once
    PowerCut,
    /// The daemon, all of its processes, by SIGKILL; nobody starts it again
    Kill,
    /// The host stands still: its daemon is stopped, no frame gets in or out, its links stay up
    Freeze,
    /// The operator moves the service
    Move,
}

/// What starves the processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum LoadName {
    /// Two loops on each processor in the normal class
    Busy,
    /// `stress-ng`: processors, memory and disk
    StressNg,
    /// A loop on each processor under FIFO-50, at work 80 % of the time
    Fifo80,
    /// The same all the time
    Fifo100,
}

/// Milliseconds, as in `8ms`.
fn millis(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix("ms").unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(millis) if (1.0..=1000.0).contains(&millis) => Ok(Duration::from_secs_f64(millis / 1e3)),
        Ok(_) | Err(_) => Err(format!("`{text}` is no time between 1ms and 1000ms")),
    }
}
