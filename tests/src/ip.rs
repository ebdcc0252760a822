//! Runs `ip` and `nft`, a whole batch at a time: a process for each line would take most of a lab's set-up time.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::netns::Netns;

/// Runs lines of `ip` in the host's namespace.
///
/// # Errors
/// With the tool's own words when a line fails.
pub fn host(lines: &[String]) -> Result<()> {
    feed(Command::new("ip").args(["-batch", "-"]), "ip", &lines.join("\n"))
}

/// Runs lines of `ip` inside a namespace.
///
/// # Errors
/// With the tool's own words when a line fails.
pub fn inside(namespace: &Netns, lines: &[String]) -> Result<()> {
    feed(Command::new("ip").args(["-n", namespace.name(), "-batch", "-"]), "ip", &lines.join("\n"))
}

/// Gives a script to `nft` inside a namespace, as one transaction.
///
/// # Errors
/// With the tool's own words when it is refused.
pub fn nft(namespace: &Netns, script: &str) -> Result<()> {
    feed(namespace.command("nft").args(["-f", "-"]), "nft", script)
}

/// What a command in a namespace prints.
///
/// # Errors
/// When it can't be run, or fails.
pub fn output(namespace: &Netns, program: &str, arguments: &[&str]) -> Result<String> {
    let output = namespace
        .command(program)
        .args(arguments)
        .output()
        .with_context(|| format!("running {program}: is it installed?"))?;
    if !output.status.success() {
        bail!("{program} {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` with `script` as its input.
fn feed(command: &mut Command, name: &str, script: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {name}: is it installed?"))?;
    let mut input = child.stdin.take().expect("standard input was asked for");
    let written = input.write_all(script.as_bytes());
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{name} refused: {}\nscript:\n{script}", String::from_utf8_lossy(&output.stderr).trim());
    }
    written.with_context(|| format!("writing to {name}"))
}
