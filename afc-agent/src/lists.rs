//! What `afc lists` says: every node's backups, best first, as one node has them (the matrix of the invention's figures 5
//! to 9). JSON, and a table for people.
//!
//! Only data and its rendering; whoever knows the values fills them in.

mod explanation;
mod table;

use serde::{Deserialize, Serialize};

use afc_engine::priority::Headroom;

use crate::{config::ListMode, status::UnavailableReason};

pub use explanation::{ExplainedCandidate, ExplainedReason, Explanation};

/// The lists of the whole cluster as one node has them. Fields are added over time, never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListMatrix {
    /// The node that answers.
    pub node: String,
    /// The cluster's name.
    pub cluster: String,
    /// Whether the lists follow the cluster's state.
    pub mode: ListMode,
    /// Since when they stand, by the wall clock (RFC 3339, UTC): for people only.
    pub at: String,
    /// Since when they stand, by this node's `CLOCK_BOOTTIME`, ns.
    pub boot_ns: u64,
    /// Digest of what they were computed from, in hex: nodes that know the same have the same.
    pub inputs: String,
    /// Digest of the lists, in hex: the same wherever the inputs are.
    pub digest: String,
    /// Nodes that have made other lists of the same inputs for longer than a moment: an alarm.
    pub differing: Vec<String>,
    /// Every member.
    pub nodes: Vec<ListedNode>,
    /// One for each service, and one for each member without one.
    pub lists: Vec<BackupList>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedNode {
    /// Its name.
    pub name: String,
    /// Whether it would take a service over.
    pub available: bool,
    /// Why not.
    pub reasons: Vec<UnavailableReason>,
}

/// Who stands in for a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupList {
    /// The node that is backed up.
    pub node: String,
    /// The service that is, at home on that node; `null` for a member without one.
    pub service: Option<String>,
    /// Who serves it.
    pub owner: Option<String>,
    /// Best first: primary, secondary, and so on.
    pub backups: Vec<ListedBackup>,
}

/// One place in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedBackup {
    /// The node.
    pub node: String,
    /// Whether it would take the service over.
    pub available: bool,
    /// Why not.
    pub reasons: Vec<UnavailableReason>,
    /// How far from its thresholds.
    pub headroom: Headroom,
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// Figure 8: node 4 is short of memory, and every node knows.
    pub(crate) fn example() -> ListMatrix {
        let four = ListedBackup {
            node: "n4".to_owned(),
            available: false,
            reasons: vec![UnavailableReason::Memory],
            headroom: Headroom::Tight,
        };
        let five = ListedBackup {
            node: "n5".to_owned(),
            available: true,
            reasons: vec![],
            headroom: Headroom::Ample,
        };
        let list = |node: &str, service: Option<&str>, backups: &[&ListedBackup]| BackupList {
            node: node.to_owned(),
            service: service.map(str::to_owned),
            owner: service.map(|_| node.to_owned()),
            backups: backups.iter().map(|&backup| backup.clone()).collect(),
        };
        let node = |name: &str, reasons: Vec<UnavailableReason>| ListedNode {
            name: name.to_owned(),
            available: reasons.is_empty(),
            reasons,
        };
        ListMatrix {
            node: "n2".to_owned(),
            cluster: "edge".to_owned(),
            mode: ListMode::Adaptive,
            at: "2023-11-14T22:13:20.000001Z".to_owned(),
            boot_ns: 5,
            inputs: "00000000000000aa".to_owned(),
            digest: "00000000000000bb".to_owned(),
            differing: vec![],
            nodes: vec![
                node("n1", vec![UnavailableReason::Serving]),
                node("n4", vec![UnavailableReason::Memory]),
                node("n5", vec![]),
            ],
            lists: vec![
                list("n1", Some("web-1"), &[&five, &four]),
                list("n4", None, &[&five]),
                list("n5", None, &[&four]),
            ],
        }
    }

    #[test]
    fn the_json_says_who_is_primary_and_why_not() {
        let json = serde_json::to_value(example()).unwrap();
        assert_eq!(json["mode"], "adaptive");
        assert_eq!(
            json["lists"][0]["backups"],
            json!([
                {"node": "n5", "available": true, "reasons": [], "headroom": "ample"},
                {"node": "n4", "available": false, "reasons": ["memory"], "headroom": "tight"},
            ])
        );
        assert_eq!(serde_json::from_value::<ListMatrix>(json).unwrap(), example());
    }
}
