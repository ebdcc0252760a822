//! The configuration file (design.md section 7): what it says, checked and typed.
//!
//! [`Config::check`] reads a text and reports everything wrong with it, with line numbers; it looks at nothing
//! but the text, so that a file can be checked on any machine. The readers are in `config/`, one a part of the file.

mod diagnostic;
mod document;
mod model;
mod nodes;
mod quantity;
mod services;
mod settings;
#[cfg(test)]
mod tests;
mod thresholds;
mod voters;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use afc_ebpf::identity::{NodeId, ServiceId};
use thiserror::Error;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use model::{
    AgentConfig, Amount, ClusterConfig, HealthCheck, HeartbeatConfig, ListMode, NodeConfig, Primary, Ratio,
    Role, Safety, ServiceConfig, Tasks, Threshold, Thresholds, VirtualAddress, XdpMode,
};

use document::{Problem, Section, Source};

/// Where the configuration file is by default.
pub const DEFAULT_PATH: &str = "/etc/afc/afc.toml";

/// A valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The text that all of it was read from.
    pub text: String,
    /// `[cluster]`.
    pub cluster: ClusterConfig,
    /// `[heartbeat]`.
    pub heartbeat: HeartbeatConfig,
    /// `[agent]`: this node.
    pub agent: AgentConfig,
    /// `[thresholds]`.
    pub thresholds: Thresholds,
    /// `[primary]`, if there is one.
    pub primary: Option<Primary>,
    /// `[[nodes]]` by id.
    pub nodes: Vec<NodeConfig>,
    /// `[[services]]` in the order of the file, which is the order of their indexes in the kernel's maps.
    pub services: Vec<ServiceConfig>,
}

/// Why there is no configuration to run with.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {}: {source}; name another file with --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has errors.
    #[error("the configuration {} cannot be used:\n{errors}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        errors: Diagnostics,
    },
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The configuration, unless there are errors.
    pub config: Option<Config>,
    /// Errors, warnings and notes by line.
    pub diagnostics: Diagnostics,
    /// The line of every setting that was read, by its name as in [`Diagnostic::setting`].
    pub lines: BTreeMap<String, usize>,
}

impl Config {
    /// Reads and checks a file for this machine.
    ///
    /// # Errors
    /// It cannot be read, or has errors; all of them are listed.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let Checked { config, diagnostics, .. } = Self::check_file(path)?;
        config.ok_or_else(|| ConfigError::Invalid {
            path: path.to_owned(),
            errors: diagnostics.only(Severity::Error),
        })
    }

    /// Reads a file and reports everything found in it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn check_file(path: &Path) -> Result<Checked, ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(read)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Self::check(path, text, &host_name())),
            Err(error) => {
                let good = &bytes[..error.valid_up_to()];
                let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
                let diagnostic = Diagnostic {
                    file: path.to_owned(),
                    line,
                    severity: Severity::Error,
                    setting: String::new(),
                    problem: "is not UTF-8 text".to_owned(),
                    fix: "save the file as UTF-8".to_owned(),
                };
                Ok(Checked {
                    config: None,
                    diagnostics: Diagnostics(vec![diagnostic]),
                    lines: BTreeMap::new(),
                })
            }
        }
    }

    /// Checks a text. `file` is shown in what is found, and relative paths start beside it;
    /// `host_name` is the default of `agent.node`.
    pub fn check(file: &Path, text: &str, host_name: &str) -> Checked {
        let source = Source::new(file, text);
        let config = source.parse().and_then(|document| {
            let root = Section::root(&source, &document);
            let config = read(&root, file.parent().unwrap_or(Path::new("")), host_name);
            root.finish();
            config
        });
        let (diagnostics, lines) = source.finish();
        let valid = diagnostics.count(Severity::Error) == 0;
        Checked { config: config.filter(|_| valid), diagnostics, lines }
    }

    /// This node.
    pub fn this_node(&self) -> &NodeConfig {
        self.node(self.agent.node).expect("agent.node was looked up in the nodes when the file was read")
    }

    /// A node by its number.
    pub fn node(&self, id: NodeId) -> Option<&NodeConfig> {
        self.nodes.binary_search_by_key(&id, |node| node.id).ok().map(|index| &self.nodes[index])
    }

    /// A node's name; its number if there is no such node.
    pub fn node_name(&self, id: NodeId) -> String {
        self.node(id).map_or_else(|| format!("#{}", id.0), |node| node.name.clone())
    }

    /// A service by its id on the wire.
    pub fn service(&self, id: ServiceId) -> Option<&ServiceConfig> {
        self.services.iter().find(|service| service.id == id)
    }
}

/// First four bytes of the BLAKE3 of a name, as on the wire.
pub fn name_hash(name: &str) -> u32 {
    let hash = blake3::hash(name.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// This machine's name, empty if it has none that is text.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

/// Reads every section, whatever is wrong in the others.
fn read(root: &Section<'_>, base: &Path, host_name: &str) -> Option<Config> {
    let cluster_section = root.section("cluster");
    let cluster = settings::cluster(&cluster_section, base);
    let heartbeat = settings::heartbeat(&root.section("heartbeat"));
    settings::check_ports(&cluster_section, &cluster, &heartbeat);
    let nodes = nodes::read(root);
    let agent = settings::agent(&root.section("agent"), base, host_name, &heartbeat, &nodes);
    let thresholds = thresholds::read(&root.section("thresholds"));
    let primary = settings::primary(root);
    let safety = cluster.as_ref().map(|cluster| cluster.safety);
    nodes::check_voters(root, &cluster_section, &nodes, safety.unwrap_or(Safety::Quorum));
    let services = services::read(root, &nodes);
    let nodes = nodes::complete(nodes)?;
    let services = services::complete(&services, &nodes)?;
    Some(Config {
        text: root.text().to_owned(),
        cluster: cluster?,
        heartbeat: heartbeat?,
        agent: agent?,
        thresholds,
        primary,
        nodes,
        services,
    })
}
