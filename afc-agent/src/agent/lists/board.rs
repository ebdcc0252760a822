//! Where the lists are posted, for all who read them: status, `afc lists`, `afc explain`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use afc_ebpf::identity::NodeId;
use afc_engine::{availability::UnavailableReason, priority::Lists};
use tokio::sync::watch;

use crate::cluster::{assessment::Assessment, record::NodeRecord};

/// A record as this node has it.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Known {
    pub(in crate::agent) record: Arc<NodeRecord>,
    /// This node's `CLOCK_BOOTTIME` when it came, ns.
    pub(in crate::agent) received_ns: u64,
    /// How old it was then, ns.
    pub(in crate::agent) age_ns: u64,
    /// When a record of its node was kept on the disk last, ns; 0 if never since the start.
    pub(super) kept_ns: u64,
}

impl Known {
    /// One that the disk has kept: nobody knows how old it is.
    pub(super) const fn restored(record: Arc<NodeRecord>, now_ns: u64) -> Self {
        Self { record, received_ns: now_ns, age_ns: 0, kept_ns: now_ns }
    }

    /// How old it is now, ns.
    pub(in crate::agent) fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.received_ns).saturating_add(self.age_ns)
    }
}

/// Since when each node has each of its reasons, as far as this node knows.
pub(in crate::agent) type Since = BTreeMap<(NodeId, UnavailableReason), u64>;

/// One moment's lists, and all that they follow from.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Posted {
    /// Since when these lists stand, by the wall clock, for people.
    pub(in crate::agent) at: SystemTime,
    /// Since when, by `CLOCK_BOOTTIME`, ns.
    pub(in crate::agent) boot_ns: u64,
    pub(in crate::agent) lists: Arc<Lists>,
    pub(in crate::agent) assessment: Arc<Assessment>,
    /// Since when this node knows of each reason, `CLOCK_BOOTTIME` ns.
    pub(in crate::agent) since: Arc<Since>,
    pub(in crate::agent) records: BTreeMap<NodeId, Known>,
    /// Nodes that made other lists of the same inputs.
    pub(in crate::agent) differing: BTreeSet<NodeId>,
}

/// The latest of them.
#[derive(Debug)]
pub(in crate::agent) struct Board {
    posted: watch::Sender<Arc<Posted>>,
    version: watch::Sender<u64>,
}

impl Default for Board {
    fn default() -> Self {
        let nothing = Posted {
            at: SystemTime::UNIX_EPOCH,
            boot_ns: 0,
            lists: Arc::default(),
            assessment: Arc::default(),
            since: Arc::default(),
            records: BTreeMap::new(),
            differing: BTreeSet::new(),
        };
        Self { posted: watch::Sender::new(Arc::new(nothing)), version: watch::Sender::new(0) }
    }
}

impl Board {
    /// What is posted now.
    pub(in crate::agent) fn posted(&self) -> Arc<Posted> {
        Arc::clone(&self.posted.borrow())
    }

    /// Grows with each new version of the lists.
    pub(in crate::agent) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Posts what is known now; lists that stand since another moment are a new version.
    pub(super) fn post(&self, posted: Posted) {
        let boot_ns = posted.boot_ns;
        let before = self.posted.send_replace(Arc::new(posted));
        if before.boot_ns != boot_ns {
            self.version.send_modify(|version| *version += 1);
        }
    }
}

/// Since when the reasons of an assessment hold: those that were there before, since then.
pub(super) fn since(before: &Posted, assessment: &Assessment, now_ns: u64) -> Since {
    let reasons =
        assessment.nodes.iter().flat_map(|(id, node)| node.reasons.iter().map(|reason| (*id, reason)));
    reasons.map(|key| (key, before.since.get(&key).copied().unwrap_or(now_ns))).collect()
}
