//! A Debian package of a given release from whichever suite has it, through the machine's own mirror.
//!
//! The suites that this machine does not use are read in an apt root of our own, so the machine's sources, lists
//! and packages stay as they are, and it takes no root. apt checks the signatures as always.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::say;
use crate::process;

/// Suites that may have a compiler newer than the machine's own release, besides its own backports.
const SUITES: [&str; 4] = ["trixie-backports", "forky", "testing", "unstable"];

/// Where Debian keeps its archive's keys, under its name of today and the one of before.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg"];

/// Names that a machine's sources may have for a suite instead of its codename.
const SUITE_ALIASES: [&str; 5] = ["oldstable", "stable", "testing", "unstable", "sid"];

/// Downloads the package's version of that upstream release into `scratch`, which is emptied first.
pub(super) fn download(package: &str, release: &str, scratch: &Path) -> Result<PathBuf> {
    let codename = codename();
    let mirrors = mirrors(&codename)?;
    let backports = format!("{codename}-backports");
    let mut suites = vec![backports.as_str()];
    suites.extend(SUITES.into_iter().filter(|suite| *suite != backports));
    for mirror in &mirrors {
        for suite in &suites {
            let apt = PrivateApt::create(scratch, mirror, suite)?;
            // A mirror need not carry each suite.
            if apt.update().is_err() {
                continue;
            }
            if let Some(version) = apt.version(package, release)? {
                say(&format!("found {package} {version} in {suite}"));
                return apt.download(package, &version);
            }
        }
    }
    bail!("no suite of {} has {package} {release} (asked for {})", mirrors.join(", "), suites.join(", "))
}

/// The release's name, as in "trixie".
fn codename() -> String {
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let mut names = os.lines().filter_map(|line| line.strip_prefix("VERSION_CODENAME="));
    names.next().unwrap_or("sid").trim_matches('"').to_owned()
}

/// The addresses from which the machine gets its own release.
fn mirrors(codename: &str) -> Result<Vec<String>> {
    let format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
    let targets = process::output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        format,
        "Created-By: Packages",
    ]))?;
    let mirrors = parse_mirrors(&targets, codename);
    if mirrors.is_empty() {
        bail!("apt's sources name no Debian mirror for {codename}");
    }
    Ok(mirrors)
}

fn parse_mirrors(targets: &str, codename: &str) -> Vec<String> {
    let mut mirrors: Vec<String> = Vec::new();
    for target in targets.lines() {
        let [address, suite, "main"] = *target.split(' ').collect::<Vec<_>>() else {
            continue;
        };
        let is_release = suite == codename || SUITE_ALIASES.contains(&suite);
        if is_release && mirrors.iter().all(|known| known != address) {
            mirrors.push(address.to_owned());
        }
    }
    mirrors
}

/// The version of that upstream release, among what `apt-cache madison` prints.
fn parse_version(madison: &str, release: &str) -> Option<String> {
    let versions = madison.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    let mut matching = versions
        .filter(|version| version.strip_prefix(release).is_some_and(|rest| rest.starts_with(['+', '-'])));
    matching.next().map(str::to_owned)
}

/// An apt that knows one suite of one mirror and keeps everything in a directory of its own.
struct PrivateApt {
    directory: PathBuf,
    configuration: PathBuf,
}

impl PrivateApt {
    fn create(directory: &Path, mirror: &str, suite: &str) -> Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(directory).with_context(|| format!("cannot empty {}", directory.display()))?;
        }
        for part in ["lists/partial", "cache/archives/partial"] {
            let part = directory.join(part);
            fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        }
        let keyring = KEYRINGS.iter().find(|file| Path::new(file).exists());
        let signed_by = keyring.map(|file| format!("[signed-by={file}] ")).unwrap_or_default();
        let apt = Self { directory: directory.into(), configuration: directory.join("apt.conf") };
        fs::write(directory.join("sources.list"), format!("deb {signed_by}{mirror} {suite} main\n"))
            .and_then(|()| fs::write(&apt.configuration, apt.settings()))
            .with_context(|| format!("cannot write into {}", directory.display()))?;
        Ok(apt)
    }

    /// What differs from the machine's own configuration, whose proxies and certificates stay in force: its
    /// places, and hooks that would touch the machine.
    fn settings(&self) -> String {
        let directory = self.directory.display();
        format!(
            "#clear APT::Update::Pre-Invoke;\n\
             #clear APT::Update::Post-Invoke;\n\
             #clear APT::Update::Post-Invoke-Success;\n\
             Dir::Etc::SourceList \"{directory}/sources.list\";\n\
             Dir::Etc::SourceParts \"/dev/null\";\n\
             Dir::State::Lists \"{directory}/lists\";\n\
             Dir::Cache \"{directory}/cache\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
             Acquire::Retries \"3\";\n\
             APT::Sandbox::User \"root\";\n"
        )
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--config-file").arg(&self.configuration).current_dir(&self.directory);
        command
    }

    /// Fails too where only a part could be fetched, as apt-get by itself does not.
    fn update(&self) -> Result<()> {
        let mut update = self.command("apt-get");
        process::output(update.args(["--option", "APT::Update::Error-Mode=any", "update"])).map(drop)
    }

    fn version(&self, package: &str, release: &str) -> Result<Option<String>> {
        let madison = process::output(self.command("apt-cache").args(["madison", package]))?;
        Ok(parse_version(&madison, release))
    }

    /// apt-get puts the file into its working directory and names it with the version escaped.
    fn download(&self, package: &str, version: &str) -> Result<PathBuf> {
        let wanted = format!("{package}={version}");
        process::output(self.command("apt-get").args(["download", &wanted]))?;
        let entries = self.directory.read_dir().context("the apt root vanished")?;
        let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files.find(|file| file.extension().is_some_and(|end| end == "deb")).context("apt-get brought no file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_those_of_the_machines_own_release() {
        let targets = "http://mirror.test/debian/ bookworm main\n\
                       http://mirror.test/debian/ bookworm-updates main\n\
                       http://mirror.test/debian/ bookworm contrib\n\
                       http://mirror.test/debian-security/ bookworm-security main\n\
                       http://vendor.test/apt/ vendor-bookworm main\n\
                       http://other.test/debian/ bookworm main\n";
        assert_eq!(
            parse_mirrors(targets, "bookworm"),
            ["http://mirror.test/debian/", "http://other.test/debian/"]
        );
        assert!(parse_mirrors(targets, "trixie").is_empty());
    }

    #[test]
    fn a_version_must_be_of_exactly_the_release() {
        let madison = " rust-src | 1.95.01-1 | http://mirror.test/debian trixie-backports/main amd64 Packages\n \
                       rust-src | 1.95.0~rc1-1 | http://mirror.test/debian trixie-backports/main amd64 Packages\n \
                       rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://mirror.test/debian trixie-backports/main amd64\n";
        assert_eq!(parse_version(madison, "1.95.0").as_deref(), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(parse_version(madison, "1.94.0"), None);
    }
}
