//! How a change spreads: when it was in the lists of the node that it comes from, and when in those of the others.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::{clock::between, lists::Followers};

/// When each node's lists first said something, ns of [`crate::clock::boot_ns`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The node that it comes from.
    pub origin: String,
    /// When that node's lists said it.
    pub origin_ns: u64,
    /// When those of the others did, by name.
    pub others: BTreeMap<String, u64>,
}

impl Spread {
    /// How long each other node took; zero for one that was as fast as the origin itself.
    pub fn delays(&self) -> BTreeMap<&str, Duration> {
        self.others.iter().map(|(node, &at)| (node.as_str(), between(self.origin_ns, at))).collect()
    }

    /// When the last node had it.
    pub fn complete_ns(&self) -> u64 {
        self.others.values().copied().fold(self.origin_ns, u64::max)
    }
}

impl Followers {
    /// How something that was not in the lists before `since_ns` got into those of all; `None` while it has not.
    pub fn spread(&self, origin: &str, since_ns: u64, says: impl Fn(&Value) -> bool) -> Option<Spread> {
        let nodes: Vec<_> = self.0.keys().map(String::as_str).collect();
        self.spread_to(&nodes, origin, since_ns, says)
    }

    /// The same among some of the nodes: others may be dead.
    pub fn spread_to(
        &self,
        nodes: &[&str],
        origin: &str,
        since_ns: u64,
        says: impl Fn(&Value) -> bool,
    ) -> Option<Spread> {
        let mut first = BTreeMap::new();
        for node in nodes {
            first.insert((*node).to_owned(), self.0.get(*node)?.first(since_ns, &says)?.boot_ns);
        }
        let origin_ns = first.remove(origin)?;
        Some(Spread { origin: origin.to_owned(), origin_ns, others: first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::{
        has_reason,
        tests::{about_n4, followers},
    };

    #[test]
    fn a_change_has_spread_once_every_node_has_it() {
        let (well, short) = (about_n4(&[]), about_n4(&["memory"]));
        let is_short = |lists: &Value| has_reason(lists, "n4", "memory");
        let followers = |last: &[(u64, Value)]| {
            let n1 = [(5, well.clone()), (1_003_000, short.clone())];
            let n4 = [(5, well.clone()), (1_000_000, short.clone())];
            followers(&[("n1", &n1), ("n2", last), ("n4", &n4)])
        };
        assert_eq!(followers(&[(5, well.clone())]).spread("n4", 0, is_short), None);
        let spread =
            followers(&[(5, well.clone()), (1_001_000, short.clone())]).spread("n4", 0, is_short).unwrap();
        assert_eq!(spread.origin_ns, 1_000_000);
        let delays = BTreeMap::from([("n1", Duration::from_micros(3)), ("n2", Duration::from_micros(1))]);
        assert_eq!(spread.delays(), delays);
        assert_eq!(spread.complete_ns(), 1_003_000);
    }
}
