//! `afc check`: everything wrong with a file, and what this machine lacks for it.

use std::{io::Write, path::Path};

use super::{CliError, printed_or_unread};
use crate::{
    config::{Checked, Config, Diagnostic, Severity},
    key::ClusterKeys,
    state,
};

/// Prints what was found. The file's errors make it fail; what only this machine lacks is a warning, so that a file
/// can be checked elsewhere than on its node.
pub(super) fn check(file: &Path, json: bool, out: &mut impl Write) -> Result<(), CliError> {
    let Checked {
        config,
        mut diagnostics,
        lines,
    } = Config::check_file(file)?;
    for Lack {
        setting,
        problem,
        fix,
    } in config.iter().flat_map(lacking)
    {
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
    let printed = match (json, &config) {
        (true, _) => {
            let list = serde_json::to_string_pretty(&diagnostics.0).expect("findings are text and numbers");
            writeln!(out, "{list}")
        }
        (false, None) => writeln!(out, "{diagnostics}"),
        (false, Some(config)) => diagnostics
            .0
            .iter()
            .try_for_each(|found| writeln!(out, "{found}"))
            .and_then(|()| {
                let (nodes, services) = (config.nodes.len(), config.services.len());
                let this = &config.this_node().name;
                writeln!(
                    out,
                    "{}: valid for node {this} (nodes: {nodes}, services: {services})",
                    file.display()
                )
            }),
    };
    printed_or_unread(printed)?;
    if errors == 0 {
        Ok(())
    } else {
        Err(CliError::Check {
            file: file.to_owned(),
            errors,
        })
    }
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
        found.push(Lack {
            setting: "cluster.key_file",
            problem: error.to_string(),
            fix: refused,
        });
    }
    // Of this network namespace, unlike /sys/class/net.
    let present = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    for interface in &config.agent.interfaces {
        if !present
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{interface}:")))
        {
            let problem = format!("this machine has no interface {interface}");
            found.push(Lack {
                setting: "agent.interfaces",
                problem,
                fix: refused,
            });
        }
    }
    let state_dir = &config.agent.state_dir;
    if state::is_volatile(state_dir).is_ok_and(|volatile| volatile) {
        let problem = format!(
            "{} is in memory, so a reboot forgets what this node granted",
            state_dir.display()
        );
        found.push(Lack {
            setting: "agent.state_dir",
            problem,
            fix: "name a directory on a disk",
        });
    }
    found
}
