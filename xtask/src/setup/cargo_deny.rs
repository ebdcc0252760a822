//! cargo-deny: checks the dependencies' licences and origins. Not needed to build or to run anything.

use std::process::Command;

use anyhow::{Context, Result};

use super::say;
use crate::{process, workspace};

/// The version that is installed where there is none.
const VERSION: &str = "0.20.2";

/// The oldest minor version of 0.x that reads our `deny.toml`.
const OLDEST_MINOR: u32 = 18;

/// Installs cargo-deny for this repository alone, unless a version that will do is there. Without optimisation
/// it is built in a quarter of the time and still done with its check in two seconds.
pub(super) fn ensure() -> Result<()> {
    if installed_version().is_some_and(|version| will_do(&version)) {
        return Ok(());
    }
    say(&format!("installing cargo-deny {VERSION} into target/tools: takes a minute or two"));
    let mut install = process::cargo();
    install.args(["install", "--locked", "--debug", "--force", &format!("cargo-deny@{VERSION}"), "--root"]);
    install.arg(workspace::tools_dir());
    process::run_long(&mut install, &workspace::target_dir().join("setup/cargo-deny.log")).with_context(
        || format!("cargo-deny is missing; by hand: cargo install --locked cargo-deny@{VERSION}"),
    )
}

fn installed_version() -> Option<String> {
    let said = process::output(Command::new(process::find("cargo-deny")?).arg("--version")).ok()?;
    Some(said.trim().strip_prefix("cargo-deny ")?.to_owned())
}

fn will_do(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(0)), Some(Ok(minor))) => minor >= OLDEST_MINOR,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::will_do;

    #[test]
    fn versions_that_read_our_file_will_do() {
        for (version, expected) in
            [("0.20.2", true), ("0.18.0", true), ("0.17.9", false), ("1.0.0", false), ("", false)]
        {
            assert_eq!(will_do(version), expected, "{version}");
        }
    }
}
