//! Planted bugs: the simulation, as it is, must find each of them in the engine's own sources.
//!
//! One copy of the sources, below the target directory, holds all of them: each expression of the [table] becomes a choice
//! between itself and the bug, made by a variable of the environment. So one build is enough for all.

mod table;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use super::generate::Family;
use table::{Edit, MUTANTS};

/// Says which bug is planted, counted from 1.
const PLANTED: &str = "AFC_PLANTED";
/// What the copy's lease arithmetic gets, which both crates reach.
const CHOICE: &str = r#"
extern crate std;

/// Which bug is planted.
pub fn planted() -> usize {
    static PLANTED: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *PLANTED.get_or_init(|| std::env::var("AFC_PLANTED").map_or(0, |number| number.parse().unwrap()))
}
"#;
/// What the copy is made of.
const PACKAGES: [&str; 3] = ["afc-ebpf", "afc-engine", "gate"];
/// Steps that a bug must be found in.
const STEPS: u64 = 40_000_000;

#[test]
fn every_planted_bug_is_in_one_expression_that_is_there_once() {
    for mutant in &MUTANTS {
        for Edit { file, from, .. } in mutant.edits {
            let source = fs::read_to_string(root().join(file)).expect(file);
            assert_eq!(source.matches(from).count(), 1, "{}: {from:?} in {file}", mutant.name);
        }
    }
}

#[test]
fn the_simulation_finds_every_planted_bug() {
    let copy = target_dir().join("mutants");
    copy_sources(&copy).expect("the sources can be copied");
    let program = build(&copy);
    // Without a bug the copy passes what the original does.
    assert_eq!(hunt(&program, 0, Family::Tight), None, "the copy fails by itself");
    let mut survivors = Vec::new();
    for (place, mutant) in MUTANTS.iter().enumerate() {
        let started = Instant::now();
        let found = hunt(&program, place + 1, mutant.family);
        println!(
            "{:5.2} s  {}: {}",
            started.elapsed().as_secs_f64(),
            mutant.name,
            found.as_deref().unwrap_or("-")
        );
        survivors.extend(found.is_none().then_some(mutant.name));
    }
    assert!(survivors.is_empty(), "not found: {survivors:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// Where this very test was built.
fn target_dir() -> PathBuf {
    let program = env::current_exe().expect("this program has a file");
    program.ancestors().nth(3).expect("target/profile/deps").to_owned()
}

/// Every file that the copy is built from. What is the same stays as it is, or all would be built again.
fn copy_sources(copy: &Path) -> io::Result<()> {
    let workspace = fs::read_to_string(root().join("Cargo.toml"))?;
    let members = |line: &str| match line.split_once(" = ") {
        Some(("members" | "default-members", _)) => format!("members = {PACKAGES:?}\n"),
        _ => line.to_owned() + "\n",
    };
    let workspace: String =
        workspace.lines().filter(|line| !line.starts_with("default-members")).map(members).collect();
    write(&copy.join("Cargo.toml"), workspace.as_bytes())?;
    write(&copy.join("Cargo.lock"), &fs::read(root().join("Cargo.lock"))?)?;
    for package in PACKAGES {
        let manifest = format!("{package}/Cargo.toml");
        write(&copy.join(&manifest), &fs::read(root().join(&manifest))?)?;
        copy_directory(&format!("{package}/src"), copy)?;
    }
    Ok(())
}

fn copy_directory(directory: &str, copy: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root().join(directory))? {
        let entry = entry?;
        let name = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            copy_directory(&name, copy)?;
        } else {
            write(&copy.join(&name), &planted(&name, fs::read(entry.path())?))?;
        }
    }
    Ok(())
}

/// A source with its bugs, each a choice.
fn planted(file: &str, bytes: Vec<u8>) -> Vec<u8> {
    let Ok(mut source) = String::from_utf8(bytes.clone()) else { return bytes };
    for (place, mutant) in MUTANTS.iter().enumerate() {
        for Edit { from, to, .. } in mutant.edits.iter().filter(|edit| edit.file == file) {
            let root = if file.starts_with("afc-ebpf") { "crate" } else { "afc_ebpf" };
            let choice = format!("(if {root}::planted() == {} {{ {to} }} else {{ {from} }})", place + 1);
            source = source.replace(from, &choice);
        }
    }
    if file == "afc-ebpf/src/lib.rs" {
        source += CHOICE;
    }
    source.into_bytes()
}

fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(file).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::create_dir_all(file.parent().expect("below the copy"))?;
    fs::write(file, bytes)
}

/// The copy's test program.
fn build(copy: &Path) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(copy).args(["test", "--offline", "--package", "afc-engine", "--lib", "--no-run"]);
    command.args(["--message-format", "json", "--quiet", "--target-dir"]).arg(copy.join("target"));
    command.args(["--config", "profile.dev.debug=false"]).env_remove("CARGO_TARGET_DIR");
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let message = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    let program = |message: serde_json::Value| {
        let is_ours = message["target"]["name"] == "afc_engine";
        message["executable"].as_str().filter(|_| is_ours).map(PathBuf::from)
    };
    lines.lines().filter_map(message).find_map(program).expect("cargo names the program")
}

/// What the simulation finds with a bug planted.
fn hunt(program: &Path, number: usize, family: Family) -> Option<String> {
    let mut command = Command::new(program);
    command.args(["the_promise_and_the_lists_hold_under_random_faults", "--nocapture"]);
    for other in ["AFC_SEED", "AFC_SEEDS", "AFC_SECONDS", "AFC_PLAN"] {
        command.env_remove(other);
    }
    let steps = if number == 0 { STEPS / 40 } else { STEPS };
    command.env(PLANTED, number.to_string()).env("AFC_STEPS", steps.to_string()).env("AFC_SMALL", "no");
    command.env("AFC_FAMILY", format!("{family:?}"));
    let output = command.output().expect("the copy's tests start");
    if output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| line.strip_prefix("# Found with "));
    Some(found.map_or_else(|| panic!("it failed otherwise:\n{text}"), str::to_owned))
}
