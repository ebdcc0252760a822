//! Who comes when a service has no holder: its candidates, best first, as the lists have it (design.md section 3).
//!
//! An order only: who may hold the service at all is fixed by the configuration, and a wrong order costs time, never
//! safety.

use afc_ebpf::{identity::NodeId, lease::MAX_VOTERS};
use serde::{Deserialize, Serialize};

/// One candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranked {
    /// The node.
    pub node: NodeId,
    /// Whether the lists have it as available.
    pub is_available: bool,
}

/// The candidates of one service, best first: at most [`MAX_VOTERS`], since each of them votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Ranked>", from = "Vec<Ranked>")]
pub struct Ranking {
    places: [Ranked; MAX_VOTERS],
    len: usize,
}

impl Ranking {
    /// What finds no place any more, and who is there already, is left out.
    pub fn new(candidates: impl IntoIterator<Item = Ranked>) -> Self {
        let mut ranking = Self::default();
        for candidate in candidates {
            ranking.push(candidate);
        }
        ranking
    }

    /// Every candidate, best first.
    pub fn as_slice(&self) -> &[Ranked] {
        &self.places[..self.len]
    }

    /// Whether a node is among them.
    pub fn contains(&self, node: NodeId) -> bool {
        self.as_slice().iter().any(|ranked| ranked.node == node)
    }

    /// The same candidates in the order of another ranking. The home stays first: its own availability is for backups
    /// to look at only when it is away. Who is not in the other comes last, and whom it alone has does not come in.
    pub(super) fn reordered(&self, home: NodeId, wanted: &Self) -> Self {
        let home = self.as_slice().iter().filter(|ranked| ranked.node == home);
        let home = home.map(|ranked| Ranked { is_available: true, ..*ranked });
        let known = wanted.as_slice().iter().filter(|ranked| self.contains(ranked.node)).copied();
        let rest = self.as_slice().iter().map(|ranked| Ranked { is_available: false, ..*ranked });
        Self::new(home.chain(known).chain(rest))
    }

    fn push(&mut self, candidate: Ranked) {
        if self.len < MAX_VOTERS && !self.contains(candidate.node) {
            self.places[self.len] = candidate;
            self.len += 1;
        }
    }
}

/// As in a recording.
impl From<Ranking> for Vec<Ranked> {
    fn from(ranking: Ranking) -> Self {
        ranking.as_slice().to_vec()
    }
}

impl From<Vec<Ranked>> for Ranking {
    fn from(list: Vec<Ranked>) -> Self {
        Self::new(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(nodes: &[(u16, bool)]) -> Ranking {
        Ranking::new(nodes.iter().map(|&(node, is_available)| Ranked { node: NodeId(node), is_available }))
    }

    #[test]
    fn an_order_changes_places_but_never_who_is_there() {
        let configured = ranking(&[(1, true), (4, true), (5, true)]);
        for (wanted, expected) in [
            (ranking(&[(5, true), (4, false)]), ranking(&[(1, true), (5, true), (4, false)])),
            (ranking(&[(5, true), (1, false), (4, true)]), ranking(&[(1, true), (5, true), (4, true)])),
            (ranking(&[(5, true)]), ranking(&[(1, true), (5, true), (4, false)])),
            (ranking(&[(9, true), (5, true), (5, false)]), ranking(&[(1, true), (5, true), (4, false)])),
            (ranking(&[]), ranking(&[(1, true), (4, false), (5, false)])),
        ] {
            assert_eq!(configured.reordered(NodeId(1), &wanted), expected, "{wanted:?}");
        }
    }

    #[test]
    fn more_than_can_vote_find_no_place() {
        let many: Vec<_> = (1..=20).map(|node| (node, true)).collect();
        assert_eq!(ranking(&many).as_slice().len(), MAX_VOTERS);
    }
}
