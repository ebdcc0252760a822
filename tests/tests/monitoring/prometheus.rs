//! Debian's Prometheus: its checks of rules, and a server on a machine of a lab that is asked for what it has scraped.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use afc_lab::{Lab, config::HTTP_PORT, http, netns::Netns};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::deployed;

/// Where the server listens, on its machine.
const ADDRESS: &str = "127.0.0.1:9090";
/// How long an answer may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(10);

/// `promtool` with these arguments, among the files of the deployment.
pub(crate) fn promtool(arguments: &[&str]) {
    let mut command = Command::new(program("promtool"));
    command.args(arguments).current_dir(deployed::path("deploy/prometheus")).stdin(Stdio::null());
    let output = command.output().expect("promtool starts");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "promtool {}:\n{said}", arguments.join(" "));
}

/// A program of the package: installed, or unpacked by xtask.
fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let this = env::current_exe().expect("a test has a file");
    let unpacked = this.ancestors().map(|directory| directory.join("tools/bin"));
    let mut places = env::split_paths(&path).chain(unpacked).map(|directory| directory.join(name));
    let missing = || panic!("{name} is missing: run `cargo xtask setup`, or install Debian's prometheus");
    places.find(|file| file.is_file()).unwrap_or_else(missing)
}

/// A server. Dropping it kills it.
pub(crate) struct Prometheus<'a> {
    process: Child,
    machine: &'a Netns,
    _directory: TempDir,
}

impl<'a> Prometheus<'a> {
    /// Starts one beside the nodes, which reads every member's agent and plays the rules.
    pub(crate) fn start(lab: &'a Lab) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the server");
        let configuration = directory.path().join("prometheus.yml");
        fs::write(&configuration, configure(lab)).expect("room for a configuration");
        let machine = lab.outside();
        let mut command = machine.command(program("prometheus"));
        command.arg(flag("config.file", &configuration));
        command.arg(flag("storage.tsdb.path", &directory.path().join("data")));
        command.arg(format!("--web.listen-address={ADDRESS}")).arg("--log.level=warn");
        let process = command.stdin(Stdio::null()).spawn().expect("prometheus starts");
        Self { process, machine, _directory: directory }
    }

    /// What a query gives now: each series' labels and value.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<(Value, f64)>> {
        let text = get(self.machine, ADDRESS.parse()?, &format!("/api/v1/query?query={}", escaped(query)))?;
        let answer: Value = serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))?;
        ensure!(answer["status"] == "success", "{query}: {text}");
        let series =
            answer["data"]["result"].as_array().with_context(|| format!("{query} gives no vector"))?;
        let one = |series: &Value| {
            let value = series["value"][1].as_str().context("a sample without a value")?;
            Ok((series["metric"].clone(), value.parse().context("a value that is no number")?))
        };
        series.iter().map(one).collect()
    }

    /// What a query gives now, as `label=value` of these labels, sorted; nothing while the server does not answer.
    pub(crate) fn labels(&self, query: &str, labels: &[&str]) -> Vec<String> {
        let text = |series: &Value| -> Vec<_> {
            labels.iter().map(|label| series[*label].as_str().unwrap_or("-").to_owned()).collect()
        };
        let series = self.query(query).unwrap_or_default();
        let mut found: Vec<_> = series.iter().map(|(series, _)| text(series).join(" ")).collect();
        found.sort();
        found
    }
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// As `deploy/prometheus/prometheus.yml`, for the members of a lab, and twice a second.
fn configure(lab: &Lab) -> String {
    let rules = deployed::path("deploy/prometheus/afc.rules.yml");
    let rules = rules.canonicalize().expect("the rules exist");
    let mut text = format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}\nrule_files: ['{}']\n\
         scrape_configs:\n  - job_name: afc\n    static_configs:\n",
        rules.display()
    );
    let spec = lab.spec();
    for name in spec.members() {
        let address = spec.node(&name).address();
        text += &format!(
            "      - {{targets: ['{address}:{HTTP_PORT}'], labels: {{cluster: lab, instance: {name}}}}}\n"
        );
    }
    text
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// The body of a page, asked for on a machine.
pub(crate) fn get(machine: &Netns, address: SocketAddr, path: &str) -> Result<String> {
    machine.enter(|| http::fetch(address, path, PATIENCE))?
}

/// A query as a part of an address.
fn escaped(query: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    query.bytes().map(byte).collect()
}
