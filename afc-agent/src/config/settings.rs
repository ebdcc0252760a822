//! Reads `[cluster]`, `[heartbeat]`, `[agent]` and `[primary]`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use afc_ebpf::{
    identity::NodeId,
    layout::{MAX_INTERFACES, MAX_SERVICES},
    wire,
};
use humantime::format_duration;

use super::{
    AgentConfig, ClusterConfig, HeartbeatConfig, ListMode, Primary, Problem, Safety, Section, XdpMode,
    name_hash, nodes::NodeDraft, quantity,
};

/// Below this the probes alone keep a CPU busy.
const MIN_INTERVAL: Duration = Duration::from_micros(500);
/// Above this nothing deserves the name of failover.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// Probes that one timeout must span.
const PROBES_PER_TIMEOUT: u32 = 3;
/// The kernel's RT throttling may hold a real-time thread back for most of a second.
const MIN_AGENT_TIMEOUT: Duration = Duration::from_secs(1);
/// A kernel that speaks longer for a dead agent hides its death.
const MAX_AGENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Timeouts that the agent's own must span, so that the dead man never acts before a verdict.
const TIMEOUTS_PER_AGENT_TIMEOUT: u32 = 2;
/// Bytes in the path of a Unix-domain socket, at most (`sockaddr_un` less the final zero).
const MAX_SOCKET_PATH_BYTES: usize = 107;
/// The size limit of a recording by default: half an hour of five nodes at the default interval.
const RECORD_LIMIT_BYTES: u64 = 1 << 30;
/// A header alone may take some hundred kilobytes.
const MIN_RECORD_LIMIT_BYTES: u64 = 1 << 20;
/// Where metrics are served by default: to this machine only.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9947);
/// Where cluster controllers listen by default.
const CONTROLLER_PORT: u16 = 7948;
/// The first membership generation.
const FIRST_GENERATION: u32 = 1;

/// `[cluster]`.
pub(super) fn cluster(section: &Section<'_>, base: &Path) -> Option<ClusterConfig> {
    let name = section.required("name", quantity::name, "add the cluster's name, as in name = \"edge\"");
    let fix = "add the path of the cluster's secret; `afc keygen PATH` makes one";
    let key_file = section.required("key_file", quantity::path, fix);
    let safety = section.optional("safety", quantity::safety).unwrap_or(Safety::Quorum);
    let port = section.optional("port", quantity::port).unwrap_or(CONTROLLER_PORT);
    let lists = section.optional("lists", quantity::list_mode).unwrap_or(ListMode::Adaptive);
    section.finish();
    let name = name?;
    let id = name_hash(&name);
    let key_file = base.join(key_file?);
    Some(ClusterConfig { name, id, key_file, safety, port, lists, generation: FIRST_GENERATION })
}

/// Heartbeats and the cluster controller share a node's address, so they need two ports.
pub(super) fn check_ports(
    section: &Section<'_>,
    cluster: &Option<ClusterConfig>,
    heartbeat: &Option<HeartbeatConfig>,
) {
    if let (Some(cluster), Some(heartbeat)) = (cluster, heartbeat)
        && cluster.port == heartbeat.port
    {
        let problem = format!("{} is heartbeat.port too", cluster.port);
        section.error("port", Problem::new(problem, "write another port, the same on every node"));
    }
}

/// `[heartbeat]`. `None` if its times are wrong, so that nothing is compared with them.
pub(super) fn heartbeat(section: &Section<'_>) -> Option<HeartbeatConfig> {
    let interval = section.or("interval", quantity::duration, Duration::from_millis(5));
    let timeout = section.or("timeout", quantity::duration, Duration::from_millis(25));
    let port = section.optional("port", quantity::port).unwrap_or(wire::DEFAULT_PORT);
    section.finish();
    let (interval, timeout) = (interval?, timeout?);
    if interval < MIN_INTERVAL {
        let problem = format!("{} keeps a CPU busy with probes alone", format_duration(interval));
        section.error("interval", Problem::new(problem, "write at least \"500us\""));
        return None;
    }
    if timeout > MAX_TIMEOUT {
        let problem = format!("{} is too long to call it failover", format_duration(timeout));
        section.error("timeout", Problem::new(problem, "write at most \"60s\""));
        return None;
    }
    let least = interval.saturating_mul(PROBES_PER_TIMEOUT);
    if timeout < least {
        let problem = format!(
            "{} is less than three intervals of {}, so two lost packets would look like a dead node",
            format_duration(timeout),
            format_duration(interval)
        );
        let fix = format!("write at least \"{}\", or a shorter interval", format_duration(least));
        section.error("timeout", Problem::new(problem, fix));
        return None;
    }
    Some(HeartbeatConfig { interval, timeout, port })
}

/// `[agent]`.
pub(super) fn agent(
    section: &Section<'_>,
    base: &Path,
    host_name: &str,
    heartbeat: &Option<HeartbeatConfig>,
    nodes: &[NodeDraft<'_>],
) -> Option<AgentConfig> {
    let node = this_node(section, host_name, nodes);
    let interfaces = interfaces(section);
    let xdp_mode = section.optional("xdp_mode", quantity::xdp_mode).unwrap_or(XdpMode::Auto);
    let path = |key, default: &str| {
        base.join(section.optional(key, quantity::path).unwrap_or(PathBuf::from(default)))
    };
    let state_dir = path("state_dir", "/var/lib/afc");
    let control_socket = path("control_socket", "/run/afc/afc.sock");
    let bpf_dir = path("bpf_dir", "/sys/fs/bpf");
    if control_socket.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
        let problem = format!("has {} bytes", control_socket.as_os_str().len());
        section.error(
            "control_socket",
            Problem::new(problem, "use at most 107: no socket can have a longer path"),
        );
    }
    let listen = section.optional("listen", quantity::socket_address);
    let agent_timeout = agent_timeout(section, heartbeat);
    let capacity = capacity(section);
    let proc_root = section.optional("proc_root", quantity::absolute_path);
    let cgroup = section.optional("cgroup", quantity::absolute_path);
    let record = section.optional("record", quantity::path).map(|file| base.join(file));
    let record_limit_bytes = record_limit_bytes(section);
    section.finish();
    Some(AgentConfig {
        node: node?,
        interfaces,
        xdp_mode,
        state_dir,
        control_socket,
        listen: listen.unwrap_or(LISTEN),
        bpf_dir,
        agent_timeout: agent_timeout?,
        capacity,
        proc_root: proc_root.unwrap_or(PathBuf::from("/proc")),
        cgroup,
        record,
        record_limit_bytes,
    })
}

/// `[primary]`.
pub(super) fn primary(root: &Section<'_>) -> Option<Primary> {
    let section = root.section("primary");
    if !root.has("primary") {
        return None;
    }
    root.note("primary", "this version does not use a central repository yet");
    let etcd: Vec<_> = section.list("etcd", quantity::url).into_iter().map(|(_, url)| url).collect();
    section.finish();
    if !section.has("etcd") {
        let fix = "add etcd's addresses, as in etcd = [\"http://10.0.0.9:2379\"], or leave the section out";
        section.error("etcd", Problem::new("is missing", fix));
    }
    Some(Primary { etcd })
}

fn this_node(section: &Section<'_>, host_name: &str, nodes: &[NodeDraft<'_>]) -> Option<NodeId> {
    let written = section.optional("node", quantity::name);
    if written.is_none() && section.has("node") {
        return None;
    }
    let name = written.as_deref().unwrap_or(host_name);
    let Some(node) = nodes.iter().find(|node| node.name.as_deref() == Some(name)) else {
        let names: Vec<_> = nodes.iter().filter_map(|node| node.name.as_deref()).collect();
        let origin = if written.is_some() { "" } else { ", this machine's name," };
        let fix = match names.is_empty() {
            true => "describe every node in a section [[nodes]]".to_owned(),
            false => {
                format!("write node = with one of {}, or add a section [[nodes]] for it", names.join(", "))
            }
        };
        section.error("node", Problem::new(format!("{name:?}{origin} is not among the nodes"), fix));
        return None;
    };
    node.id
}

fn interfaces(section: &Section<'_>) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let items = section.list("interfaces", quantity::interface);
    for (index, name) in &items {
        if let Some(first) = seen.insert(name.clone(), *index) {
            let problem = format!("{name:?} is there twice, as items {} and {}", first + 1, index + 1);
            section.error_item("interfaces", *index, Problem::new(problem, "leave one out"));
        }
    }
    if !section.has("interfaces") {
        let fix = "add where heartbeats and virtual IPs arrive, as in interfaces = [\"eth0\"]";
        section.error("interfaces", Problem::new("is missing", fix));
    } else if section.is_empty_list("interfaces") {
        section.error("interfaces", Problem::new("is empty", "name at least one interface"));
    }
    if items.len() > MAX_INTERFACES as usize {
        let problem = format!("names {} interfaces", items.len());
        section.error("interfaces", Problem::new(problem, format!("use at most {MAX_INTERFACES}")));
    }
    items.into_iter().map(|(_, name)| name).collect()
}

fn agent_timeout(section: &Section<'_>, heartbeat: &Option<HeartbeatConfig>) -> Option<Duration> {
    let agent_timeout = section.or("agent_timeout", quantity::duration, Duration::from_secs(3))?;
    let shown = format_duration(agent_timeout);
    if agent_timeout < MIN_AGENT_TIMEOUT {
        let problem =
            format!("{shown} is shorter than the kernel's real-time throttling may hold the agent back");
        section.error("agent_timeout", Problem::new(problem, "write at least \"1s\""));
        return None;
    }
    if agent_timeout > MAX_AGENT_TIMEOUT {
        let problem = format!("for {shown} the kernel would speak for a dead agent");
        section.error("agent_timeout", Problem::new(problem, "write at most \"60s\""));
        return None;
    }
    let timeout = heartbeat.as_ref().map_or(Duration::ZERO, |heartbeat| heartbeat.timeout);
    let least = timeout.saturating_mul(TIMEOUTS_PER_AGENT_TIMEOUT);
    if agent_timeout < least {
        let problem = format!("{shown} is less than two heartbeat timeouts of {}", format_duration(timeout));
        section.error(
            "agent_timeout",
            Problem::new(problem, format!("write at least \"{}\"", format_duration(least))),
        );
        return None;
    }
    Some(agent_timeout)
}

fn record_limit_bytes(section: &Section<'_>) -> u64 {
    let limit = section.optional("record_limit", quantity::bytes).unwrap_or(RECORD_LIMIT_BYTES);
    if limit < MIN_RECORD_LIMIT_BYTES {
        let problem = format!("{limit} bytes are too few for a start");
        section.error("record_limit", Problem::new(problem, "write at least \"1MiB\""));
    }
    limit
}

fn capacity(section: &Section<'_>) -> u32 {
    let capacity = section.optional("capacity", quantity::whole).unwrap_or(1);
    match u32::try_from(capacity) {
        Ok(capacity) if capacity <= MAX_SERVICES => capacity,
        Ok(_) | Err(_) => {
            let fix = format!("write at most {MAX_SERVICES}, the services a cluster may have");
            section.error("capacity", Problem::new(format!("{capacity} is too many"), fix));
            0
        }
    }
}
