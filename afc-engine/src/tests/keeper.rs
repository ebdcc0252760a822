//! The list keeper of one simulated machine, in the spirit of the agent's: it tells the others what its node is, makes the
//! real lists of what they told, and orders its engine's candidates by them.
//!
//! What is told gets lost like any message; every now and then a node repeats all it knows to another.

use std::{collections::BTreeMap, sync::Arc};

use afc_ebpf::identity::{NodeId, OwnerWord, ServiceId};

use super::{
    assessment::{self, Records},
    shape::LEASE,
};
use crate::{
    Engine, Event, Setup,
    availability::UnavailableReason,
    priority::{self, Inputs, Lists},
    ranking::{Ranked, Ranking},
    view::{HolderState, Watch},
};

/// For how long a suspected node must answer before that is told: shorter than the agent's, so that runs reach beyond it.
const CALM_NS: u64 = 4 * LEASE;

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) node: NodeId,
    /// World time of the process's start, and a count.
    pub(super) version: (u64, u64),
    pub(super) said: Said,
}

/// The part of a record that lists follow from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) is_short: bool,
    pub(super) is_drained: bool,
    pub(super) capacity: u32,
    pub(super) holdings: Vec<(ServiceId, OwnerWord)>,
    pub(super) watches: BTreeMap<NodeId, Watch>,
}

/// The keeper of one machine. Its records outlive the process.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    me: NodeId,
    pub(super) is_short: bool,
    pub(super) is_drained: bool,
    records: Records,
    version: (u64, u64),
    suspected_ns: BTreeMap<NodeId, u64>,
    rankings: BTreeMap<ServiceId, Ranking>,
    is_news: bool,
    /// What the lists were made from, and the lists.
    pub(super) made: Option<(Inputs, Lists)>,
}

/// What came of a look.
#[derive(Default)]
pub(super) struct Look {
    /// To tell everybody.
    pub(super) told: Option<Arc<Record>>,
    /// To tell the engine.
    pub(super) orders: Vec<Event>,
    /// Whether the lists were made anew.
    pub(super) has_made: bool,
}

impl Keeper {
    pub(super) fn new(me: NodeId) -> Self {
        Self {
            me,
            is_short: false,
            is_drained: false,
            records: Records::new(),
            version: (0, 0),
            suspected_ns: BTreeMap::new(),
            rankings: BTreeMap::new(),
            is_news: true,
            made: None,
        }
    }

    /// A new process: it has told nobody anything, and its engine goes by the configured order.
    pub(super) fn restart(&mut self, world_ns: u64) {
        self.version = (world_ns, 0);
        self.rankings.clear();
        self.suspected_ns.clear();
        self.is_news = true;
    }

    /// All that it knows.
    pub(super) fn records(&self) -> Vec<Arc<Record>> {
        self.records.values().cloned().collect()
    }

    /// Takes in what another told; whether any of it was new.
    pub(super) fn hear(&mut self, records: &[Arc<Record>]) -> bool {
        for record in records.iter().filter(|record| record.node != self.me) {
            let known = self.records.get(&record.node);
            if known.is_none_or(|known| known.version < record.version) {
                self.records.insert(record.node, Arc::clone(record));
                self.is_news = true;
            }
        }
        self.is_news
    }

    /// Looks at its engine, and makes the lists anew where there is news.
    pub(super) fn look(&mut self, engine: &Engine, setup: &Setup, now_ns: u64) -> Look {
        let mut look = Look::default();
        let said = self.said(engine, setup, now_ns);
        if self.version.1 == 0 || self.records.get(&self.me).is_none_or(|own| own.said != said) {
            self.version.1 += 1;
            let record = Arc::new(Record { node: self.me, version: self.version, said });
            self.records.insert(self.me, Arc::clone(&record));
            self.is_news = true;
            look.told = Some(record);
        }
        if std::mem::take(&mut self.is_news) {
            let inputs = assessment::inputs(setup, &self.records);
            look.has_made = self.made.as_ref().is_none_or(|(before, _)| *before != inputs);
            if look.has_made {
                let lists = priority::lists(&inputs);
                self.made = Some((inputs, lists));
            }
        }
        look.orders = self.orders();
        look
    }

    fn said(&mut self, engine: &Engine, setup: &Setup, now_ns: u64) -> Said {
        let owned = engine
            .services()
            .filter(|service| matches!(service.state, HolderState::Owner | HolderState::Raising));
        let holdings = owned.map(|service| (service.id, service.epoch.owned_by(self.me))).collect();
        let watched = engine.nodes().filter_map(|node| Some((node.id, node.watch?)));
        let watches = watched.collect::<Vec<_>>().into_iter();
        let watches = watches.map(|(node, watch)| (node, self.damped(node, watch, now_ns))).collect();
        Said {
            is_short: self.is_short,
            is_drained: self.is_drained,
            capacity: setup.capacity,
            holdings,
            watches,
        }
    }

    fn damped(&mut self, node: NodeId, watch: Watch, now_ns: u64) -> Watch {
        if watch == Watch::Suspected {
            self.suspected_ns.insert(node, now_ns);
        }
        let is_calm = self.suspected_ns.get(&node).is_none_or(|last_ns| now_ns >= last_ns + CALM_NS);
        if is_calm { watch } else { Watch::Suspected }
    }

    /// Each order that the engine does not have yet.
    fn orders(&mut self) -> Vec<Event> {
        let Some((_, lists)) = &self.made else { return Vec::new() };
        let mut orders = Vec::new();
        for list in &lists.services {
            // Whether a backup is dead is for those who probe it to say.
            let ranking = Ranking::new(list.backups.iter().map(|backup| Ranked {
                node: backup.node,
                is_available: backup.reasons.without(UnavailableReason::Dead).is_available(),
            }));
            if self.rankings.insert(list.service, ranking) != Some(ranking) {
                orders.push(Event::Ranked { service: list.service, ranking });
            }
        }
        orders
    }
}
