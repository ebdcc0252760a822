//! What the agents' backup lists say, by `afc lists --json` (design.md section 8), and followers that keep every version of
//! them.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    Lab,
    agent::{self, Activity},
};

impl Lab {
    /// `afc lists --json` of a node.
    ///
    /// # Errors
    /// When the agent does not run or does not answer.
    pub fn lists(&self, node: &str) -> Result<Value> {
        let text = self.read(node, "lists")?;
        serde_json::from_str(&text).with_context(|| format!("afc lists for {node} is not JSON"))
    }

    /// Follows a node's lists from now on, until its agent ends. Whoever calls must outlive the follower's use: it dies with
    /// the calling thread, like agents.
    ///
    /// # Errors
    /// When the agent does not run.
    pub fn follow_lists(&self, node: &str) -> Result<ListFollower> {
        ensure!(self.activity(node) == Some(Activity::Running), "the agent of {node} does not run");
        let mut command = self.machine(node).command(agent::binary()?);
        command.args(["lists", "--json", "--follow", "--socket"]).arg(self.control_socket(node));
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().expect("standard output was asked for");
        let versions = Versions::default();
        let kept = Arc::clone(&versions);
        let name = format!("lists-{node}");
        let reader = thread::Builder::new().name(name).spawn(move || keep_every_version(output, &kept))?;
        Ok(ListFollower { process, versions, reader: Some(reader) })
    }

    /// Follows the lists of every member.
    ///
    /// # Errors
    /// When one of the agents does not run.
    pub fn follow_all_lists(&self) -> Result<Followers> {
        let nodes = self.spec().members().into_iter();
        nodes.map(|node| Ok((node.clone(), self.follow_lists(&node)?))).collect::<Result<_>>().map(Followers)
    }
}

/// One version of a node's lists.
#[derive(Clone, Debug, PartialEq)]
pub struct ListVersion {
    /// Since when the node had it, ns of [`crate::clock::boot_ns`].
    pub boot_ns: u64,
    /// What it said.
    pub lists: Value,
}

type Versions = Arc<Mutex<Vec<ListVersion>>>;

/// Keeps every version of one node's lists. Dropping it ends it.
#[derive(Debug)]
pub struct ListFollower {
    process: Child,
    versions: Versions,
    reader: Option<JoinHandle<()>>,
}

impl ListFollower {
    /// The version that the node had at a time of [`crate::clock::boot_ns`].
    pub fn at(&self, boot_ns: u64) -> Option<ListVersion> {
        let versions = self.versions();
        versions.iter().rev().find(|version| version.boot_ns <= boot_ns).cloned()
    }

    /// The first version that the node had since a time, and that says what is looked for.
    pub fn first(&self, since_ns: u64, says: impl Fn(&Value) -> bool) -> Option<ListVersion> {
        let versions = self.versions();
        let mut since = versions.iter().filter(|version| version.boot_ns >= since_ns);
        since.find(|version| says(&version.lists)).cloned()
    }

    /// The version that it has now, as far as is known.
    pub fn latest(&self) -> Option<ListVersion> {
        self.versions().last().cloned()
    }

    /// How many versions there were so far.
    pub fn count(&self) -> usize {
        self.versions().len()
    }

    /// Also when the thread that keeps them has panicked.
    fn versions(&self) -> std::sync::MutexGuard<'_, Vec<ListVersion>> {
        self.versions.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for ListFollower {
    fn drop(&mut self) {
        // Both fail only if the process has ended and was waited for already, which is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
        if self.reader.take().is_some_and(|reader| reader.join().is_err()) {
            eprintln!("afc-lab: a follower of lists had panicked");
        }
    }
}

/// The thread of a follower.
fn keep_every_version(output: ChildStdout, versions: &Mutex<Vec<ListVersion>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let version = version(&line);
        let version = version.unwrap_or_else(|error| panic!("afc lists --follow printed {line}: {error:#}"));
        versions.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(version);
    }
}

fn version(line: &str) -> Result<ListVersion> {
    let lists: Value = serde_json::from_str(line).context("no JSON")?;
    let boot_ns = lists["boot_ns"].as_u64().context("no boot_ns")?;
    Ok(ListVersion { boot_ns, lists })
}

/// Followers of several nodes, by name.
#[derive(Debug)]
pub struct Followers(pub BTreeMap<String, ListFollower>);

impl Followers {
    /// The latest version of each node.
    pub fn latest(&self) -> BTreeMap<String, ListVersion> {
        let latest = |(node, follower): (&String, &ListFollower)| Some((node.clone(), follower.latest()?));
        self.0.iter().filter_map(latest).collect()
    }

    /// The version that each node had at a time of [`crate::clock::boot_ns`].
    pub fn at(&self, boot_ns: u64) -> BTreeMap<String, ListVersion> {
        let had = |(node, follower): (&String, &ListFollower)| Some((node.clone(), follower.at(boot_ns)?));
        self.0.iter().filter_map(had).collect()
    }

    /// Whether the latest version of every node says something.
    pub fn all_say(&self, says: impl Fn(&Value) -> bool) -> bool {
        self.0.values().all(|follower| follower.latest().is_some_and(|version| says(&version.lists)))
    }
}

/// A node's state in lists: `A`, or `N` with its reasons, as in `N(memory,serving)`.
pub fn state(lists: &Value, node: &str) -> Option<String> {
    let nodes = lists["nodes"].as_array()?;
    Some(availability(nodes.iter().find(|entry| entry["name"] == node)?))
}

/// Whether lists give a reason why a node is not available.
pub fn has_reason(lists: &Value, node: &str, reason: &str) -> bool {
    let nodes = lists["nodes"].as_array().into_iter().flatten();
    let mut reasons = nodes.filter(|entry| entry["name"] == node).flat_map(reasons);
    reasons.any(|found| found == reason)
}

/// The backups of a node in lists, best first, each with its state: `n5 A`, `n4 N(memory)`.
pub fn backups(lists: &Value, node: &str) -> Option<Vec<String>> {
    let list = lists["lists"].as_array()?.iter().find(|list| list["node"] == node)?;
    let backup = |backup: &Value| Some(format!("{} {}", backup["node"].as_str()?, availability(backup)));
    list["backups"].as_array()?.iter().map(backup).collect()
}

/// `A` or `N(..)` of an entry that has reasons.
fn availability(entry: &Value) -> String {
    let reasons: Vec<_> = reasons(entry).collect();
    if entry["available"] == true { "A".to_owned() } else { format!("N({})", reasons.join(",")) }
}

fn reasons(entry: &Value) -> impl Iterator<Item = &str> {
    entry["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// Followers whose nodes had these versions, which come from no agent.
    pub(crate) fn followers(nodes: &[(&str, &[(u64, Value)])]) -> Followers {
        let follower = |versions: &[(u64, Value)]| {
            let version =
                |(boot_ns, lists): &(u64, Value)| ListVersion { boot_ns: *boot_ns, lists: lists.clone() };
            let versions = versions.iter().map(version).collect();
            let process = std::process::Command::new("true").spawn().unwrap();
            ListFollower { process, versions: Arc::new(Mutex::new(versions)), reader: None }
        };
        Followers(nodes.iter().map(|&(node, versions)| (node.to_owned(), follower(versions))).collect())
    }

    /// Lists in which node 4 is in one state.
    pub(crate) fn about_n4(reasons: &[&str]) -> Value {
        json!({
            "nodes": [{"name": "n4", "available": reasons.is_empty(), "reasons": reasons}],
            "lists": [{"node": "n1", "service": "web-1", "backups": [
                {"node": "n5", "available": true, "reasons": []},
                {"node": "n4", "available": reasons.is_empty(), "reasons": reasons},
            ]}],
        })
    }

    #[test]
    fn states_and_backups_are_read_as_people_write_them() {
        let lists = about_n4(&["memory", "serving"]);
        assert_eq!(state(&lists, "n4").as_deref(), Some("N(memory,serving)"));
        assert_eq!(state(&about_n4(&[]), "n4").as_deref(), Some("A"));
        assert_eq!(state(&lists, "n9"), None);
        assert!(has_reason(&lists, "n4", "memory") && !has_reason(&lists, "n4", "drained"));
        assert_eq!(backups(&lists, "n1").unwrap(), ["n5 A", "n4 N(memory,serving)"]);
        assert_eq!(backups(&lists, "n9"), None);
    }

    #[test]
    fn a_follower_knows_what_a_node_had_when() {
        let followers = followers(&[("n1", &[(10, about_n4(&[])), (30, about_n4(&["memory"]))])]);
        let n1 = &followers.0["n1"];
        assert_eq!(n1.at(9), None);
        assert_eq!(n1.at(29).unwrap().boot_ns, 10);
        assert_eq!(n1.at(30).unwrap().boot_ns, 30);
        let is_short = |lists: &Value| has_reason(lists, "n4", "memory");
        assert_eq!(n1.first(0, is_short).unwrap().boot_ns, 30);
        assert_eq!(n1.first(31, is_short), None);
        assert!(followers.all_say(is_short));
    }

    #[test]
    fn a_line_without_a_time_is_no_version() {
        assert_eq!(version(r#"{"boot_ns": 7}"#).unwrap().boot_ns, 7);
        assert!(version("{}").is_err() && version("lists of node n1").is_err());
    }
}
