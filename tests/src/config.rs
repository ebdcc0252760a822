//! The agents' configuration, written as an operator would write it (design.md section 7). Pure text.

use std::{fmt::Write, path::Path, time::Duration};

use crate::spec::{LabSpec, NodeSpec, PREFIX_LENGTH};

/// The secret of every lab.
pub const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

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
    let timing = &spec.timing;
    write_section(
        &mut text,
        "[cluster]",
        &[("name", quoted("lab")), ("key_file", path(paths.key)), ("safety", quoted(spec.safety.name()))],
    );
    write_section(
        &mut text,
        "[heartbeat]",
        &[("interval", duration(timing.interval)), ("timeout", duration(timing.timeout))],
    );
    write_section(
        &mut text,
        "[agent]",
        &[
            ("node", quoted(&node.name)),
            ("interfaces", list(node.interfaces().iter().copied())),
            ("state_dir", path(&paths.node.join("state"))),
            ("control_socket", path(&paths.node.join("afc.sock"))),
            ("agent_timeout", duration(timing.agent_timeout)),
            ("bpf_dir", path(paths.bpf)),
        ],
    );
    for node in &spec.nodes {
        write_section(
            &mut text,
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
            &mut text,
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
    text
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
    fn durations_are_written_whole() {
        for (millis, text) in [(1, "\"1ms\""), (1_000, "\"1s\""), (1_500, "\"1500ms\"")] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration(Duration::from_micros(1_500)), "\"1500us\"");
    }
}
