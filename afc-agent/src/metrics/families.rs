//! Which metrics there are, and from which values. The one place that names them.

use std::{collections::BTreeMap, fmt};

use afc_engine::{effect::Cause, message::Refusal};

use prometheus_client::registry::Unit;

use super::{
    Sample,
    writer::{Buckets, Family, Labels, Writer},
};
use crate::{
    cluster::BUCKET_BOUNDS_MS,
    events::{EventKind, cause_name, refusal_name},
    heartbeat::timing::Phase,
    status::{NodeStatus, ServiceState, ServiceStatus, UnavailableReason},
};

/// Writes all of them.
pub(super) fn write(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    agent(sample, out)?;
    nodes(sample, out)?;
    packets(sample, out)?;
    heartbeats(sample, out)?;
    services(sample, out)?;
    failovers(sample, out)?;
    lists(sample, out)?;
    repository(sample, out)?;
    troubles(sample, out)
}

fn agent(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    let status = &sample.status;
    let labels = vec![("version", status.version.clone()), ("layout", sample.layout.to_owned())];
    out.info(plain("afc_build_info", "The agent's version, and the layout of its maps"), [labels])?;
    let role = status.nodes.iter().find(|node| node.name == status.node).map(|node| node.role.name());
    let labels = vec![
        ("node", status.node.clone()),
        ("cluster", status.cluster.clone()),
        ("role", role.unwrap_or_default().to_owned()),
        ("safety", status.safety.clone()),
        ("scheduling", status.scheduling.name().to_owned()),
    ];
    out.info(plain("afc_node_info", "What this node is, and how its fast path is scheduled"), [labels])?;
    let interface = |(name, mode): (&String, &crate::status::XdpAttachment)| {
        vec![("interface", name.clone()), ("mode", mode.name().to_owned())]
    };
    out.info(plain("afc_xdp_info", "How XDP is attached"), status.xdp.iter().map(interface))?;
    out.gauge(seconds("afc_start_time", "When the agent started, since 1970"), sample.started_s)?;
    out.gauge(seconds("afc_heartbeat_interval", "The configured interval"), sample.interval_s)?;
    out.gauge(seconds("afc_heartbeat_timeout", "The configured timeout, the lease"), sample.timeout_s)?;
    out.gauge(plain("afc_membership_generation", "Of the configuration"), f64::from(status.generation))?;
    let quorum = plain("afc_quorum", "1 while this node hears a majority of the voters");
    out.gauge(quorum, truth(status.quorum))?;
    let quarantined = plain("afc_quarantined", "1 while the restarted agent neither grants nor claims");
    out.gauge(quarantined, truth(status.quarantine_remaining_ms.is_some()))?;
    let late = seconds("afc_tick_lateness", "How late the fast path saw its timer");
    out.histograms(late, Buckets::Wide, [(Vec::new(), &sample.timings.lateness)])
}

fn nodes(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    let nodes = &sample.status.nodes;
    let each = |value: fn(&NodeStatus) -> bool| {
        nodes.iter().map(move |node| (named("node", &node.name), truth(value(node))))
    };
    out.gauges(plain("afc_node_alive", "1 while this node takes a node for alive"), each(|node| node.alive))?;
    let available = plain("afc_node_available", "1 while a node would take a service over");
    out.gauges(available, each(|node| node.available))?;
    let reasons = nodes.iter().flat_map(|node| {
        UnavailableReason::ALL.iter().map(|reason| {
            let labels = vec![("node", node.name.clone()), ("reason", reason.name().to_owned())];
            (labels, truth(node.reasons.contains(reason)))
        })
    });
    out.gauges(plain("afc_node_unavailable", "Why a node would not: 1 for each reason"), reasons)?;
    let used = |value: fn(crate::status::Utilization) -> f64| {
        nodes
            .iter()
            .filter_map(move |node| node.utilization.map(|used| (named("node", &node.name), value(used))))
    };
    out.gauges(plain("afc_node_cpu_ratio", "A node's share of CPU time in use"), used(|used| used.cpu))?;
    let memory = in_bytes("afc_node_memory_available", "A node's available memory");
    out.gauges(memory, used(|used| used.memory_available_bytes as f64))?;
    out.gauges(
        plain("afc_node_iops", "A node's block I/O operations a second"),
        used(|used| used.iops as f64),
    )?;
    out.gauges(plain("afc_node_load", "A node's load average over a minute"), used(|used| used.load))
}

fn packets(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    let packets = sample.packets.iter();
    let by_reason = packets.map(|(reason, count)| (named("reason", reason.name()), *count));
    out.counters(plain("afc_packets", "Packets by what the kernel did with them, and why"), by_reason)
}

fn heartbeats(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    let each = |value: fn(u64, u64) -> u64| {
        sample.status.nodes.iter().filter_map(move |node| {
            let heartbeats = node.heartbeats?;
            Some((named("peer", &node.name), value(heartbeats.sent, heartbeats.answered)))
        })
    };
    out.counters(plain("afc_heartbeats_sent", "Probes sent to a node"), each(|sent, _| sent))?;
    let answered = plain("afc_heartbeats_answered", "Probes that a node's kernel answered");
    out.counters(answered, each(|_, answered| answered))?;
    let lost =
        plain("afc_heartbeats_unanswered", "Probes that a node did not answer: lost, or still under way");
    out.gauges(lost, each(u64::saturating_sub).map(|(labels, count)| (labels, count as f64)))?;
    let heard = || sample.peers.iter().filter(|peer| peer.round_trips.count() > 0);
    let rtt = seconds("afc_heartbeat_rtt", "Round trips of heartbeats, by kernel timestamps");
    let round_trips = heard().map(|peer| (named("peer", &peer.name), &peer.round_trips));
    out.histograms(rtt, Buckets::Fine, round_trips)?;
    let gap = seconds("afc_heartbeat_gap", "Times between a node's answers, by kernel timestamps");
    out.histograms(gap, Buckets::Wide, heard().map(|peer| (named("peer", &peer.name), &peer.gaps)))
}

fn services(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    let services = &sample.status.services;
    let each = |value: fn(&ServiceStatus) -> f64| {
        services.iter().map(move |service| (named("service", &service.name), value(service)))
    };
    let owned = plain("afc_service_owned", "1 while this node serves a service");
    out.gauges(owned, each(|service| truth(service.state == ServiceState::Serving)))?;
    let states = services.iter().flat_map(|service| {
        ServiceState::ALL.iter().map(|state| {
            let labels = vec![("service", service.name.clone()), ("state", state.name().to_owned())];
            (labels, truth(service.state == *state))
        })
    });
    out.gauges(plain("afc_service_state", "What a service is to this node: 1 for its state"), states)?;
    let epoch = plain("afc_service_epoch", "The counter of a service's epoch");
    out.gauges(epoch, each(|service| f64::from(service.epoch)))?;
    let remaining = services
        .iter()
        .filter_map(|service| Some((named("service", &service.name), service.lease_remaining_ms? / 1e3)));
    out.gauges(seconds("afc_lease_remaining", "How long this node may still serve a service"), remaining)?;
    let margins = services.iter().zip(&sample.lowest_margins_ns);
    let margins = margins.filter_map(|(service, margin_ns)| {
        Some((named("service", &service.name), (*margin_ns)? as f64 / 1e9))
    });
    let lowest =
        seconds("afc_lease_lowest_margin", "The least that was left of a lease when it was extended");
    out.gauges(lowest, margins)
}

fn failovers(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    let tally = &sample.tally;
    let peers = || sample.peers.iter().map(|peer| peer.name.as_str());
    let services = || sample.status.services.iter().map(|service| service.name.as_str());
    let reasons = Refusal::ALL.into_iter().map(refusal_name);
    let causes = Cause::ALL.into_iter().filter(|cause| *cause != Cause::RaiseEpoch).map(cause_name);
    let suspicions = plain("afc_suspicions", "How often a node was suspected dead");
    out.counters(suspicions, from_zero("peer", peers(), &tally.suspicions))?;
    let withdrawn = plain("afc_suspicions_withdrawn", "How often a suspected node answered again");
    out.counters(withdrawn, from_zero("peer", peers(), &tally.withdrawn))?;
    let claims = plain("afc_claims", "Claims by this node");
    out.counters(claims, from_zero("service", services(), &tally.claims))?;
    let refusals = plain("afc_refusals", "Refusals of this node's claims");
    out.counters(refusals, from_zero("reason", reasons, &tally.refusals))?;
    let taken = plain("afc_failovers", "Services that this node took over, by why it claimed them");
    out.counters(taken, from_zero("reason", causes, &tally.failovers))?;
    let changes = plain("afc_owner_changes", "Changes of owner as this node saw them");
    out.counters(changes, from_zero("service", services(), &tally.owner_changes))?;
    let phases = Phase::ALL.iter().zip(&sample.timings.phases);
    let phases = phases.map(|(phase, times)| (named("phase", phase.name()), times));
    let phase = seconds("afc_failover_phase", "How long the phases of this node's takeovers took");
    out.histograms(phase, Buckets::Wide, phases)?;
    let count = |kind: &EventKind| tally.kinds.get(kind).copied().unwrap_or_default();
    let kinds = EventKind::ALL.iter().map(|kind| (named("kind", kind.name()), count(kind)));
    out.counters(plain("afc_events", "Events since the agent started"), kinds)
}

/// Counts by name, also of what has not happened yet: whoever asks for an increase misses a first event that is the first
/// sample, too.
fn from_zero<'n>(
    label: &'static str,
    names: impl Iterator<Item = &'n str>,
    counts: &BTreeMap<String, u64>,
) -> Vec<(Labels, u64)> {
    let mut all: BTreeMap<&str, u64> = names.map(|name| (name, 0)).collect();
    all.extend(counts.iter().map(|(name, count)| (name.as_str(), *count)));
    all.into_iter().map(|(name, count)| (named(label, name), count)).collect()
}

fn lists(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    out.counter(plain("afc_list_changes", "New versions of the backup lists"), sample.list_changes)?;
    let differing = plain("afc_lists_differing", "Nodes that make other lists of the same states");
    out.gauge(differing, sample.lists_differing as f64)?;
    let bounds = BUCKET_BOUNDS_MS.iter().map(|bound_ms| *bound_ms as f64 / 1e3).chain([f64::INFINITY]);
    let buckets = bounds.zip(sample.discovery.buckets).collect();
    let latency =
        seconds("afc_discovery_latency", "From a change of this node's state to its acknowledgement");
    out.plain_histograms(latency, [(Vec::new(), buckets, sample.discovery.sum_ns)])?;
    let controller = sample.controller.iter();
    let what = |name: &'static str| named("what", name.strip_prefix("controller_").unwrap_or(name));
    let messages =
        plain("afc_controller_messages", "Messages of the cluster controller by what became of them");
    out.counters(messages, controller.map(|(name, count)| (what(name), *count)))
}

fn repository(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    let disk = &sample.repository;
    out.gauge(in_bytes("afc_repository", "The length of the repository's file"), disk.file_bytes as f64)?;
    let syncs = seconds("afc_repository_fsync", "How long the disk took to make the repository safe");
    out.histograms(syncs, Buckets::Wide, [(Vec::new(), &disk.all_syncs)])?;
    out.counter(plain("afc_repository_commits", "Transactions committed"), disk.commits)?;
    let failed = plain("afc_repository_commit_failures", "Transactions that the disk did not take");
    out.counter(failed, disk.failed_commits)
}

fn troubles(sample: &Sample, out: &mut Writer<'_>) -> fmt::Result {
    let ignored = &sample.ignored;
    let reasons = [
        ("unknown_node", ignored.unknown_node),
        ("unknown_service", ignored.unknown_service),
        ("malformed", ignored.malformed),
        ("wrong_session", ignored.wrong_session),
        ("stale", ignored.stale),
        ("unexpected", ignored.unexpected),
        ("dropped_messages", ignored.dropped_messages),
        ("late_ticks", ignored.late_ticks),
    ];
    let reasons = reasons.map(|(reason, count)| (named("reason", reason), count));
    out.counters(plain("afc_engine_ignored", "What the failover engine ignored"), reasons)?;
    let fast = &sample.fast;
    out.counter(
        plain("afc_send_errors", "Datagrams and frames that the kernel did not send"),
        fast.send_errors,
    )?;
    let refused = plain("afc_refused_datagrams", "Datagrams that were no message of this cluster");
    out.counter(refused, fast.refused_datagrams)?;
    out.counter(
        plain("afc_lost_notices", "Reports that found no room on their way to the log"),
        fast.lost_notices,
    )
}

const fn plain(name: &'static str, help: &'static str) -> Family {
    Family { name, help, unit: None }
}

const fn seconds(name: &'static str, help: &'static str) -> Family {
    Family { name, help, unit: Some(&Unit::Seconds) }
}

const fn in_bytes(name: &'static str, help: &'static str) -> Family {
    Family { name, help, unit: Some(&Unit::Bytes) }
}

fn named(label: &'static str, name: &str) -> Labels {
    vec![(label, name.to_owned())]
}

/// 1 for what is so, else 0.
fn truth(is_so: impl Into<u8>) -> f64 {
    f64::from(is_so.into())
}
