//! What an operator asks of the cluster, by the commands of `afc`.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::{Lab, agent};

impl Lab {
    /// `afc drain NODE`, asked of that node's own agent; what it answered.
    ///
    /// # Errors
    /// When the agent refuses or does not run.
    pub fn drain(&self, node: &str) -> Result<String> {
        self.order(node, &["drain", node])
    }

    /// `afc undrain NODE`, asked of that node's own agent; what it answered.
    ///
    /// # Errors
    /// When the agent refuses or does not run.
    pub fn undrain(&self, node: &str) -> Result<String> {
        self.order(node, &["undrain", node])
    }

    /// Gives any command to the agent of a node; what it answered.
    ///
    /// # Errors
    /// When the agent refuses or does not run.
    pub fn order(&self, agent_of: &str, command: &[&str]) -> Result<String> {
        let output = Command::new(agent::binary()?)
            .args(command)
            .arg("--socket")
            .arg(self.control_socket(agent_of))
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("afc {} at {agent_of}: {}", command.join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
