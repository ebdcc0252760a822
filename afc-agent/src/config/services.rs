//! Reads `[[services]]`: what is served, where it belongs, and who may take it over.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use afc_ebpf::{
    identity::{NodeId, ServiceId},
    layout::{MAX_ADDRESSES, MAX_SERVICES},
};

use super::{
    HealthCheck, NodeConfig, Problem, Role, Section, ServiceConfig, Tasks, VirtualAddress, name_hash,
    nodes::NodeDraft,
    quantity,
    voters::{self, MAX_BACKUPS},
};

/// A service as far as it could be read.
pub(super) struct ServiceDraft<'t> {
    section: Section<'t>,
    name: Option<String>,
    home: Option<NodeId>,
    addresses: Vec<(usize, VirtualAddress)>,
    /// `None`: the default.
    backups: Option<Vec<NodeId>>,
    preempt: bool,
    tasks: Tasks,
}

/// Reads all services and compares them with each other and with the nodes.
pub(super) fn read<'t>(root: &Section<'t>, nodes: &[NodeDraft<'_>]) -> Vec<ServiceDraft<'t>> {
    let sections = root.sections("services");
    if sections.is_empty() && !root.has("services") {
        root.note("services", "there is none, so this cluster protects nothing");
    }
    if let Some(section) = sections.get(MAX_SERVICES as usize) {
        let problem = format!("the file has {} services", sections.len());
        section.error_here(Problem::new(
            problem,
            format!("a cluster has at most {MAX_SERVICES}; make two of it"),
        ));
    }
    let drafts: Vec<_> = sections.into_iter().map(|section| read_one(section, nodes)).collect();
    check_names(&drafts);
    check_addresses(&drafts, nodes);
    drafts
}

/// The finished services in the order of the file, if each could be read.
pub(super) fn complete(drafts: &[ServiceDraft<'_>], nodes: &[NodeConfig]) -> Option<Vec<ServiceConfig>> {
    let homes: Vec<NodeId> = drafts.iter().map(|draft| draft.home).collect::<Option<_>>()?;
    drafts.iter().map(|draft| draft.complete(nodes, &homes)).collect()
}

impl ServiceDraft<'_> {
    fn complete(&self, nodes: &[NodeConfig], homes: &[NodeId]) -> Option<ServiceConfig> {
        let (name, home) = (self.name.clone()?, self.home?);
        let candidates = voters::candidates(home, self.backups.clone(), nodes, homes);
        if candidates.len() == 1 {
            let fix = "name other members, or add a member that is no service's home";
            self.section
                .warn("backups", Problem::new("there is none, so nobody takes the service over", fix));
        }
        Some(ServiceConfig {
            id: ServiceId(name_hash(&name)),
            home,
            addresses: self.addresses.iter().map(|&(_, address)| address).collect(),
            voters: voters::voters(&name, &candidates, nodes),
            candidates,
            preempt: self.preempt,
            tasks: self.tasks.clone(),
            name,
        })
    }
}

fn read_one<'t>(section: Section<'t>, nodes: &[NodeDraft<'_>]) -> ServiceDraft<'t> {
    let name = section.required("name", quantity::name, "add the service's name, as in name = \"web-1\"");
    let home =
        section.required("home", quantity::name, "add the node that it belongs to, as in home = \"n1\"");
    let home = home.and_then(|home| match find_member(&home, nodes) {
        Ok(id) => id,
        Err(problem) => {
            section.error("home", problem);
            None
        }
    });
    let addresses = section.list("addresses", quantity::virtual_address);
    if !section.has("addresses") || section.is_empty_list("addresses") {
        let fix = "add its virtual IPs, as in addresses = [\"10.0.0.101/24\"]";
        section.error("addresses", Problem::new("is missing", fix));
    }
    let backups = read_backups(&section, home, nodes);
    let preempt = section.optional("preempt", quantity::boolean).unwrap_or(false);
    let tasks = read_tasks(&section);
    section.finish();
    ServiceDraft { section, name, home, addresses, backups, preempt, tasks }
}

fn read_backups(section: &Section<'_>, home: Option<NodeId>, nodes: &[NodeDraft<'_>]) -> Option<Vec<NodeId>> {
    let mut backups = Vec::new();
    for (index, name) in section.list("backups", quantity::name) {
        let problem = match find_member(&name, nodes) {
            Err(problem) => problem,
            Ok(None) => continue,
            Ok(id) if id == home => {
                Problem::new(format!("{name:?} is the home"), "leave it out; the home comes first")
            }
            Ok(Some(id)) if backups.contains(&id) => {
                Problem::new(format!("{name:?} is there twice"), "leave one out")
            }
            Ok(Some(id)) => {
                backups.push(id);
                continue;
            }
        };
        section.error_item("backups", index, problem);
    }
    if backups.len() > MAX_BACKUPS {
        let problem = format!("names {} backups", backups.len());
        section.error(
            "backups",
            Problem::new(problem, format!("use at most {MAX_BACKUPS}: home and backups all vote")),
        );
    }
    section.has("backups").then_some(backups)
}

/// A member's number; `Ok(None)` if that could not be read.
fn find_member(name: &str, nodes: &[NodeDraft<'_>]) -> Result<Option<NodeId>, Problem> {
    let Some(node) = nodes.iter().find(|node| node.name.as_deref() == Some(name)) else {
        let members = nodes.iter().filter(|node| node.role == Some(Role::Member));
        let names: Vec<_> = members.filter_map(|node| node.name.as_deref()).collect();
        let fix = format!("name a member ({})", names.join(", "));
        return Err(Problem::new(format!("{name:?} is not among the nodes"), fix));
    };
    match node.role {
        Some(Role::Member) | None => Ok(node.id),
        Some(Role::Witness) => {
            Err(Problem::new(format!("{name:?} is a witness, which never serves"), "name a member"))
        }
        Some(Role::Gateway) => {
            Err(Problem::new(format!("{name:?} is a gateway, which never serves"), "name a member"))
        }
    }
}

fn read_tasks(section: &Section<'_>) -> Tasks {
    let tasks = Tasks {
        unit: section.optional("unit", quantity::text),
        start: section.optional("start", quantity::command),
        stop: section.optional("stop", quantity::command),
        check: read_check(section),
        replay: section.optional("replay", quantity::command),
    };
    for key in ["start", "stop"] {
        if section.has("unit") && section.has(key) {
            let fix = "leave one out: systemd starts and stops the unit";
            section.error(key, Problem::new("stands beside `unit`", fix));
        }
    }
    for key in ["unit", "start", "stop", "check", "replay"] {
        if section.has(key) {
            section.note(key, "this version does not run tasks yet; the virtual IPs move without it");
        }
    }
    tasks
}

fn read_check(service: &Section<'_>) -> Option<HealthCheck> {
    let section = service.section("check");
    if !service.has("check") {
        return None;
    }
    let tcp = section.required(
        "tcp",
        quantity::socket_address,
        "add what must accept, as in tcp = \"127.0.0.1:80\"",
    );
    let interval = section.optional("interval", quantity::duration).unwrap_or(Duration::from_millis(200));
    let fall = section.optional("fall", quantity::whole).unwrap_or(3);
    section.finish();
    let fall = u32::try_from(fall).ok().filter(|&fall| fall > 0);
    if fall.is_none() {
        let fix = "write how many failures in a row make it unhealthy, 1 or more";
        section.error("fall", Problem::new("is out of range", fix));
    }
    Some(HealthCheck { tcp: tcp?, interval, fall: fall? })
}

fn check_names(drafts: &[ServiceDraft<'_>]) {
    let mut by_hash: BTreeMap<u32, (&str, usize)> = BTreeMap::new();
    for draft in drafts {
        let Some(name) = draft.name.as_deref() else {
            continue;
        };
        let line = draft.section.line_of("name");
        let Some(&(other, other_line)) = by_hash.get(&name_hash(name)) else {
            by_hash.insert(name_hash(name), (name, line));
            continue;
        };
        let (problem, fix) = if other == name {
            (
                format!("{name} belongs to the service on line {other_line} already"),
                "give every service its own",
            )
        } else {
            (
                format!("has the same hash on the wire as {other} on line {other_line}"),
                "rename one of the two",
            )
        };
        draft.section.error("name", Problem::new(problem, fix));
    }
}

fn check_addresses(drafts: &[ServiceDraft<'_>], nodes: &[NodeDraft<'_>]) {
    let mut lines: BTreeMap<Ipv4Addr, (&str, usize)> = BTreeMap::new();
    for node in nodes {
        let Some(address) = node.address else { continue };
        lines.insert(address, ("node", node.address_line()));
    }
    let mut virtual_ips = BTreeSet::new();
    for draft in drafts {
        for &(index, VirtualAddress { address, .. }) in &draft.addresses {
            if let Some((owner, line)) = lines.get(&address) {
                let problem = format!("{address} belongs to the {owner} on line {line} already");
                draft.section.error_item(
                    "addresses",
                    index,
                    Problem::new(problem, "give every service its own"),
                );
                continue;
            }
            lines.insert(address, ("service", draft.section.line_of_item("addresses", index)));
            virtual_ips.insert(address);
            if virtual_ips.len() == MAX_ADDRESSES as usize + 1 {
                let fix = format!("a cluster has at most {MAX_ADDRESSES}; make two of it");
                draft.section.error_item("addresses", index, Problem::new("is one virtual IP too many", fix));
            }
        }
    }
}
