//! `afc check`: everything wrong with a file, and what this machine lacks for it.

use std::{io::Write, path::Path};

use super::{CliError, printed_or_unread};
use crate::{
    config::{Checked, Config, Diagnostic, Severity},
    key::ClusterKeys,
    resources, state,
};

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One line each, for people.
    Text,
    /// One JSON list, for scripts.
    Json,
}

/// Prints what was found. The file's errors make it fail; what only this machine lacks is a warning, so that a file
/// can be checked elsewhere than on its node.
pub(super) fn check(file: &Path, form: Form, out: &mut impl Write) -> Result<(), CliError> {
    let Checked { config, mut diagnostics, lines } = Config::check_file(file)?;
    for Lack { setting, problem, fix } in config.iter().flat_map(lacking) {
        diagnostics.0.push(Diagnostic {
            file: file.to_owned(),
            line: lines.get(setting).copied().unwrap_or(1),
            severity: Severity::Warning,
            setting: setting.to_owned(),
            problem,
            fix: fix.to_owned(),
        });
    }
    diagnostics.0.sort_by_key(|found| found.line);
    let errors = diagnostics.count(Severity::Error);
    let printed = match (form, &config) {
        (Form::Json, _) => {
            let list = serde_json::to_string_pretty(&diagnostics.0).expect("findings are text and numbers");
            writeln!(out, "{list}")
        }
        (Form::Text, None) => writeln!(out, "{diagnostics}"),
        (Form::Text, Some(config)) => {
            diagnostics.0.iter().try_for_each(|found| writeln!(out, "{found}")).and_then(|()| {
                let (nodes, services) = (config.nodes.len(), config.services.len());
                let this = &config.this_node().name;
                writeln!(
                    out,
                    "{}: valid for node {this} (nodes: {nodes}, services: {services})",
                    file.display()
                )
            })
        }
    };
    printed_or_unread(printed)?;
    if errors == 0 { Ok(()) } else { Err(CliError::Check { file: file.to_owned(), errors }) }
}

/// Something that this machine lacks for a setting.
struct Lack {
    setting: &'static str,
    problem: String,
    fix: &'static str,
}

/// What `afc run` would miss on this machine.
fn lacking(config: &Config) -> Vec<Lack> {
    let refused = "`afc run` would refuse it here";
    let mut found = Vec::new();
    if let Err(error) = ClusterKeys::load(&config.cluster.key_file) {
        found.push(Lack { setting: "cluster.key_file", problem: error.to_string(), fix: refused });
    }
    // Of this network namespace, unlike /sys/class/net.
    let present = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    for interface in &config.agent.interfaces {
        if !present.lines().any(|line| line.trim_start().starts_with(&format!("{interface}:"))) {
            let problem = format!("this machine has no interface {interface}");
            found.push(Lack { setting: "agent.interfaces", problem, fix: refused });
        }
    }
    let state_dir = &config.agent.state_dir;
    if state::is_volatile(state_dir).is_ok_and(|volatile| volatile) {
        let problem =
            format!("{} is in memory, so a reboot forgets what this node granted", state_dir.display());
        found.push(Lack { setting: "agent.state_dir", problem, fix: "name a directory on a disk" });
    }
    found.extend(unmeasured(config));
    found
}

/// Where utilisation could not be read.
fn unmeasured(config: &Config) -> impl Iterator<Item = Lack> {
    let proc_root = &config.agent.proc_root;
    let proc_lack = (!proc_root.join("meminfo").is_file()).then(|| Lack {
        setting: "agent.proc_root",
        problem: format!("there is no meminfo in {}", proc_root.display()),
        fix: "name the mount point of a proc file system; this node would not know when it is short of anything",
    });
    let cgroup = config.agent.cgroup.as_deref().filter(|cgroup| !resources::is_cgroup(cgroup));
    let cgroup_lack = cgroup.map(|cgroup| Lack {
        setting: "agent.cgroup",
        problem: match cgroup.is_dir() {
            true => format!("{} is no cgroup v2", cgroup.display()),
            false => format!("there is no directory {}", cgroup.display()),
        },
        fix: "name one below /sys/fs/cgroup, or leave it out to measure the whole machine",
    });
    proc_lack.into_iter().chain(cgroup_lack)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a file with this text; what was printed and whether it passed.
    fn checked(text: &str, form: Form) -> (String, Result<(), CliError>) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("afc.toml");
        std::fs::write(&file, text).unwrap();
        let mut out = Vec::new();
        let result = check(&file, form, &mut out);
        (String::from_utf8(out).unwrap(), result)
    }

    const EXAMPLE: &str = include_str!("../../../deploy/afc.toml");

    #[test]
    fn what_this_machine_lacks_is_a_warning_and_the_file_passes() {
        let (printed, result) = checked(&EXAMPLE.replace("eth0", "no-such-link0"), Form::Text);
        assert!(result.is_ok(), "{result:?}");
        assert!(
            printed.contains("warning: agent.interfaces: this machine has no interface no-such-link0"),
            "{printed}"
        );
        assert!(printed.ends_with("afc.toml: valid for node n1 (nodes: 5, services: 3)\n"), "{printed}");
        assert!(!checked(&EXAMPLE.replace("eth0", "lo"), Form::Text).0.contains("agent.interfaces"));
    }

    #[test]
    fn places_without_figures_are_warned_of_on_their_lines() {
        let measured = |proc_root: &str, cgroup: &str| {
            let settings = format!("proc_root = \"{proc_root}\"\ncgroup = \"{cgroup}\"");
            let (printed, result) = checked(&EXAMPLE.replace("proc_root = \"/proc\"", &settings), Form::Text);
            assert!(result.is_ok(), "{result:?}");
            printed
        };
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().to_str().unwrap();
        let printed = measured(here, "/no/such/cgroup");
        assert!(
            printed.contains(&format!("warning: agent.proc_root: there is no meminfo in {here}; name")),
            "{printed}"
        );
        assert!(
            printed.contains("warning: agent.cgroup: there is no directory /no/such/cgroup; name"),
            "{printed}"
        );
        let line = 1 + EXAMPLE.lines().position(|line| line.starts_with("proc_root")).unwrap();
        assert!(printed.contains(&format!("afc.toml:{line}: warning: agent.proc_root")), "{printed}");
        assert!(
            measured("/proc", here).contains(&format!("warning: agent.cgroup: {here} is no cgroup v2; name"))
        );
        std::fs::write(dir.path().join("cgroup.controllers"), "").unwrap();
        let printed = measured("/proc", here);
        assert!(!printed.contains("agent.proc_root") && !printed.contains("agent.cgroup"), "{printed}");
    }

    #[test]
    fn every_error_is_printed_and_counted() {
        let text = EXAMPLE.replace("port = 7947", "port = 0").replace("id = 3", "id = 2");
        let (printed, result) = checked(&text, Form::Text);
        assert!(result.unwrap_err().to_string().ends_with("afc.toml has 2 errors"));
        assert!(printed.contains("heartbeat.port: 0 is no port"), "{printed}");
        assert!(printed.contains("nodes[n3].id: 2 belongs to the node"), "{printed}");
        let (printed, result) = checked("\u{0}", Form::Text);
        assert!(result.is_err() && printed.contains("afc.toml:1: "), "{printed}");
    }

    #[test]
    fn with_json_everything_is_one_list() {
        let (printed, result) = checked(&EXAMPLE.replace("port = 7947", "port = 0"), Form::Json);
        assert!(result.is_err());
        let list: serde_json::Value = serde_json::from_str(&printed).unwrap();
        let error = list.as_array().unwrap().iter().find(|found| found["severity"] == "error").unwrap();
        assert_eq!(error["setting"], "heartbeat.port");
        assert!(
            EXAMPLE.lines().nth(error["line"].as_u64().unwrap() as usize - 1).unwrap().starts_with("port")
        );
    }
}
