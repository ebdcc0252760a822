//! `cargo xtask bench`: afc beside keepalived and bfdd, measured by `afc-bench`, which is built and run as root here.
//!
//! Its command line is that package's own, word for word.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::setup::{self, Need};
use crate::{process, workspace};

#[path = "../../bench/src/arguments.rs"]
mod arguments;

use arguments::{Arguments, SectionName};

/// What `cargo xtask bench` takes.
pub(crate) use arguments::Arguments as BenchArgs;

/// Nodes of the largest cluster in the engine's simulation.
const GROWTH_NODES: u32 = 1000;
const GROWTH_NODES_QUICK: u32 = 300;

/// Builds what is measured and what measures it, and runs that as root.
pub(crate) fn run(arguments: &BenchArgs) -> Result<()> {
    setup::ensure(Need::TO_BENCH)?;
    println!("bench: building the release of afc and of the benchmark");
    let build = ["build", "--release", "--package", "afc-agent", "--package", "afc-bench", "--bins"];
    process::run(process::cargo().args(build))?;
    let mut command = process::as_root("env");
    let program = workspace::target_dir().join("release/afc-bench");
    // For what is not said otherwise; sudo leaves out the variables.
    command.args(
        env::vars().filter(|(name, _)| name.starts_with("AFC_")).map(|(name, it)| format!("{name}={it}")),
    );
    command.arg(program).args(words(arguments)?);
    process::run(&mut command)
}

/// The words that the benchmark gets: ours, where its results go, and what the simulation says.
fn words(arguments: &BenchArgs) -> Result<Vec<String>> {
    let mut words: Vec<String> = env::args().skip(2).collect();
    if arguments.out.is_none() {
        words.extend(["--out".to_owned(), workspace::target_dir().join("bench").display().to_string()]);
    }
    let all = arguments.only.is_empty();
    if arguments.growth.is_none() && (all || arguments.only.contains(&SectionName::Footprint)) {
        words.extend(["--growth".to_owned(), grow(arguments)?.display().to_string()]);
    }
    Ok(words)
}

/// Runs the engine's growth simulation; the file with its table.
fn grow(arguments: &Arguments) -> Result<PathBuf> {
    let nodes = if arguments.quick { GROWTH_NODES_QUICK } else { GROWTH_NODES };
    println!("bench: simulating clusters of up to {nodes} nodes");
    let mut command = process::cargo();
    command.args(["test", "--package", "afc-engine", "--lib", "tests::growth", "--", "--nocapture"]);
    let text = process::output(command.env("AFC_NODES", nodes.to_string()))?;
    let file = workspace::target_dir().join("bench/growth.txt");
    process::create_parent(&file)?;
    fs::write(&file, text).with_context(|| format!("writing {}", Path::new(&file).display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;

    #[test]
    fn help_names_every_section_with_what_it_measures() {
        let help = Arguments::command().render_long_help().to_string();
        for section in SectionName::value_variants() {
            let value = section.to_possible_value().expect("no section is hidden");
            assert!(help.contains(value.get_name()), "{} is missing in\n{help}", value.get_name());
            assert!(value.get_help().is_some(), "{}", value.get_name());
        }
        assert!(help.contains("Examples:"), "{help}");
    }
}
