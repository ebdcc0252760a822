//! `afc-bench`: afc beside what people use today, in one run on one machine. `cargo xtask bench` builds and starts it.
//!
//! | file | subject |
//! |---|---|
//! | `arguments` | the command line |
//! | `run` | what is measured how often, and what all sections need |
//! | `section/` | one file a section: from the run to its rows |
//! | `system/` | the systems that are compared, at work in a lab |
//! | `fault`, `load`, `urgency` | what is done to them; what else the machine does; who does it must not starve |
//! | `circumstances`, `row`, `statistics` | what was seen meanwhile; a row of the results; a sample in few numbers |
//! | `report`, `target`, `plot` | the results as a table; what was to be reached; the gaps as a picture |

mod arguments;
mod circumstances;
mod fault;
mod load;
mod plot;
mod report;
mod row;
mod run;
mod section;
mod statistics;
mod system;
mod target;
mod urgency;

use std::{fs, io::Write, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;

use arguments::Arguments;
use row::Row;
use run::{Plan, Run};

/// Where results go unless they are told where to.
const OUT: &str = "target/bench";

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, compares, and shows.
fn measure(arguments: &Arguments) -> Result<()> {
    let plan = Plan::new(arguments);
    let minutes = plan.estimate().as_secs().div_ceil(60);
    let mut run = Run::new(plan)?;
    run.say(&format!("this takes about {minutes} minutes"));
    let mut rows = run.measure();
    row::compare(&mut rows);
    write(arguments, &rows)
}

/// Prints the results, and writes them where they shall go.
fn write(arguments: &Arguments, rows: &[Row]) -> Result<()> {
    let text = report::text(rows);
    let to_stdout = arguments.json.as_deref() == Some(Path::new("-"));
    let rows_json = format!("{:#}\n", json!({ "kernel": circumstances::kernel(), "rows": rows }));
    if to_stdout {
        eprintln!("{text}");
        // A reader that goes away early is no crash.
        std::io::stdout().write_all(rows_json.as_bytes())?;
    } else {
        println!("{text}");
    }
    let out = arguments.out.as_deref().unwrap_or(Path::new(OUT));
    fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    write_file(&out.join("bench.txt"), &text)?;
    write_file(&out.join("bench.json"), &rows_json)?;
    if let Some(file) = arguments.json.as_deref().filter(|_| !to_stdout) {
        write_file(file, &rows_json)?;
    }
    if let Some(svg) = plot::svg(rows)? {
        write_file(&out.join("bench.svg"), &svg)?;
        if let Some(file) = &arguments.svg {
            write_file(file, &svg)?;
        }
    }
    eprintln!("written to {}", out.display());
    Ok(())
}

fn write_file(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}
