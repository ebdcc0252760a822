//! The list keeper: what every node says of itself, made into lists, and the lists brought to those who go by them.
//!
//! Owner: the agent, which spawns [`ListKeeper::run`]. It is woken by the cluster controller's changes, by new
//! measurements, by the fast path's view, by the operator's marks, and every [`LOOK_INTERVAL`]. Cancelling it loses nothing: the engine goes
//! on with the last order it heard, and the repository has the records.

mod board;
mod show;
mod state;
mod tell;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use afc_ebpf::identity::{NodeId, ServiceId};
use afc_engine::{
    availability::UnavailableReason,
    priority::{self, Backup, Lists},
    ranking::{Ranked, Ranking},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::MissedTickBehavior,
};
use tracing::warn;

use crate::{
    clock,
    cluster::{
        Change, ClusterHandle, ListsDigest, MAX_AGE_NS,
        assessment::{Roster, assess},
        record::{NodeRecord, NodeState},
    },
    config::{Config, ListMode},
    events::Happening,
    heartbeat::{
        mailbox::{Mailbox, Order},
        view::View,
    },
    repository::{Document, Repository},
    resources::Measured,
};

pub(super) use board::{Board, Posted};
pub(super) use show::{explanation, matrix};

use board::Known;
use state::{Facts, Own, Suspicions};

/// How often everything is looked at again that wakes nobody: who is probed, and records that nobody refreshed.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Figures that changed go to the others with the next change of something else; much changed ones after this long,
const FIGURES_NS: u64 = 2_000_000_000;
/// and others after this long.
const FIGURES_LATEST_NS: u64 = 10_000_000_000;
/// A record that differs from the kept one in its figures only is kept after this long: who starts again hears newer ones.
const KEEP_NS: u64 = 60_000_000_000;

/// What the keeper works with.
pub(super) struct Means {
    pub(super) config: Arc<Config>,
    pub(super) cluster: ClusterHandle,
    pub(super) measured: watch::Receiver<Measured>,
    /// Whether the disk says that this node is drained.
    pub(super) drained: watch::Receiver<bool>,
    pub(super) view: Arc<std::sync::Mutex<View>>,
    /// Rung when the fast path's view shows something new.
    pub(super) viewed: Arc<Notify>,
    pub(super) orders: Arc<Mailbox<Order>>,
    pub(super) repository: Arc<Repository>,
    pub(super) board: Arc<Board>,
    /// Where what happened is told.
    pub(super) report: Box<dyn Fn(Happening) + Send>,
}

/// Keeps the lists.
pub(super) struct ListKeeper {
    means: Means,
    roster: Roster,
    records: BTreeMap<NodeId, Known>,
    differing: BTreeSet<NodeId>,
    /// Since when this node is drained, ns.
    drained_since_ns: Option<u64>,
    /// What the engine was told of that.
    is_engine_drained: bool,
    /// Something came that lists may follow from.
    is_news: bool,
    suspicions: Suspicions,
    /// What the others were told last.
    told: Option<NodeState>,
    told_ns: u64,
    /// What the engine was told last.
    is_available: bool,
    rankings: BTreeMap<ServiceId, Ranking>,
    started_ns: u64,
    /// Whether what the records say is to be told: not while a starting node has yet to hear of the others.
    teller: tell::Teller,
}

impl ListKeeper {
    /// A keeper that starts from what the repository has, and posts that at once.
    pub(super) fn new(means: Means) -> Self {
        let now_ns = clock::boottime_ns();
        let records = means.repository.records().into_iter();
        let records = records.map(|record| (record.node, Known::restored(record, now_ns)));
        let drained_since_ns = means.drained.borrow().then_some(now_ns);
        let mut keeper = Self {
            roster: state::roster(&means.config),
            records: records.collect(),
            differing: BTreeSet::new(),
            drained_since_ns,
            is_engine_drained: false,
            is_news: true,
            suspicions: Suspicions::default(),
            told: None,
            told_ns: 0,
            is_available: true,
            rankings: BTreeMap::new(),
            started_ns: now_ns,
            teller: tell::Teller::new(now_ns),
            means,
        };
        keeper.post();
        keeper
    }

    /// Keeps the lists until it is cancelled or the controller ends.
    pub(super) async fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        let viewed = Arc::clone(&self.means.viewed);
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                change = changes.recv() => {
                    let Some(change) = change else { return self.report(tell::ended()) };
                    self.handle_change(change);
                    // One list for all that has come.
                    while let Ok(change) = changes.try_recv() {
                        self.handle_change(change);
                    }
                }
                Ok(()) = self.means.measured.changed() => {}
                Ok(()) = self.means.drained.changed() => self.take_mark(),
                () = viewed.notified() => {}
                _ = looks.tick() => self.expire(),
            }
            let news = self.own_news();
            self.post();
            // Only now: what happens to a node is in its own lists before anybody else hears of it.
            if let Some(state) = news {
                self.means.cluster.set_state(state);
            }
        }
    }

    fn handle_change(&mut self, change: Change) {
        match change {
            Change::Record { record, received_ns, age_ns } => {
                if !self.is_outdated(&record) {
                    self.take_record(Known { record, received_ns, age_ns, kept_ns: 0 });
                }
            }
            Change::AgedOut(node) => self.forget(node),
            Change::ListsDiffer(node) => {
                self.is_news = true;
                self.differing.insert(node);
                self.report(tell::differing(&self.means.config, node));
            }
            Change::ListsAgree(node) => {
                self.is_news = true;
                self.differing.remove(&node);
                self.report(tell::agreeing(&self.means.config, node));
            }
            Change::Conflict { node, address } => {
                self.report(tell::conflict(&self.means.config, node, address));
            }
            Change::IncarnationLost { heard, incarnation } => {
                self.report(tell::incarnation_lost(heard, incarnation));
            }
        }
    }

    /// Takes a newer record in, and keeps it on the disk where that is worth it.
    fn take_record(&mut self, mut known: Known) {
        let before = self.records.get(&known.record.node);
        let is_news = before.is_none_or(|before| state::differs(&before.record.state, &known.record.state));
        let kept_ns = before.map_or(0, |before| before.kept_ns);
        self.is_news |= is_news;
        known.kept_ns = kept_ns;
        if is_news || known.received_ns >= kept_ns + KEEP_NS {
            known.kept_ns = known.received_ns;
            self.means.repository.put_record((*known.record).clone());
        }
        self.records.insert(known.record.node, known);
    }

    fn take_mark(&mut self) {
        let is_drained = *self.means.drained.borrow_and_update();
        self.drained_since_ns = is_drained.then(clock::boottime_ns);
    }

    /// What a restart found on the disk counts only as long as a record does that nobody refreshes.
    fn expire(&mut self) {
        let is_over = clock::boottime_ns() > self.started_ns + MAX_AGE_NS;
        if !is_over || !self.records.values().any(|known| known.received_ns == self.started_ns) {
            return;
        }
        let silent = self.records.iter().filter(|(_, known)| known.received_ns == self.started_ns);
        for node in silent.map(|(node, _)| *node).collect::<Vec<_>>() {
            self.forget(node);
        }
    }

    fn forget(&mut self, node: NodeId) {
        if let Some(known) = self.records.remove(&node) {
            self.is_news = true;
            self.means.repository.forget_record(node, known.record.version);
        }
    }

    /// Whether this is a record of this node's own that does not yet say what the node has found out since.
    fn is_outdated(&self, record: &NodeRecord) -> bool {
        record.node == self.means.config.agent.node
            && self.told.as_ref().is_some_and(|told| state::differs(told, &record.state))
    }

    /// What this node is, when that is worth telling the others. From here on it is in its own records.
    fn own_news(&mut self) -> Option<NodeState> {
        let now_ns = clock::boottime_ns();
        let measured = self.means.measured.borrow_and_update().clone();
        let facts = {
            let view = self.means.view.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Facts::of(&view, self.means.config.agent.node, &mut self.suspicions, now_ns)
        };
        self.tell_engine(&measured);
        let config = &self.means.config;
        let own = Own { config, measured: &measured, drained_since_ns: self.drained_since_ns, facts };
        let state = own.state(now_ns);
        let since_told_ns = now_ns.saturating_sub(self.told_ns);
        let is_worth_it = self.told.as_ref().is_none_or(|told| {
            state::differs(told, &state)
                || (since_told_ns >= FIGURES_NS && state::figures_moved(told, &state))
                || (since_told_ns >= FIGURES_LATEST_NS && told.utilization != state.utilization)
        });
        if !is_worth_it {
            return None;
        }
        self.told_ns = now_ns;
        self.told = Some(state.clone());
        self.know_own(state.clone(), now_ns);
        Some(state)
    }

    /// What the engine must know of this node itself; an order that finds no room is given again at the next look.
    fn tell_engine(&mut self, measured: &Measured) {
        let is_static = self.means.config.cluster.lists == ListMode::Static;
        let is_available = is_static || measured.reasons.is_available();
        if is_available != self.is_available && self.order(Order::Available(is_available)) {
            self.is_available = is_available;
        }
        let is_drained = self.drained_since_ns.is_some();
        if is_drained != self.is_engine_drained && self.order(Order::Drained(is_drained)) {
            self.is_engine_drained = is_drained;
        }
    }

    /// Until the controller has made a record of it, this stands in its place, under the version of the last.
    fn know_own(&mut self, state: NodeState, now_ns: u64) {
        let node = self.means.config.agent.node;
        let version = self.records.get(&node).map(|known| known.record.version).unwrap_or_default();
        let record = Arc::new(NodeRecord { node, version, state });
        let before = self.records.get(&node);
        self.is_news |= before.is_none_or(|before| state::differs(&before.record.state, &record.state));
        // Not kept yet: what the controller makes of it is.
        self.records.insert(node, Known { record, received_ns: now_ns, age_ns: 0, kept_ns: 0 });
    }

    /// Computes the lists from what is known now, and brings them to whoever goes by them.
    fn post(&mut self) {
        let before = self.means.board.posted();
        if !std::mem::take(&mut self.is_news) {
            // Figures and ages only.
            self.means.board.post(Posted { records: self.records.clone(), ..(*before).clone() });
            return self.rank();
        }
        let records = self.records.iter().map(|(node, known)| (*node, Arc::clone(&known.record))).collect();
        let assessment = assess(&self.roster, &records);
        let is_new = before.assessment.inputs != assessment.inputs || before.differing != self.differing;
        let lists = match (is_new, self.means.config.cluster.lists) {
            (false, _) => Arc::clone(&before.lists),
            (true, ListMode::Adaptive) => Arc::new(priority::lists(&assessment.inputs)),
            (true, ListMode::Static) => Arc::new(priority::static_lists(&assessment.inputs)),
        };
        let now_ns = clock::boottime_ns();
        let (at, boot_ns) = if is_new { (SystemTime::now(), now_ns) } else { (before.at, before.boot_ns) };
        let posted = Posted {
            at,
            boot_ns,
            lists,
            since: Arc::new(board::since(&before, &assessment, now_ns)),
            assessment: Arc::new(assessment),
            records: self.records.clone(),
            differing: self.differing.clone(),
        };
        if is_new {
            self.bring(&posted.lists);
            for happening in self.teller.changes(&self.means.config, &before, &posted) {
                self.report(happening);
            }
        }
        self.means.board.post(posted);
        self.rank();
    }

    fn bring(&self, lists: &Lists) {
        self.means.cluster.set_lists_digest(ListsDigest {
            roster: state::roster_digest(&self.roster, self.means.config.cluster.lists),
            inputs: lists.inputs_digest.0,
            outputs: lists.digest.0,
        });
        match serde_json::to_string(lists) {
            Ok(text) => self.means.repository.put_lists(Document::of(text)),
            Err(error) => warn!(%error, "the lists are not kept"),
        }
    }

    /// Tells the engine each order that it does not have yet; one that finds no room is told at the next look.
    fn rank(&mut self) {
        if self.means.config.cluster.lists == ListMode::Static {
            return;
        }
        let lists = Arc::clone(&self.means.board.posted().lists);
        for list in &lists.services {
            let ranking = ranking(&list.backups);
            let is_told = self.rankings.get(&list.service) == Some(&ranking);
            if !is_told && self.order(Order::Ranked { service: list.service, ranking }) {
                self.rankings.insert(list.service, ranking);
            }
        }
    }

    /// Whether the fast path takes an order.
    fn order(&self, order: Order) -> bool {
        let taken = self.means.orders.put(order);
        if taken.is_err() {
            warn!("the fast path takes no orders just now");
        }
        taken.is_ok()
    }

    fn report(&self, happening: Happening) {
        (self.means.report)(happening);
    }
}

/// A list as the engine takes it. Whether a backup is dead is for those who probe it to say: it goes on being probed, or
/// nobody could say so any more, and its death would come and go.
fn ranking(backups: &[Backup]) -> Ranking {
    Ranking::new(backups.iter().map(|backup| Ranked {
        node: backup.node,
        is_available: backup.reasons.without(UnavailableReason::Dead).is_available(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use afc_engine::{
        availability::Reasons,
        priority::{Headroom, Why},
    };

    #[test]
    fn a_dead_backup_is_probed_on_and_a_short_one_is_not() {
        use UnavailableReason::{Dead, Drained, Memory, Serving};
        for (reasons, is_probed) in [
            (&[][..], true),
            (&[Dead], true),
            (&[Memory], false),
            (&[Dead, Drained], false),
            (&[Dead, Serving], false),
        ] {
            let backup = Backup {
                node: NodeId(4),
                reasons: reasons.iter().copied().collect::<Reasons>(),
                headroom: Headroom::Ample,
                preference: 0,
                why: Why::Preference,
            };
            let expected = Ranked { node: NodeId(4), is_available: is_probed };
            assert_eq!(ranking(&[backup]).as_slice(), [expected], "{reasons:?}");
        }
    }
}
