//! The agents of a lab: real `afc` processes in the nodes' namespaces, and what one does to a process.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::MutexGuard,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    Lab,
    config::{self, Paths},
    wait_for,
};

/// How long an agent may take to end after SIGTERM.
const STOP: Duration = Duration::from_secs(10);
/// Lines of each agent's log that a failed test prints.
const LOG_LINES: usize = 25;

/// Whether an agent may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It runs.
    Running,
    /// It was stopped by SIGSTOP.
    Frozen,
}

/// One agent's process. Dropping it kills it.
#[derive(Debug)]
pub struct Agent {
    process: Child,
    activity: Activity,
}

/// Agents by node.
pub type Agents = BTreeMap<String, Agent>;

impl Agent {
    /// Sends a signal.
    fn signal(&self, signal: libc::c_int) -> Result<()> {
        // SAFETY: the child has not been waited for, so its number is still its own.
        let status = unsafe { libc::kill(self.process.id() as libc::pid_t, signal) };
        ensure!(status == 0, "signal {signal}: {}", std::io::Error::last_os_error());
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Both fail only if the process has ended and was waited for already, which is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Lab {
    /// Starts the agent of every node.
    ///
    /// # Errors
    /// When the binary is not there, or one can't be started.
    pub fn start_agents(&self) -> Result<()> {
        let nodes: Vec<_> = self.spec().nodes.iter().map(|node| node.name.clone()).collect();
        nodes.iter().try_for_each(|node| self.start_agent(node))
    }

    /// Starts one node's agent. It dies with the calling thread, so that must outlive the lab's use.
    ///
    /// # Errors
    /// When the binary is not there, or the agent runs already.
    pub fn start_agent(&self, node: &str) -> Result<()> {
        self.start_program(node, &binary()?)
    }

    /// Kills an agent and starts another copy of the program in its place, as an upgrade does. What is pinned stays.
    ///
    /// # Errors
    /// When none was started, or the program can't be copied.
    pub fn upgrade(&self, node: &str) -> Result<()> {
        let copy = self.directory().join(node).join("afc-upgrade");
        let fresh = copy.with_extension("new");
        fs::copy(binary()?, &fresh).with_context(|| format!("copying the program to {}", fresh.display()))?;
        // A program that runs can't be written to, but another one may get its name.
        fs::rename(&fresh, &copy)?;
        self.kill9(node)?;
        self.start_program(node, &copy)
    }

    fn start_program(&self, node: &str, program: &Path) -> Result<()> {
        let mut agents = self.agents();
        if let Some(agent) = agents.get_mut(node)
            && agent.process.try_wait()?.is_none()
        {
            bail!("the agent of {node} runs already");
        }
        self.write_config(node)?;
        let log = self.open_log(node)?;
        let mut command = self.run_command(node, program);
        command.stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().with_context(|| format!("starting the agent of {node}"))?;
        agents.insert(node.to_owned(), Agent { process, activity: Activity::Running });
        Ok(())
    }

    /// `afc run` for a node, ready to be spawned; for tests that want its exit status and its words.
    ///
    /// # Errors
    /// When the binary is not there.
    pub fn agent_command(&self, node: &str) -> Result<Command> {
        Ok(self.run_command(node, &binary()?))
    }

    fn run_command(&self, node: &str, program: &Path) -> Command {
        let mut command = self.machine(node).command(program);
        command.arg("run").arg("--config").arg(self.config_file(node));
        command
    }

    /// Kills an agent outright.
    ///
    /// # Errors
    /// When none was started.
    pub fn kill9(&self, node: &str) -> Result<()> {
        self.agents().remove(node).map(drop).with_context(|| format!("{node} has no agent"))
    }

    /// Stops an agent cleanly and gives its exit status.
    ///
    /// # Errors
    /// When none was started, or it does not end.
    pub fn stop(&self, node: &str) -> Result<ExitStatus> {
        let mut agent = self.agents().remove(node).with_context(|| format!("{node} has no agent"))?;
        agent.signal(libc::SIGTERM)?;
        let mut status = None;
        wait_for(&format!("{node} stops after SIGTERM"), STOP, || {
            status = agent.process.try_wait().ok().flatten();
            status.is_some()
        })?;
        status.context("an agent that ended has a status")
    }

    /// Stops an agent's clock hand, as a debugger or a stalled hypervisor would.
    ///
    /// # Errors
    /// When none was started.
    pub fn freeze(&self, node: &str) -> Result<()> {
        self.set_activity(node, Activity::Frozen)
    }

    /// Lets a frozen agent go on.
    ///
    /// # Errors
    /// When none was started.
    pub fn thaw(&self, node: &str) -> Result<()> {
        self.set_activity(node, Activity::Running)
    }

    /// What an agent is doing; `None` when it was not started or has ended.
    pub fn activity(&self, node: &str) -> Option<Activity> {
        let mut agents = self.agents();
        let agent = agents.get_mut(node)?;
        match agent.process.try_wait() {
            Ok(None) => Some(agent.activity),
            Ok(Some(_)) | Err(_) => None,
        }
    }

    /// The process of a node's agent; `None` when it was not started.
    pub fn agent_pid(&self, node: &str) -> Option<u32> {
        self.agents().get(node).map(|agent| agent.process.id())
    }

    /// The agents that were started and have ended, though nobody stopped them.
    pub fn fallen(&self) -> Vec<String> {
        let mut agents = self.agents();
        let ended = |agent: &mut Agent| matches!(agent.process.try_wait(), Ok(Some(_)));
        agents.iter_mut().filter_map(|(node, agent)| ended(agent).then(|| node.clone())).collect()
    }

    /// Writes a node's configuration file.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn write_config(&self, node: &str) -> Result<()> {
        let key = self.directory().join("cluster.key");
        let own = self.directory().join(node);
        let paths = Paths { key: &key, node: &own, bpf: &self.bpf_directory() };
        let text = config::render(self.spec(), self.spec().node(node), &paths);
        fs::write(self.config_file(node), text)
            .with_context(|| format!("writing the configuration of {node}"))
    }

    /// A node's configuration file.
    pub fn config_file(&self, node: &str) -> PathBuf {
        self.directory().join(node).join("afc.toml")
    }

    /// A node's control socket.
    pub fn control_socket(&self, node: &str) -> PathBuf {
        self.directory().join(node).join("afc.sock")
    }

    /// What a node's agent records its engine in, where the lab's agents do; that of the agent before has `.old` behind it.
    pub fn recording_file(&self, node: &str) -> PathBuf {
        self.directory().join(node).join(config::RECORDING)
    }

    /// What a node's agents have printed.
    pub fn log(&self, node: &str) -> String {
        fs::read_to_string(self.log_file(node)).unwrap_or_default()
    }

    /// Prints the end of every agent's log, for whoever reads a failed test.
    pub fn print_logs(&self) {
        for node in &self.spec().nodes {
            let log = self.log(&node.name);
            let lines: Vec<_> = log.lines().collect();
            eprintln!("--- {} ({} lines)", node.name, lines.len());
            for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
                eprintln!("{line}");
            }
        }
    }

    /// The agents, also when a thread that had them has panicked.
    fn agents(&self) -> MutexGuard<'_, Agents> {
        self.agents.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Freezes or thaws.
    fn set_activity(&self, node: &str, activity: Activity) -> Result<()> {
        let mut agents = self.agents();
        let agent = agents.get_mut(node).with_context(|| format!("{node} has no agent"))?;
        agent.signal(match activity {
            Activity::Running => libc::SIGCONT,
            Activity::Frozen => libc::SIGSTOP,
        })?;
        agent.activity = activity;
        Ok(())
    }

    /// Where a node's agent prints to.
    fn log_file(&self, node: &str) -> PathBuf {
        self.directory().join(node).join("afc.log")
    }

    /// Opens it; an agent that is started again goes on at its end.
    fn open_log(&self, node: &str) -> Result<File> {
        let path = self.log_file(node);
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        opened.with_context(|| format!("opening {}", path.display()))
    }
}

/// The agent's binary: `$AFC_BIN`, else `afc` beside this program.
///
/// # Errors
/// When it is in none of these places.
pub fn binary() -> Result<PathBuf> {
    match std::env::var_os("AFC_BIN") {
        Some(path) => Ok(path.into()),
        None => program("afc", "afc-agent").context("or set AFC_BIN to where the agent's binary is"),
    }
}

/// A program of a package of this workspace: beside this program or one directory up, where cargo puts it, seen from a
/// test.
///
/// # Errors
/// When it is in neither place.
pub(crate) fn program(name: &str, package: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("finding this program")?;
    let mut places = this.ancestors().skip(1).take(2).map(|directory| directory.join(name));
    let found = places.find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: run `cargo build -p {package}`"))
}

/// How a process ended, in words.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}
