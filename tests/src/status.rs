//! What the agents say of themselves, by `afc status --json` (design.md section 8), and waiting until they agree.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{
    Lab,
    agent::{self, Activity},
    spec::Role,
    wait_for,
};

impl Lab {
    /// `afc status --json` of a node. A frozen agent is not asked: it would not answer.
    ///
    /// # Errors
    /// When the agent does not run or does not answer.
    pub fn status(&self, node: &str) -> Result<Value> {
        let text = self.read(node, "status")?;
        serde_json::from_str(&text).with_context(|| format!("afc status for {node} is not JSON"))
    }

    /// `afc events --json` of a node, oldest first.
    ///
    /// # Errors
    /// When the agent does not run or does not answer.
    pub fn events(&self, node: &str) -> Result<Vec<Value>> {
        let text = self.read(node, "events")?;
        let events = text.lines().map(serde_json::from_str);
        events.collect::<Result<_, _>>().with_context(|| format!("afc events for {node} is not JSON"))
    }

    /// The owner on whom all of `nodes` agree; `None` while they don't, or nobody is.
    pub fn agreed_owner(&self, service: &str, nodes: &[&str]) -> Option<String> {
        let mut owners = nodes.iter().map(|node| owner(&self.status(node).ok()?, service));
        let first = owners.next()??;
        owners.all(|owner| owner.as_ref() == Some(&first)).then_some(first)
    }

    /// Waits until all of `nodes` agree that `owner` serves `service`.
    ///
    /// # Errors
    /// When they don't within `timeout`.
    pub fn wait_for_owner(&self, expected: Expected, timeout: Duration) -> Result<()> {
        let Expected { service, owner, seen_by } = expected;
        let what = format!("{seen_by:?} agree that {owner} serves {service}");
        let agreed = || self.agreed_owner(service, seen_by).is_some_and(|agreed| agreed == owner);
        wait_for(&what, timeout, agreed).map(drop).with_context(|| {
            let seen = seen_by.iter().map(|&node| {
                (node, self.status(node).ok().and_then(|it| crate::status::owner(&it, service)))
            });
            format!("they see {:?}", seen.collect::<Vec<_>>())
        })
    }

    /// Waits until every agent that runs agrees that every service is at home.
    ///
    /// # Errors
    /// When they don't within `timeout`.
    pub fn wait_for_homes(&self, timeout: Duration) -> Result<()> {
        wait_for("every agent sees every service at home", timeout, || self.is_everything_home()).map(drop)
    }

    /// Whether every agent that runs sees every service at home.
    pub fn is_everything_home(&self) -> bool {
        let at_home = |status: &Value| {
            let mut services = self.spec().services.iter();
            services.all(|service| owner(status, &service.name).as_ref() == Some(&service.home))
        };
        self.running().iter().all(|node| self.status(node).is_ok_and(|status| at_home(&status)))
    }

    /// Waits until every agent that runs hears every member: a cluster that has got over its last failure.
    ///
    /// # Errors
    /// When they don't within `timeout`.
    pub fn wait_until_whole(&self, timeout: Duration) -> Result<()> {
        wait_for("every agent hears every member", timeout, || self.is_whole()).map(drop)
    }

    /// Whether every agent that runs hears every member. Nobody probes a witness, so nobody can say that of one.
    pub fn is_whole(&self) -> bool {
        let members = || self.spec().nodes.iter().filter(|node| node.role == Role::Member);
        let hears_all = |status: &Value| members().all(|member| is_alive(status, &member.name));
        self.running().iter().all(|node| self.status(node).is_ok_and(|status| hears_all(&status)))
    }

    /// The nodes whose agents run, frozen ones left out.
    pub fn running(&self) -> Vec<String> {
        let names = self.spec().nodes.iter().map(|node| node.name.clone());
        names.filter(|name| self.activity(name) == Some(Activity::Running)).collect()
    }

    /// What a reading command prints about a node's agent.
    pub(crate) fn read(&self, node: &str, command: &str) -> Result<String> {
        ensure!(self.activity(node) == Some(Activity::Running), "the agent of {node} does not run");
        let output = Command::new(agent::binary()?)
            .args([command, "--json", "--socket"])
            .arg(self.control_socket(node))
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            bail!("afc {command} for {node}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("afc {command} for {node} prints no text"))
    }
}

/// An owner to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The service.
    pub service: &'a str,
    /// The node that shall serve it.
    pub owner: &'a str,
    /// The nodes that shall agree.
    pub seen_by: &'a [&'a str],
}

/// A service's entry in a status.
pub fn service<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["services"].as_array()?.iter().find(|service| service["name"] == name)
}

/// Whether a node is alive according to a status.
pub fn is_alive(status: &Value, name: &str) -> bool {
    let mut nodes = status["nodes"].as_array().into_iter().flatten();
    nodes.any(|node| node["name"] == name && node["alive"] == true)
}

/// A service's owner in a status.
pub fn owner(status: &Value, service_name: &str) -> Option<String> {
    service(status, service_name)?["owner"].as_str().map(str::to_owned)
}

/// A service's epoch in a status.
pub fn epoch(status: &Value, service_name: &str) -> Option<u64> {
    service(status, service_name)?["epoch"].as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn owners_and_epochs_are_found_by_the_name_of_the_service() {
        let status = json!({"services": [
            {"name": "web-1", "owner": "n1", "epoch": 7},
            {"name": "web-2", "owner": null, "epoch": 0},
        ], "nodes": [{"name": "n1", "alive": true}, {"name": "n2", "alive": false}]});
        assert!(is_alive(&status, "n1") && !is_alive(&status, "n2") && !is_alive(&status, "n3"));
        assert_eq!(owner(&status, "web-1").as_deref(), Some("n1"));
        assert_eq!(epoch(&status, "web-1"), Some(7));
        assert_eq!(owner(&status, "web-2"), None);
        assert_eq!(owner(&status, "web-9"), None);
        assert_eq!(owner(&json!({}), "web-1"), None);
    }
}
