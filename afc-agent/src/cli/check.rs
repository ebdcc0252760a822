//! `afc check`: everything wrong with a file, and what this machine lacks for it.

use std::{io::Write, path::Path};

use super::{CliError, printed_or_unread};
use crate::{
    config::{Checked, Config, Diagnostic, Severity},
    key::ClusterKeys,
};

/// Prints what was found. The file's errors make it fail; what only this machine lacks is a warning, so that a file
/// can be checked elsewhere than on its node.
pub(super) fn check(file: &Path, json: bool, out: &mut impl Write) -> Result<(), CliError> {
    let Checked {
        config,
        mut diagnostics,
        lines,
    } = Config::check_file(file)?;
    for (setting, problem) in config.iter().flat_map(lacking) {
        diagnostics.0.push(Diagnostic {
            file: file.to_owned(),
            line: lines.get(setting).copied().unwrap_or(1),
            severity: Severity::Warning,
            setting: setting.to_owned(),
            problem,
            fix: "`afc run` would refuse it here".to_owned(),
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

/// What `afc run` would miss on this machine: the setting and the problem.
fn lacking(config: &Config) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Err(error) = ClusterKeys::load(&config.cluster.key_file) {
        found.push(("cluster.key_file", error.to_string()));
    }
    for interface in &config.agent.interfaces {
        if !Path::new("/sys/class/net").join(interface).exists() {
            found.push((
                "agent.interfaces",
                format!("this machine has no interface {interface}"),
            ));
        }
    }
    found
}
