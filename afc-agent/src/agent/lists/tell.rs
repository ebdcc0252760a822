//! What is worth an event when the lists change. Pure.

use std::net::Ipv4Addr;

use afc_ebpf::identity::NodeId;
use afc_engine::{availability::Reasons, priority::ServiceList};

use super::{board::Posted, show};
use crate::{
    cluster::record::Version,
    config::{Config, Role},
    events::{EventKind, Happening},
};

/// A node that starts has heard of nobody yet: until all others were heard of, or for this long, that is no news.
const QUIET_NS: u64 = 2_000_000_000;

/// Services with other backups that one change tells each by itself: one node may be a backup of very many.
const TOLD_EACH: usize = 4;

/// Finds what to tell.
pub(super) struct Teller {
    started_ns: u64,
    quiet_until_ns: u64,
}

impl Teller {
    pub(super) const fn new(now_ns: u64) -> Self {
        Self { started_ns: now_ns, quiet_until_ns: now_ns + QUIET_NS }
    }

    /// What changed from one posting to the next.
    pub(super) fn changes(&mut self, config: &Config, before: &Posted, now: &Posted) -> Vec<Happening> {
        if now.boot_ns < self.quiet_until_ns {
            // What the disk had kept is no news.
            let is_heard = |node: &NodeId| {
                now.records.get(node).is_some_and(|known| known.received_ns > self.started_ns)
            };
            if !config.nodes.iter().all(|node| is_heard(&node.id)) {
                return Vec::new();
            }
            self.quiet_until_ns = 0;
        }
        let members = config.nodes.iter().filter(|node| node.role == Role::Member);
        let reasons = |posted: &Posted, node: NodeId| {
            posted.assessment.nodes.get(&node).map_or(Reasons::NONE, |node| node.reasons)
        };
        let nodes = members
            .filter(|node| reasons(before, node.id) != reasons(now, node.id))
            .map(|node| availability(config, now, node.id, reasons(now, node.id)));
        let lists = now.lists.services.iter().filter(|list| {
            let order = |list: &ServiceList| {
                let place = list.backups.iter().map(|backup| (backup.node, backup.reasons.is_available()));
                place.collect::<Vec<_>>()
            };
            before.lists.service(list.service).map(order) != Some(order(list))
        });
        nodes.chain(reorderings(config, &lists.collect::<Vec<_>>())).collect()
    }
}

fn availability(config: &Config, now: &Posted, node: NodeId, reasons: Reasons) -> Happening {
    let name = config.node_name(node);
    let why: Vec<_> = reasons
        .iter()
        .map(|reason| format!("{} ({})", reason.name(), show::detail(config, now, node, reason)))
        .collect();
    let text = match why.is_empty() {
        true => format!("{name} is available"),
        false => format!("{name} is not available: {}", why.join(", ")),
    };
    Happening {
        node: Some(name),
        reason: reasons.iter().next().map(|reason| reason.name().to_owned()),
        ..Happening::new(EventKind::Availability, text)
    }
}

/// One event a service, or one for all of many.
fn reorderings(config: &Config, lists: &[&ServiceList]) -> Vec<Happening> {
    let mut told: Vec<_> = lists.iter().take(TOLD_EACH).map(|list| reordered(config, list)).collect();
    if let Some(last) = told.last_mut().filter(|_| lists.len() > TOLD_EACH) {
        last.text.push_str(&format!(
            "; so are {} other services by other backups: see `afc lists`",
            lists.len() - TOLD_EACH
        ));
    }
    told
}

fn reordered(config: &Config, list: &ServiceList) -> Happening {
    let service = config.service(list.service).map(|service| service.name.clone());
    let places: Vec<_> = list
        .backups
        .iter()
        .map(|backup| {
            let state = if backup.reasons.is_available() { "A" } else { "N" };
            format!("{} {state}", config.node_name(backup.node))
        })
        .collect();
    let text = format!("{} is backed up by {}", service.as_deref().unwrap_or("a service"), places.join(", "));
    Happening { service, ..Happening::new(EventKind::Lists, text) }
}

/// The controller can't go on; the lists stay as they are.
pub(super) fn ended() -> Happening {
    let text = "the cluster controller has ended: lists stay as they are until afc is started again";
    Happening::new(EventKind::Fault, text)
}

pub(super) fn differing(config: &Config, node: NodeId) -> Happening {
    let name = config.node_name(node);
    let text = format!(
        "{name} makes other lists of the same states: give it the same [[nodes]], [[services]] and lists, and the same version of afc"
    );
    Happening { node: Some(name), ..Happening::new(EventKind::Fault, text) }
}

pub(super) fn agreeing(config: &Config, node: NodeId) -> Happening {
    let name = config.node_name(node);
    let text = format!("{name} makes the same lists again");
    Happening { node: Some(name), ..Happening::new(EventKind::Recovered, text) }
}

pub(super) fn conflict(config: &Config, node: NodeId, address: Option<Ipv4Addr>) -> Happening {
    let name = config.node_name(node);
    let at = address.map_or_else(String::new, |address| format!(", one of them at {address}"));
    let text = format!("two machines go by the name {name}{at}: give each a [[nodes]] section of its own");
    Happening { node: Some(name), ..Happening::new(EventKind::Fault, text) }
}

pub(super) fn incarnation_lost(heard: Version, incarnation: u64) -> Happening {
    let text = format!(
        "the others know this node under incarnation {}, which its state directory has forgotten: it goes on as {incarnation}",
        heard.incarnation
    );
    Happening::new(EventKind::Fault, text)
}
