//! The status as a table for people: `println!("{status}")`.

use std::fmt;

use super::{BackupStatus, NodeStatus, Scheduling, ServiceStatus, Status, XdpAttachment};
use crate::{
    columns::{self, NOTHING, availability},
    config::Role,
};

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_head(self, f)?;
        let services: Vec<_> = self.services.iter().map(service_row).collect();
        let head = ["SERVICE", "OWNER", "EPOCH", "STATE", "LEASE", "HOME", "ADDRESSES", "BACKUPS"];
        columns::write(f, &head, &services)?;
        writeln!(f)?;
        let head = ["NODE", "ID", "ROLE", "ADDRESS", "ALIVE", "BACKUP", "RTT P50", "RTT P99", "SILENCE"];
        let nodes: Vec<_> = self.nodes.iter().map(|node| node_row(node, &self.node)).collect();
        columns::write(f, &head, &nodes)
    }
}

fn write_head(status: &Status, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let quorum = if status.quorum { "quorum" } else { "NO QUORUM" };
    writeln!(
        f,
        "node {} of cluster {} (generation {}, {}): {quorum}, up {}",
        status.node,
        status.cluster,
        status.generation,
        status.safety,
        humantime::format_duration(std::time::Duration::from_secs(status.uptime_s as u64)),
    )?;
    let attachment =
        |(interface, attachment): (&String, &XdpAttachment)| format!("{interface} {}", attachment.name());
    let attachments: Vec<_> = status.xdp.iter().map(attachment).collect();
    let xdp = if attachments.is_empty() { NOTHING.to_owned() } else { attachments.join(", ") };
    let scheduling = match status.scheduling {
        class @ (Scheduling::Deadline | Scheduling::Fifo) => class.name(),
        Scheduling::Normal => "NORMAL (wake-ups may come late)",
    };
    write!(f, "xdp {xdp}; scheduling {scheduling}; lease {}", milliseconds(status.lease_remaining_ms))?;
    if let Some(remaining) = status.quarantine_remaining_ms {
        write!(f, "; quarantine for {}", milliseconds(Some(remaining)))?;
    }
    f.write_str("\n\n")
}

fn service_row(service: &ServiceStatus) -> Vec<String> {
    let backups: Vec<_> = service.backups.iter().map(backup).collect();
    vec![
        service.name.clone(),
        service.owner.clone().unwrap_or_else(|| NOTHING.to_owned()),
        service.epoch.to_string(),
        service.state.name().to_owned(),
        milliseconds(service.lease_remaining_ms),
        service.home.clone(),
        service.addresses.join(" "),
        if backups.is_empty() { NOTHING.to_owned() } else { backups.join(" ") },
    ]
}

fn node_row(node: &NodeStatus, this_node: &str) -> Vec<String> {
    let this = if node.name == this_node { "*" } else { "" };
    vec![
        format!("{}{this}", node.name),
        node.id.to_string(),
        node.role.name().to_owned(),
        node.address.clone(),
        if node.alive { "yes" } else { "NO" }.to_owned(),
        match node.role {
            Role::Member => availability(&node.reasons),
            Role::Witness | Role::Gateway => NOTHING.to_owned(),
        },
        microseconds(node.rtt_us.map(|rtt| rtt.p50)),
        microseconds(node.rtt_us.map(|rtt| rtt.p99)),
        milliseconds(node.silence_ms),
    ]
}

fn backup(backup: &BackupStatus) -> String {
    format!("{}:{}", backup.node, availability(&backup.reasons))
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.1}ms"))
}

fn microseconds(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.1}us"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned_and_say_what_matters() {
        let table = crate::status::tests::example().to_string();
        let wanted = "\
node n4 of cluster edge (generation 1, quorum): quorum, up 1m 33s
xdp eth0 native; scheduling deadline; lease 21.4ms

SERVICE  OWNER  EPOCH  STATE      LEASE  HOME  ADDRESSES      BACKUPS
web-1    n1     7      elsewhere  -      n1    10.0.0.101/24  n4:A n5:N(dead,drained)

NODE  ID  ROLE    ADDRESS   ALIVE  BACKUP      RTT P50  RTT P99  SILENCE
n1    1   member  10.0.0.1  yes    N(serving)  9.1us    22.0us   3.2ms
n4*   4   member  10.0.0.4  yes    A           -        -        -
";
        assert_eq!(table, wanted);
    }
}
