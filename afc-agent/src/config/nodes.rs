//! Reads `[[nodes]]`: who is in the cluster, and whether their votes can protect anything.

use std::{collections::BTreeMap, net::Ipv4Addr};

use afc_ebpf::identity::NodeId;
use toml::de::DeValue;

use super::{NodeConfig, Problem, Role, Safety, Section, quantity};

/// A node as far as it could be read.
pub(super) struct NodeDraft<'t> {
    section: Section<'t>,
    pub(super) name: Option<String>,
    pub(super) id: Option<NodeId>,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) role: Option<Role>,
}

impl NodeDraft<'_> {
    /// Where the file says its address.
    pub(super) fn address_line(&self) -> usize {
        self.section.line_of("address")
    }
}

/// Reads all nodes and compares them with each other.
pub(super) fn read<'t>(root: &Section<'t>) -> Vec<NodeDraft<'t>> {
    let drafts: Vec<_> = root.sections("nodes").into_iter().map(read_one).collect();
    if drafts.is_empty() && !root.has("nodes") {
        root.error("nodes", Problem::new("is missing", "describe every node in a section [[nodes]]"));
    }
    check_unique(&drafts, "name", |draft| draft.name.clone());
    check_unique(&drafts, "id", |draft| draft.id.map(|id| id.0));
    check_unique(&drafts, "address", |draft| draft.address);
    drafts
}

/// Whether the votes suffice for what `safety` promises.
pub(super) fn check_voters(
    root: &Section<'_>,
    cluster: &Section<'_>,
    nodes: &[NodeDraft<'_>],
    safety: Safety,
) {
    let count = |wanted: fn(Role) -> bool| nodes.iter().filter(|node| node.role.is_some_and(wanted)).count();
    let (members, voters) = (count(|role| role == Role::Member), count(Role::votes));
    if nodes.is_empty() || nodes.iter().any(|node| node.role.is_none()) {
        return;
    }
    if members == 0 {
        root.error(
            "nodes",
            Problem::new("no node is a member, so nobody can serve", "give one role = \"member\""),
        );
    }
    match safety {
        Safety::Quorum if voters == 2 => {
            let problem = "two voting nodes have no majority without each other, so the failure of either stops all services";
            let fix = "add a third node (role = \"witness\" is enough), or write safety = \"best-effort\", \
                       which lets both serve while they cannot hear each other";
            cluster.error("safety", Problem::new(problem, fix));
        }
        Safety::BestEffort if voters > 2 => {
            let problem = format!("\"best-effort\" is for two nodes, and {voters} nodes vote");
            cluster.error("safety", Problem::new(problem, "write safety = \"quorum\""));
        }
        Safety::BestEffort if voters == 2 => {
            cluster.warn("safety", Problem::new("two nodes that cannot hear each other will both serve", ""));
        }
        Safety::Quorum | Safety::BestEffort => {}
    }
}

/// The finished nodes by id, if each could be read.
pub(super) fn complete(drafts: Vec<NodeDraft<'_>>) -> Option<Vec<NodeConfig>> {
    let finish = |draft: NodeDraft<'_>| {
        Some(NodeConfig { name: draft.name?, id: draft.id?, address: draft.address?, role: draft.role? })
    };
    let mut nodes: Vec<_> = drafts.into_iter().map(finish).collect::<Option<_>>()?;
    nodes.sort_by_key(|node| node.id);
    Some(nodes)
}

fn read_one(section: Section<'_>) -> NodeDraft<'_> {
    let name = section.required("name", quantity::name, "add the node's name, as in name = \"n1\"");
    let id = section.required("id", node_id, "add a number from 1 to 4095 that no other node has");
    let fix = "add the address it sends heartbeats from, as in address = \"10.0.0.1\"";
    let address = section.required("address", quantity::address, fix);
    let role = section.or("role", quantity::role, Role::Member);
    section.finish();
    NodeDraft { section, name, id, address, role }
}

fn node_id(value: &DeValue<'_>) -> Result<NodeId, Problem> {
    let number = quantity::whole(value)?;
    let id = u16::try_from(number).ok().map(NodeId).filter(|id| id.is_some() && *id <= NodeId::MAX);
    id.ok_or_else(|| Problem::new(format!("{number} is out of range"), "write a number from 1 to 4095"))
}

fn check_unique<K: Ord + std::fmt::Display>(
    drafts: &[NodeDraft<'_>],
    key: &'static str,
    get: impl Fn(&NodeDraft<'_>) -> Option<K>,
) {
    let mut first_lines = BTreeMap::new();
    for draft in drafts {
        let Some(value) = get(draft) else { continue };
        let problem = match first_lines.get(&value) {
            None => {
                first_lines.insert(value, draft.section.line_of(key));
                continue;
            }
            Some(line) => format!("{value} belongs to the node on line {line} already"),
        };
        draft.section.error(key, Problem::new(problem, "give every node its own"));
    }
}
