//! The agents' configuration, written as an operator would write it (design.md section 7). Pure text.

use std::{fmt::Write, path::Path, time::Duration};

use crate::spec::{LabSpec, ListMode, MemorySpec, NodeSpec, PREFIX_LENGTH, Recording};

/// The secret of every lab.
pub const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

/// The directory of a node's own `/proc`, in the node's directory.
pub const PROC: &str = "proc";

/// The file of a node's recording, in the node's directory.
pub const RECORDING: &str = "recording";

/// Where agents serve HTTP: their default port, on every address of their node, so that the lab's other machines may ask.
pub const HTTP_PORT: u16 = 9947;

/// The directory of a node's own state, in the node's directory.
pub const STATE: &str = "state";

/// Where one agent finds its files.
#[derive(Clone, Copy, Debug)]
pub struct Paths<'a> {
    /// The cluster's key.
    pub key: &'a Path,
    /// The node's own directory.
    pub node: &'a Path,
    /// The lab's bpffs.
    pub bpf: &'a Path,
}

/// The configuration file of `node`.
pub fn render(spec: &LabSpec, node: &NodeSpec, paths: &Paths) -> String {
    let mut text = String::new();
    write_cluster(&mut text, spec, paths);
    write_agent(&mut text, spec, node, paths);
    if let Some(memory) = &spec.memory {
        write_thresholds(&mut text, memory);
    }
    write_members(&mut text, spec);
    text
}

/// `[cluster]` and `[heartbeat]`.
fn write_cluster(text: &mut String, spec: &LabSpec, paths: &Paths) {
    let mut settings =
        vec![("name", quoted("lab")), ("key_file", path(paths.key)), ("safety", quoted(spec.safety.name()))];
    match spec.lists {
        // The default.
        ListMode::Adaptive => {}
        ListMode::Static => settings.push(("lists", quoted(spec.lists.name()))),
    }
    write_section(text, "[cluster]", &settings);
    let timing = &spec.timing;
    write_section(
        text,
        "[heartbeat]",
        &[("interval", duration(timing.interval)), ("timeout", duration(timing.timeout))],
    );
}

/// `[agent]`.
fn write_agent(text: &mut String, spec: &LabSpec, node: &NodeSpec, paths: &Paths) {
    let mut settings = vec![
        ("node", quoted(&node.name)),
        ("interfaces", list(node.interfaces().iter().copied())),
        ("state_dir", path(&paths.node.join(STATE))),
        ("control_socket", path(&paths.node.join("afc.sock"))),
        ("listen", quoted(&format!("0.0.0.0:{HTTP_PORT}"))),
        ("agent_timeout", duration(spec.timing.agent_timeout)),
        ("bpf_dir", path(paths.bpf)),
    ];
    if spec.memory.is_some() {
        settings.push(("proc_root", path(&paths.node.join(PROC))));
    }
    match spec.recording {
        Recording::Off => {}
        Recording::On => settings.push(("record", path(&paths.node.join(RECORDING)))),
    }
    write_section(text, "[agent]", &settings);
}

/// `[thresholds]`.
fn write_thresholds(text: &mut String, memory: &MemorySpec) {
    write_section(
        text,
        "[thresholds]",
        &[
            ("memory_available", quoted(&format!("{}MiB", memory.threshold_mib))),
            ("for", duration(memory.lasting)),
            ("interval", duration(memory.interval)),
        ],
    );
}

/// Every `[[nodes]]` and `[[services]]`.
fn write_members(text: &mut String, spec: &LabSpec) {
    for node in &spec.nodes {
        write_section(
            text,
            "[[nodes]]",
            &[
                ("name", quoted(&node.name)),
                ("id", node.id.to_string()),
                ("address", quoted(&node.address().to_string())),
                ("role", quoted(node.role.name())),
            ],
        );
    }
    for service in &spec.services {
        write_section(
            text,
            "[[services]]",
            &[
                ("name", quoted(&service.name)),
                ("home", quoted(&service.home)),
                ("addresses", list([format!("{}/{PREFIX_LENGTH}", service.address).as_str()])),
                ("backups", list(service.backups.iter().map(String::as_str))),
                ("preempt", "false".to_owned()),
            ],
        );
    }
}

/// One table of the file.
fn write_section(text: &mut String, header: &str, settings: &[(&str, String)]) {
    text.push_str(header);
    text.push('\n');
    for (name, value) in settings {
        writeln!(text, "{name} = {value}").expect("a String takes everything");
    }
    text.push('\n');
}

/// A string; nothing in a lab needs escapes.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// A path.
fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A list of strings.
fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<_> = items.into_iter().map(quoted).collect();
    format!("[{}]", items.join(", "))
}

/// A duration in the largest unit that keeps it whole.
fn duration(duration: Duration) -> String {
    match duration.as_micros() {
        micros if micros.is_multiple_of(1_000_000) => quoted(&format!("{}s", micros / 1_000_000)),
        micros if micros.is_multiple_of(1_000) => quoted(&format!("{}ms", micros / 1_000)),
        micros => quoted(&format!("{micros}us")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_the_node_itself_every_node_and_every_service() {
        let spec = LabSpec::five_nodes();
        let paths = Paths { key: Path::new("/k"), node: Path::new("/lab/gw"), bpf: Path::new("/lab/bpf") };
        let text = render(&spec, spec.node("gw"), &paths);
        assert_eq!(text.matches("[[nodes]]").count(), 6);
        assert_eq!(text.matches("[[services]]").count(), 3);
        for line in [
            "node = \"gw\"",
            "interfaces = [\"eth0\", \"eth1\"]",
            "addresses = [\"10.0.0.103/24\"]",
            "backups = [\"n4\", \"n5\"]",
            "state_dir = \"/lab/gw/state\"",
            "timeout = \"25ms\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn only_a_cluster_whose_nodes_can_run_short_has_thresholds() {
        let paths = Paths { key: Path::new("/k"), node: Path::new("/lab/n4"), bpf: Path::new("/lab/bpf") };
        let spec = LabSpec::figures().with_lists(ListMode::Static);
        let text = render(&spec, spec.node("n4"), &paths);
        for line in [
            "lists = \"static\"",
            "proc_root = \"/lab/n4/proc\"",
            "[thresholds]",
            "memory_available = \"64MiB\"",
            "for = \"200ms\"",
            "interval = \"50ms\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        let spec = LabSpec::five_nodes();
        let text = render(&spec, spec.node("n4"), &paths);
        assert!(
            !["lists", "proc_root", "[thresholds]", "record"].iter().any(|word| text.contains(word)),
            "{text}"
        );
    }

    #[test]
    fn durations_are_written_whole() {
        for (millis, text) in [(1, "\"1ms\""), (1_000, "\"1s\""), (1_500, "\"1500ms\"")] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration(Duration::from_micros(1_500)), "\"1500us\"");
    }
}
