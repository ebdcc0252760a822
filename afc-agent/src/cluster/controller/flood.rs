//! Own records to every peer until it has them, and others' records taken (as OSPF floods, RFC 2328 section 13).

use std::sync::Arc;

use afc_ebpf::identity::NodeId;

use super::Controller;
use crate::cluster::{
    change::Change,
    counter::Counter,
    peer::{Peer, Retry},
    pieces::{self, Piece, Whole},
    record::{NodeRecord, NodeState, RecordError, Version},
    records::{Kept, MAX_AGE_NS},
    wire::{self, Body},
};

/// A record that does not change is made anew after this time, an eighth less at most.
const REFRESH_NS: u64 = 10_000_000_000;
/// A peer that has not acknowledged a record is sent it again after this time at first.
const RETRANSMIT_FIRST_NS: u64 = 15_000_000;
/// The longest pause before it is sent again.
const RETRANSMIT_MOST_NS: u64 = 250_000_000;
/// The same, to a peer that is silent.
const RETRANSMIT_SILENT_NS: u64 = 1_000_000_000;
/// Two changes have this distance at least; of several in between the last counts.
const CHANGE_INTERVAL_NS: u64 = 5_000_000;
/// The incarnation is raised once in this time at most: another machine of this name may do the same.
const RAISE_INTERVAL_NS: u64 = 1_000_000_000;

/// This node's own state.
pub(super) struct Own {
    version: Version,
    /// The state as it was given, and when.
    state: Option<(NodeState, u64)>,
    /// Whether it was given since the last record was made.
    is_pending: bool,
    next_change_ns: u64,
    refresh_ns: u64,
    next_raise_ns: u64,
    raises: u32,
}

/// Why a record is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Change,
    Refresh,
}

impl Own {
    pub(super) fn new(incarnation: u64) -> Self {
        Self {
            version: Version { incarnation, sequence: 0 },
            state: None,
            is_pending: false,
            next_change_ns: 0,
            refresh_ns: u64::MAX,
            next_raise_ns: 0,
            raises: 0,
        }
    }

    pub(super) fn due_ns(&self) -> Option<u64> {
        let refresh = self.state.is_some().then_some(self.refresh_ns);
        if self.is_pending { Some(self.next_change_ns) } else { refresh }
    }
}

impl Controller {
    /// Takes this node's state and tells everybody, if it differs in more than the ages of its reasons.
    ///
    /// # Errors
    /// No node can be in such a state; the others keep the one before.
    pub fn set_own_state(&mut self, state: NodeState, now_ns: u64) -> Result<(), RecordError> {
        state.validate()?;
        let is_same = |before: &NodeState| {
            *before == NodeState { reason_ages_ms: before.reason_ages_ms.clone(), ..state.clone() }
        };
        if self.own.state.as_ref().is_some_and(|(before, _)| is_same(before)) {
            return Ok(());
        }
        self.own.state = Some((state, now_ns));
        self.own.is_pending = true;
        self.publish_due(now_ns);
        Ok(())
    }

    /// Makes a record when it is time.
    pub(super) fn publish_due(&mut self, now_ns: u64) {
        if self.own.is_pending {
            if self.own.next_change_ns <= now_ns {
                self.publish(Cause::Change, now_ns);
            }
        } else if self.own.refresh_ns <= now_ns {
            self.counters.count(Counter::Refreshed);
            self.publish(Cause::Refresh, now_ns);
        }
    }

    /// Makes a record of the state as it is now, and tells everybody.
    fn publish(&mut self, cause: Cause, now_ns: u64) {
        let Some((state, given_ns)) = &self.own.state else { return };
        let mut state = state.clone();
        let since_ms = now_ns.saturating_sub(*given_ns) / 1_000_000;
        state.reason_ages_ms.iter_mut().for_each(|age_ms| *age_ms = age_ms.saturating_add(since_ms));
        self.own.version.sequence += 1;
        self.own.is_pending = false;
        self.own.next_change_ns = now_ns + CHANGE_INTERVAL_NS;
        self.own.refresh_ns = now_ns + REFRESH_NS - self.random.u64(0..=REFRESH_NS / 8);
        let encoded = wire::encode(&state).into();
        let record = Arc::new(NodeRecord { node: self.node, version: self.own.version, state });
        let (received_ns, made_ns) = (now_ns, now_ns as i64);
        self.records.put(Kept { record: Arc::clone(&record), encoded, received_ns, made_ns });
        self.tell(Change::Record { record, received_ns, age_ns: 0 });
        let nodes: Vec<_> = self.peers.keys().copied().collect();
        let mut told = 0;
        for node in nodes {
            let is_told = self.flood_to(node, now_ns);
            let Some(peer) = self.peers.get_mut(&node) else { continue };
            peer.told_ns = (is_told && cause == Cause::Change).then_some(now_ns);
            told += usize::from(is_told);
        }
        if cause == Cause::Change {
            self.discovery.begin(self.own.version, now_ns, told);
        }
    }

    /// Sends the newest own record to a peer; whether that was at once.
    pub(super) fn flood_to(&mut self, node: NodeId, now_ns: u64) -> bool {
        let newest = self.own.version;
        let has_record = self.records.get(self.node).is_some();
        let Some(peer) = self.peers.get_mut(&node) else { return false };
        if peer.session.is_none() || peer.acked >= newest || !has_record {
            return false;
        }
        let is_silent = peer.is_silent(now_ns);
        if !is_silent {
            peer.flood = Retry::after(now_ns, RETRANSMIT_FIRST_NS);
        } else if peer.flood.is_off() {
            peer.flood = Retry::after(now_ns, RETRANSMIT_SILENT_NS);
        }
        self.peers_due_ns = self.peers_due_ns.min(peer.flood.due_ns().unwrap_or(u64::MAX));
        if !is_silent {
            self.send_own(node, now_ns);
        }
        !is_silent
    }

    /// Sends the newest own record again to who has not acknowledged it.
    pub(super) fn repeat_records(&mut self, now_ns: u64) {
        let due: Vec<_> =
            self.peers.iter().filter(|(_, peer)| peer.flood.is_due(now_ns)).map(|(node, _)| *node).collect();
        for node in due {
            let Some(peer) = self.peers.get_mut(&node) else { continue };
            let most_ns = if peer.is_silent(now_ns) { RETRANSMIT_SILENT_NS } else { RETRANSMIT_MOST_NS };
            peer.flood = peer.flood.again(now_ns, most_ns, &mut self.random);
            self.counters.count(Counter::Retransmitted);
            self.send_own(node, now_ns);
        }
    }

    fn send_own(&mut self, node: NodeId, now_ns: u64) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.unanswered_since_ns.get_or_insert(now_ns);
        }
        self.send_records(node, &[self.node], now_ns);
    }

    /// Sends the records of these nodes.
    pub(super) fn send_records(&mut self, to: NodeId, nodes: &[NodeId], now_ns: u64) {
        let kept: Vec<Whole> =
            nodes.iter().filter_map(|node| self.records.get(*node)).map(Kept::whole).collect();
        for pack in pieces::pack(kept.iter().flat_map(|whole| pieces::cut(whole, now_ns))) {
            self.send(to, Body::Records(pack));
        }
    }

    /// A peer is there. One that was silent is told what it missed.
    pub(super) fn hear(&mut self, node: NodeId, now_ns: u64) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let was_silent = peer.is_silent(now_ns);
        peer.unanswered_since_ns = None;
        if was_silent {
            self.flood_to(node, now_ns);
        }
    }

    /// A peer says what it has of this node's records.
    pub(super) fn take_ack(&mut self, from: NodeId, version: Version, now_ns: u64) {
        self.raise_above(version, now_ns);
        let newest = self.own.version;
        let Some(peer) = self.peers.get_mut(&from) else { return };
        peer.acked = peer.acked.max(version.min(newest));
        if peer.acked < newest {
            return;
        }
        peer.flood = Retry::OFF;
        if let Some(told_ns) = peer.told_ns.take() {
            self.discovery.acknowledged(now_ns.saturating_sub(told_ns));
            self.is_changed = true;
        }
    }

    /// The others have a newer record of this node than it made itself: go on above it.
    pub(super) fn raise_above(&mut self, heard: Version, now_ns: u64) {
        let first = Version { incarnation: heard.incarnation.saturating_add(1), sequence: 1 };
        if heard <= self.own.version || !first.is_plausible() || now_ns < self.own.next_raise_ns {
            return;
        }
        self.own.next_raise_ns = now_ns + RAISE_INTERVAL_NS;
        self.own.version = Version { sequence: 0, ..first };
        self.own.raises += 1;
        self.tell(Change::IncarnationLost { heard, incarnation: self.own.version.incarnation });
        if self.own.raises > 1 {
            // Once may be a lost disk. Who else makes records of this node now?
            self.tell(Change::Conflict { node: self.node, address: None });
        }
        self.publish(Cause::Refresh, now_ns);
    }

    /// Takes records that a peer has sent, its own or others'.
    pub(super) fn take_pieces(&mut self, from: NodeId, pieces: Vec<Piece>, now_ns: u64) {
        for piece in pieces {
            if let Err(reason) = self.take_piece(from, piece, now_ns) {
                self.counters.count(reason);
            }
        }
    }

    fn take_piece(&mut self, from: NodeId, piece: Piece, now_ns: u64) -> Result<(), Counter> {
        let Piece { node, version, age_ms, .. } = piece;
        if !version.is_plausible() {
            return Err(Counter::Absurd);
        }
        if node == self.node {
            self.raise_above(version, now_ns);
            return Ok(());
        }
        if !self.peers.contains_key(&node) {
            return Err(Counter::UnknownNode);
        }
        if age_ms >= MAX_AGE_NS / 1_000_000 {
            return Err(Counter::Aged);
        }
        let newest = self.records.newest(node, now_ns);
        if newest >= version {
            if node == from {
                self.send(from, Body::Ack(newest));
            } else if newest > version {
                self.send_records(from, &[node], now_ns);
            }
            return Ok(());
        }
        let Some(whole) = self.assembly.add(piece, now_ns) else { return Ok(()) };
        self.keep(whole, now_ns)?;
        // Also to an origin that could not reach this node itself: it need not try on.
        self.send(node, Body::Ack(version));
        Ok(())
    }

    fn keep(&mut self, whole: Whole, now_ns: u64) -> Result<(), Counter> {
        let Whole { node, version, made_ns, encoded } = whole;
        let state = wire::decode(&encoded).ok_or(Counter::Absurd)?;
        let record = NodeRecord { node, version, state };
        record.validate().map_err(|_| Counter::Absurd)?;
        let record = Arc::new(record);
        self.records.put(Kept { record: Arc::clone(&record), encoded, received_ns: now_ns, made_ns });
        self.exchange.forget_request(node);
        self.tell(Change::Record { record, received_ns: now_ns, age_ns: pieces::age_ns(made_ns, now_ns) });
        Ok(())
    }

    /// Removes the records that nobody refreshes.
    pub(super) fn expire_records(&mut self, now_ns: u64) {
        for node in self.records.expire(self.node, now_ns) {
            self.assembly.forget(node);
            self.forget_lists(node);
            self.tell(Change::AgedOut(node));
        }
    }
}

impl Peer {
    /// Whether it is worth asking: there is a session, and it answers.
    pub(super) fn is_reachable(&self, now_ns: u64) -> bool {
        self.session.is_some() && !self.is_silent(now_ns)
    }
}
