//! Who may serve a service, and whose votes its lease needs (design.md section 2, "Voters").
//!
//! A pure function of the configuration, so that every node comes to the same answer.

use afc_ebpf::{identity::NodeId, lease::MAX_VOTERS};

use super::{NodeConfig, Role};

/// Backups of one service, at most: the home and they all vote.
pub(super) const MAX_BACKUPS: usize = MAX_VOTERS - 1;

/// The home, then the backups; by default every member without a home service, by id.
pub(super) fn candidates(
    home: NodeId,
    backups: Option<Vec<NodeId>>,
    nodes: &[NodeConfig],
    homes: &[NodeId],
) -> Vec<NodeId> {
    let spare = |node: &&NodeConfig| node.role == Role::Member && !homes.contains(&node.id);
    let backups = backups.unwrap_or_else(|| nodes.iter().filter(spare).map(|node| node.id).collect());
    std::iter::once(home).chain(backups.into_iter().take(MAX_BACKUPS)).collect()
}

/// Everybody with a vote up to seven; beyond, the candidates and further nodes by rendezvous hashing.
pub(super) fn voters(service: &str, candidates: &[NodeId], nodes: &[NodeConfig]) -> Vec<NodeId> {
    let mut others: Vec<_> =
        nodes.iter().filter(|node| node.role.votes() && !candidates.contains(&node.id)).collect();
    if candidates.len() + others.len() > MAX_VOTERS {
        others.sort_by_cached_key(|node| std::cmp::Reverse(score(service, &node.name)));
    }
    let mut voters: Vec<_> =
        candidates.iter().copied().chain(others.into_iter().map(|node| node.id)).take(MAX_VOTERS).collect();
    voters.sort_unstable();
    voters
}

fn score(service: &str, node: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(service.as_bytes()).update(&[0]).update(node.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn nodes(roles: &[Role]) -> Vec<NodeConfig> {
        let node = |(index, &role): (usize, &Role)| NodeConfig {
            name: format!("n{}", index + 1),
            id: NodeId(index as u16 + 1),
            address: Ipv4Addr::new(10, 0, 0, index as u8 + 1),
            role,
        };
        roles.iter().enumerate().map(node).collect()
    }

    fn ids(numbers: &[u16]) -> Vec<NodeId> {
        numbers.iter().map(|&id| NodeId(id)).collect()
    }

    #[test]
    fn the_default_backups_are_the_members_without_a_home_service() {
        let nodes =
            nodes(&[Role::Member, Role::Member, Role::Member, Role::Witness, Role::Member, Role::Gateway]);
        assert_eq!(candidates(NodeId(2), None, &nodes, &ids(&[1, 2])), ids(&[2, 3, 5]));
        assert_eq!(candidates(NodeId(2), Some(ids(&[5, 1])), &nodes, &ids(&[1, 2])), ids(&[2, 5, 1]));
        assert_eq!(candidates(NodeId(2), Some(vec![]), &nodes, &ids(&[1, 2])), ids(&[2]));
    }

    #[test]
    fn up_to_seven_everybody_but_gateways_votes() {
        let nodes = nodes(&[Role::Member, Role::Gateway, Role::Witness, Role::Member]);
        assert_eq!(voters("web", &ids(&[4]), &nodes), ids(&[1, 3, 4]));
    }

    #[test]
    fn beyond_seven_the_candidates_vote_and_hashing_chooses_the_others() {
        let nodes = nodes(&[Role::Member; 40]);
        let candidates = ids(&[40, 3, 20]);
        let chosen = voters("web", &candidates, &nodes);
        assert_eq!(chosen.len(), MAX_VOTERS);
        assert!(candidates.iter().all(|id| chosen.contains(id)));
        assert!(chosen.is_sorted());
        let spread: std::collections::BTreeSet<_> =
            (0..40).flat_map(|n| voters(&format!("web-{n}"), &candidates, &nodes)).collect();
        assert!(spread.len() > 30, "the same few nodes vote for everything: {spread:?}");
    }

    #[test]
    fn another_node_takes_at_most_one_voter_s_place() {
        let before = nodes(&[Role::Member; 20]);
        let after = nodes(&[Role::Member; 21]);
        for service in 0..50 {
            let name = format!("web-{service}");
            let (old, new) = (voters(&name, &ids(&[1, 2]), &before), voters(&name, &ids(&[1, 2]), &after));
            assert!(old.iter().filter(|id| !new.contains(id)).count() <= 1);
        }
    }
}
