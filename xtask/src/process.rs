//! Starting programs: which environment they get, how they become root, what their failure says.
//!
//! Knows nothing about what the programs are for.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::workspace;

/// Where Debian keeps administrators' programs, which a user's `PATH` leaves out.
const ADMINISTRATORS_PATH: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// How much of a failed program's log is worth showing.
const LOG_TAIL_LINES: usize = 30;

/// cargo in the workspace, without what the `cargo run` that started us put into the environment:
/// build scripts that watch those variables would run again each time.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root()).env("PATH", search_path());
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// `program` as root: through sudo for everybody else, which asks only where somebody can answer.
pub(crate) fn as_root(program: &str) -> Command {
    let Some((sudo, arguments)) = root_prefix().split_first() else {
        return Command::new(program);
    };
    let mut command = Command::new(sudo);
    command.args(arguments).arg(program);
    command
}

/// What a command line must start with so that it runs as root; nothing for root.
pub(crate) fn root_prefix() -> &'static [&'static str] {
    match (is_root(), io::stdin().is_terminal()) {
        (true, _) => &[],
        (false, true) => &["sudo"],
        (false, false) => &["sudo", "--non-interactive"],
    }
}

/// Runs a command to its end, with our own output; an error names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command that works for a while. On a terminal its own output is the progress; elsewhere the output
/// goes to a log, of which a failure shows the end.
pub(crate) fn run_long(command: &mut Command, log: &Path) -> Result<()> {
    if io::stderr().is_terminal() {
        return run(command);
    }
    create_parent(log)?;
    let file = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    run(command).map_err(|error| {
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        anyhow!(
            "{error}; its output ends with\n{}",
            lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
        )
    })
}

/// What a command that succeeds prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` does not print UTF-8", shown(command)))
}

/// The program's file, looked for where [`cargo`] and root would find it.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&search_path())
        .chain(ADMINISTRATORS_PATH.map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file| {
            file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

/// The command line as a person would type it, near enough.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    words.join(" ")
}

/// Makes the directory that a file will lie in.
pub(crate) fn create_parent(file: &Path) -> Result<()> {
    let parent = file.parent().context("a file lies in a directory")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// `PATH`, with what setup installs before it and cargo's own programs after it: a fresh rustup's directory
/// is in the `PATH` of the next login only.
fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = [workspace::tools_dir().join("bin")].into_iter();
    let directories = directories.chain(env::split_paths(&path)).chain(cargo_bin_dir());
    env::join_paths(directories).unwrap_or(path)
}

/// Where `cargo install` puts programs.
fn cargo_bin_dir() -> Option<PathBuf> {
    let root = env::var_os("CARGO_INSTALL_ROOT").or_else(|| env::var_os("CARGO_HOME")).map(PathBuf::from);
    root.or_else(|| Some(env::home_dir()?.join(".cargo"))).map(|root| root.join("bin"))
}
