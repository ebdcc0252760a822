//! FRR's bfdd between the outside client's machine and a node: how soon BFD notices. It moves nothing.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use afc_lab::{Lab, spec, wait_for};
use anyhow::{Context, Result};

use super::daemon::Daemon;

/// Debian's.
const PROGRAM: &str = "/usr/lib/frr/bfdd";
/// Between two packets, and how many must be missing.
pub(crate) const INTERVAL: Duration = Duration::from_millis(10);
pub(crate) const MULTIPLIER: u32 = 3;
/// As keepalived's.
const RT_PRIORITY: &str = "90";
const SOON: Duration = Duration::from_secs(20);
const UP: &str = "-> up";
const DOWN: &str = "up -> down";

/// A session, its far end in one node.
#[derive(Debug)]
pub(crate) struct Session {
    near: Daemon,
    _far: Daemon,
}

impl Session {
    /// Begins one with a node, and waits until it is up.
    ///
    /// # Errors
    /// When bfdd is not installed, or no session comes up.
    pub(crate) fn start(lab: &Lab, node: &str) -> Result<Self> {
        let address = lab.spec().node(node).address();
        let near = Ends { machine: "outside", local: spec::OUTSIDE, peer: address };
        let far = Ends { machine: node, local: address, peer: spec::OUTSIDE };
        let session = Self { near: start(lab, &near)?, _far: start(lab, &far)? };
        session.wait_until_up(0)?;
        Ok(session)
    }

    /// How often it went down so far.
    pub(crate) fn downs(&self) -> usize {
        self.near.words().matches(DOWN).count()
    }

    /// Waits until it came up again after so many times down.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn wait_until_up(&self, downs: usize) -> Result<()> {
        let is_up = || self.near.words().matches(UP).count() > downs;
        wait_for("the BFD session is up", SOON, is_up).map(drop).with_context(|| self.near.words())
    }

    /// When it went down last: by the wall clock, ns.
    pub(crate) fn last_down_ns(&self) -> Option<u64> {
        let words = self.near.words();
        words.lines().rev().find(|line| line.contains(DOWN)).and_then(time_of_day_ns)
    }
}

/// The two addresses of a session, and whose end this is.
struct Ends<'a> {
    machine: &'a str,
    local: std::net::Ipv4Addr,
    peer: std::net::Ipv4Addr,
}

fn start(lab: &Lab, ends: &Ends) -> Result<Daemon> {
    let directory = lab.directory().join(format!("bfdd-{}", ends.machine));
    fs::create_dir_all(&directory)?;
    // bfdd becomes its own user, and makes its sockets there.
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777))?;
    let file = directory.join("bfdd.conf");
    fs::write(&file, configuration(ends)).with_context(|| format!("writing {}", file.display()))?;
    let mut command = lab.machine(ends.machine).command("chrt");
    command.args(["--fifo", RT_PRIORITY, PROGRAM, "--vty_port", "0"]);
    command.arg("--config_file").arg(&file);
    command.arg("--pid_file").arg(directory.join("bfdd.pid"));
    command.arg("--socket").arg(directory.join("zebra.sock"));
    command.arg("--bfdctl").arg(directory.join("bfdd.sock"));
    command.arg("--vty_socket").arg(&directory);
    command.args(["--log", "stdout", "--log-level", "debugging"]);
    Daemon::start(command, directory.join("bfdd.log"))
}

fn configuration(ends: &Ends) -> String {
    let millis = INTERVAL.as_millis();
    format!(
        "log timestamp precision 6\n\
         debug bfd peer\n\
         bfd\n \
         peer {} local-address {}\n  \
         detect-multiplier {MULTIPLIER}\n  \
         receive-interval {millis}\n  \
         transmit-interval {millis}\n  \
         no shutdown\n \
         exit\n\
         exit\n",
        ends.peer, ends.local
    )
}

/// The time of day in `2026/11/23 18:02:03.123456 BFD: ..`, ns since midnight UTC.
fn time_of_day_ns(line: &str) -> Option<u64> {
    let time = line.split_whitespace().nth(1)?;
    let (clock, fraction) = time.split_once('.')?;
    let mut parts = clock.split(':').map(str::parse::<u64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let micros: u64 = fraction.get(..6)?.parse().ok()?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + micros * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_asked_three_times_at_ten_milliseconds() {
        let ends = Ends { machine: "outside", local: spec::OUTSIDE, peer: [10, 0, 0, 1].into() };
        let text = configuration(&ends);
        for line in ["peer 10.0.0.1 local-address 10.0.0.200", "detect-multiplier 3", "receive-interval 10"] {
            assert!(text.lines().any(|found| found.trim() == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn the_time_of_a_line_is_read_to_the_microsecond() {
        let line = "2026/11/23 01:02:03.000004 BFD: [X] state-change: [mhop:no peer:10.0.0.1] up -> down";
        assert_eq!(time_of_day_ns(line), Some(3_723_000_004_000));
        assert_eq!(time_of_day_ns("no time"), None);
    }
}
