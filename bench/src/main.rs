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
    let out = arguments.out.as_deref().unwrap_or(Path::new(OUT));
    fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    // A run takes hours: what is measured is written after each section.
    let rows = run.measure(|rows| Results::of(rows)?.keep(out))?;
    let results = Results::of(&rows)?;
    results.keep(out)?;
    results.show(arguments)?;
    eprintln!("written to {}", out.display());
    Ok(())
}

/// The rows as they are read by people, by programs, and at a glance.
struct Results {
    text: String,
    json: String,
    svg: Option<String>,
}

impl Results {
    fn of(rows: &[Row]) -> Result<Self> {
        let mut rows = rows.to_vec();
        row::compare(&mut rows);
        Ok(Self {
            text: report::text(&rows),
            json: format!("{:#}\n", json!({ "kernel": circumstances::kernel(), "rows": rows })),
            svg: plot::svg(&rows)?,
        })
    }

    /// Writes them to a directory.
    fn keep(&self, out: &Path) -> Result<()> {
        write_file(&out.join("bench.txt"), &self.text)?;
        write_file(&out.join("bench.json"), &self.json)?;
        self.svg.as_ref().map_or(Ok(()), |svg| write_file(&out.join("bench.svg"), svg))
    }

    /// Prints them, and writes them where else they shall go.
    fn show(&self, arguments: &Arguments) -> Result<()> {
        let to_stdout = arguments.json.as_deref() == Some(Path::new("-"));
        if to_stdout {
            eprintln!("{}", self.text);
            // A reader that goes away early is no crash.
            std::io::stdout().write_all(self.json.as_bytes())?;
        } else {
            println!("{}", self.text);
        }
        if let Some(file) = arguments.json.as_deref().filter(|_| !to_stdout) {
            write_file(file, &self.json)?;
        }
        match (&arguments.svg, &self.svg) {
            (Some(file), Some(svg)) => write_file(file, svg),
            (None, _) | (_, None) => Ok(()),
        }
    }
}

fn write_file(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}
