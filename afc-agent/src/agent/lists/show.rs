//! What is posted, as `afc lists` and `afc explain` show it. Pure but for the clock that ages count from.

use std::time::SystemTime;

use afc_ebpf::identity::{NodeId, ServiceId};
use afc_engine::{
    availability::UnavailableReason,
    priority::{Backup, Why},
};

use super::board::Posted;
use crate::{
    config::{Config, Role},
    lists::{
        BackupList, ExplainedCandidate, ExplainedReason, Explanation, ListMatrix, ListedBackup, ListedNode,
    },
};

/// The matrix of every node's backups.
pub(in crate::agent) fn matrix(config: &Config, posted: &Posted) -> ListMatrix {
    let members = config.nodes.iter().filter(|node| node.role == Role::Member);
    let nodes = members.clone().map(|node| {
        let reasons: Vec<_> = reasons_of(posted, node.id).collect();
        ListedNode { name: node.name.clone(), available: reasons.is_empty(), reasons }
    });
    let lists = members.flat_map(|node| {
        let mut own: Vec<_> = config
            .services
            .iter()
            .filter(|service| service.home == node.id)
            .map(|service| of_service(config, posted, node.id, service.id))
            .collect();
        if own.is_empty() {
            let backups = posted.lists.node(node.id).map(|list| listed(config, &list.backups));
            own.push(BackupList {
                node: node.name.clone(),
                service: None,
                owner: None,
                backups: backups.unwrap_or_default(),
            });
        }
        own
    });
    ListMatrix {
        node: config.this_node().name.clone(),
        cluster: config.cluster.name.clone(),
        mode: config.cluster.lists,
        at: humantime::format_rfc3339_micros(posted.at.max(SystemTime::UNIX_EPOCH)).to_string(),
        boot_ns: posted.boot_ns,
        inputs: posted.lists.inputs_digest.to_string(),
        digest: posted.lists.digest.to_string(),
        differing: posted.differing.iter().map(|node| config.node_name(*node)).collect(),
        nodes: nodes.collect(),
        lists: lists.collect(),
    }
}

fn of_service(config: &Config, posted: &Posted, home: NodeId, service: ServiceId) -> BackupList {
    let list = posted.lists.service(service);
    BackupList {
        node: config.node_name(home),
        service: config.service(service).map(|service| service.name.clone()),
        owner: list
            .map(|list| list.owner)
            .filter(|owner| owner.is_some())
            .map(|owner| config.node_name(owner)),
        backups: list.map(|list| listed(config, &list.backups)).unwrap_or_default(),
    }
}

fn listed(config: &Config, backups: &[Backup]) -> Vec<ListedBackup> {
    let listed = backups.iter().map(|backup| ListedBackup {
        node: config.node_name(backup.node),
        available: backup.reasons.is_available(),
        reasons: backup.reasons.iter().collect(),
        headroom: backup.headroom,
    });
    listed.collect()
}

fn reasons_of(posted: &Posted, node: NodeId) -> impl Iterator<Item = UnavailableReason> {
    posted.assessment.nodes.get(&node).into_iter().flat_map(|node| node.reasons.iter())
}

/// Why each backup of a service stands where it stands; none if there is no such service.
pub(in crate::agent) fn explanation(
    config: &Config,
    posted: &Posted,
    service: &str,
    now_ns: u64,
) -> Option<Explanation> {
    let service = config.services.iter().find(|known| known.name == service)?;
    let list = posted.lists.service(service.id);
    let owner = list.map(|list| list.owner).filter(|owner| owner.is_some());
    let backups = list.map(|list| list.backups.as_slice()).unwrap_or_default();
    let candidates = backups.iter().enumerate().map(|(place, backup)| ExplainedCandidate {
        node: config.node_name(backup.node),
        rank: place + 1,
        preference: backup.preference + 1,
        available: backup.reasons.is_available(),
        reasons: backup
            .reasons
            .iter()
            .map(|reason| explained(config, posted, backup.node, reason, now_ns))
            .collect(),
        headroom: backup.headroom,
        why: why(config, backup.why),
    });
    Some(Explanation {
        node: config.this_node().name.clone(),
        service: service.name.clone(),
        home: config.node_name(service.home),
        owner: owner.map(|owner| config.node_name(owner)),
        inputs: posted.lists.inputs_digest.to_string(),
        candidates: candidates.collect(),
    })
}

fn why(config: &Config, why: Why) -> String {
    let name = |service| {
        config
            .service(service)
            .map_or_else(|| format!("service {:#010x}", service.0), |known| known.name.clone())
    };
    match why {
        Why::Preference => "as configured".to_owned(),
        Why::AheadOfUnavailable => "ahead: a preferred one is not available".to_owned(),
        Why::AheadOfTight => "ahead: a preferred one is near its thresholds".to_owned(),
        Why::AheadOfSpread(service) => format!("ahead: a preferred one is left to {}", name(service)),
        Why::BehindUnavailable => "behind: not available".to_owned(),
        Why::BehindTight => "behind: near its thresholds".to_owned(),
        Why::BehindSpread(service) => format!("behind: left to {} as its primary", name(service)),
    }
}

fn explained(
    config: &Config,
    posted: &Posted,
    node: NodeId,
    reason: UnavailableReason,
    now_ns: u64,
) -> ExplainedReason {
    // What a node says of itself it dates itself; for what follows, this node remembers since when it does.
    let age_ms = posted.assessment.nodes.get(&node).and_then(|node| node.ages_ms.get(&reason));
    let since_ms = posted.records.get(&node).map(|known| known.age_ns(now_ns) / 1_000_000);
    let told_s = age_ms.zip(since_ms).map(|(age_ms, since_ms)| (age_ms + since_ms) as f64 / 1e3);
    let known_s =
        || posted.since.get(&(node, reason)).map(|since_ns| now_ns.saturating_sub(*since_ns) as f64 / 1e9);
    ExplainedReason { reason, for_s: told_s.or_else(known_s), detail: detail(config, posted, node, reason) }
}

/// What was measured against which threshold, or what else makes a node not available.
pub(super) fn detail(config: &Config, posted: &Posted, node: NodeId, reason: UnavailableReason) -> String {
    let state = posted.records.get(&node).map(|known| &known.record.state);
    let figures = state.and_then(|state| state.utilization.map(|utilization| (utilization, state.limits)));
    let assessed = posted.assessment.nodes.get(&node);
    let beyond = |measured: String, than: &str, limit: Option<String>| match limit {
        Some(limit) => format!("{measured}, {than} {limit}"),
        None => format!("{measured}, with a threshold that is no longer set"),
    };
    match (reason, figures) {
        (UnavailableReason::Memory, Some((used, limits))) => beyond(
            format!("{} available", mebibytes(used.memory_available_bytes)),
            "less than",
            limits.memory_available_bytes.map(mebibytes),
        ),
        (UnavailableReason::Cpu, Some((used, limits))) => {
            beyond(format!("{} used", percent(used.cpu)), "more than", limits.cpu.map(percent))
        }
        (UnavailableReason::Iops, Some((used, limits))) => beyond(
            format!("{} operations a second", used.iops),
            "more than",
            limits.iops.map(|limit| limit.to_string()),
        ),
        (UnavailableReason::Load, Some((used, limits))) => {
            beyond(format!("{:.2}", used.load), "more than", limits.load.map(|limit| format!("{limit:.2}")))
        }
        (
            UnavailableReason::Memory
            | UnavailableReason::Cpu
            | UnavailableReason::Iops
            | UnavailableReason::Load,
            None,
        ) => "it says so, without figures".to_owned(),
        (UnavailableReason::Drained, _) => "its operator took it out of service".to_owned(),
        (UnavailableReason::Unhealthy, _) => "its health check fails".to_owned(),
        (UnavailableReason::Serving, _) => {
            let owned = assessed.map(|node| node.owned.iter()).into_iter().flatten();
            let names: Vec<_> =
                owned.filter_map(|id| config.service(*id)).map(|service| service.name.as_str()).collect();
            format!(
                "it serves {}",
                if names.is_empty() { "as much as it may".to_owned() } else { names.join(", ") }
            )
        }
        (UnavailableReason::Dead, _) => {
            let by = assessed.map(|node| node.suspected_by.iter()).into_iter().flatten();
            let names: Vec<_> = by.map(|id| config.node_name(*id)).collect();
            match names.is_empty() {
                true => "nothing was heard of it".to_owned(),
                false => format!("it does not answer {}", names.join(", ")),
            }
        }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
