//! keepalived in every member of a lab.

pub(crate) mod configuration;

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use afc_lab::{Lab, ip};
use anyhow::{Context, Result, ensure};

use super::daemon::Daemon;
use configuration::{AWAY, Settings};

/// Debian's.
const PROGRAM: &str = "/usr/sbin/keepalived";

/// In a node's directory, of the daemon and of its child.
const PID_FILES: [&str; 2] = ["keepalived.pid", "keepalived-vrrp.pid"];

/// The daemons, by node.
#[derive(Debug)]
pub(crate) struct Keepalived {
    settings: Settings,
    daemons: BTreeMap<String, Daemon>,
}

/// Where a service shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At home.
    Home,
    /// With its first backup.
    Away,
}

impl Keepalived {
    /// None runs yet.
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, daemons: BTreeMap::new() }
    }

    /// Starts a node's, in place of what is left of the one before.
    ///
    /// # Errors
    /// When it is not installed.
    pub(crate) fn start(&mut self, lab: &Lab, node: &str) -> Result<()> {
        self.daemons.remove(node);
        clear(lab, node)?;
        let directory = lab.directory().join(node);
        for left in PID_FILES {
            // Of one that was killed. There is none at first.
            fs::remove_file(directory.join(left)).ok();
        }
        let file = directory.join("keepalived.conf");
        let text = configuration::render(lab.spec(), node, self.settings, &offset(lab, node));
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        let daemon = Daemon::start(command(lab, node), directory.join("keepalived.log"))?;
        self.daemons.insert(node.to_owned(), daemon);
        Ok(())
    }

    /// Kills a node's, as a crash does: the address stays where it is.
    pub(crate) fn kill(&mut self, node: &str) {
        self.daemons.remove(node);
    }

    /// Sends a signal to a node's, all of its processes.
    pub(crate) fn signal(&self, node: &str, signal: libc::c_int) {
        if let Some(daemon) = self.daemons.get(node) {
            daemon.signal(signal);
        }
    }

    /// The processes of a node's.
    pub(crate) fn pids(&self, node: &str) -> Vec<u32> {
        self.daemons.get(node).map(Daemon::pids).unwrap_or_default()
    }

    /// How often nodes became master so far, for whatever service.
    pub(crate) fn transitions(&self) -> usize {
        let became = |daemon: &Daemon| daemon.words().matches("Entering MASTER STATE").count();
        self.daemons.values().map(became).sum()
    }

    /// Checks that no daemon has ended by itself.
    ///
    /// # Errors
    /// With the last words of one that has.
    pub(crate) fn ensure_standing(&mut self) -> Result<()> {
        for (node, daemon) in &mut self.daemons {
            let words = daemon.words();
            let last = words.lines().last().unwrap_or_default();
            ensure!(!daemon.has_ended(), "keepalived of {node} has ended by itself: {last}");
        }
        Ok(())
    }

    /// What a node's has said.
    pub(crate) fn words(&self, node: &str) -> String {
        self.daemons.get(node).map(Daemon::words).unwrap_or_default()
    }

    /// Moves what is at home in `home`, by its priority: needs preemption.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn move_to(&self, lab: &Lab, home: &str, place: Place) -> Result<()> {
        let number = match place {
            Place::Home => 0,
            Place::Away => AWAY,
        };
        let file = offset(lab, home);
        fs::write(&file, format!("{number}\n")).with_context(|| format!("writing {}", file.display()))
    }
}

/// `keepalived` for a node: only VRRP, in the foreground, its log on standard output, every file of its own in the lab.
fn command(lab: &Lab, node: &str) -> Command {
    let directory = lab.directory().join(node);
    let mut command = lab.machine(node).command(PROGRAM);
    command.args(["--vrrp", "--dont-fork", "--log-console", "--no-syslog"]);
    command.arg("--use-file").arg(directory.join("keepalived.conf"));
    command.arg("--pid").arg(directory.join(PID_FILES[0]));
    command.arg("--vrrp_pid").arg(directory.join(PID_FILES[1]));
    command
}

/// Where a node's reads how much its priority is changed.
fn offset(lab: &Lab, node: &str) -> PathBuf {
    lab.directory().join(node).join("keepalived-offset")
}

/// Takes away the addresses that a killed daemon has left.
fn clear(lab: &Lab, node: &str) -> Result<()> {
    let namespace = lab.machine(node);
    let left = ip::output(namespace, "ip", &["-oneline", "address", "show", "dev", "eth0"])?;
    let lines = lab.spec().services.iter().map(|service| service.address);
    let lines = lines.filter(|address| left.contains(&format!(" {address}/")));
    let lines: Vec<_> = lines.map(|address| format!("address del {address}/24 dev eth0")).collect();
    if lines.is_empty() { Ok(()) } else { ip::inside(namespace, &lines) }
}
