//! Interrogation: comparing hashes with one peer after the other, and asking for what is lacking.
//!
//! ```text
//!   A ── Digest(ask, hash) ──► B        equal: B answers with its own, and that is all
//!   A ◄── Digest(answer), Page, Page .. ── B
//!   A ── Request(lacking here), Offer(newer here) ──► B
//!   A ◄── Records, Request ── B
//! ```
//! Nothing here is repeated by itself: what is lost is missed again in the next exchange, which comes soon after one that
//! found a difference.

use std::collections::{BTreeMap, BTreeSet};

use afc_ebpf::identity::NodeId;

use super::Controller;
use crate::cluster::{
    counter::Counter,
    wire::{Body, Entry, MAX_ENTRIES, MAX_REQUESTED, Turn},
};

/// Between two exchanges of a node that lacks nothing, an eighth more or less.
const INTERVAL_NS: u64 = 1_000_000_000;
/// The next exchange after the first that found a difference; twice as long after each further.
const GAP_FIRST_NS: u64 = 100_000_000;
/// Between two exchanges with peers that have just been found.
const START_PACE_NS: u64 = 20_000_000;
/// A record asked for is not asked for again, of anybody, before this.
const REQUEST_PATIENCE_NS: u64 = 100_000_000;
/// A peer is not sent pages again before this.
const PAGES_INTERVAL_NS: u64 = 50_000_000;
/// Peers with other lists that are asked beside the one whose turn it is.
const SUSPECTS_ASKED: usize = 4;

/// Whose turn it is, and what was asked for.
pub(super) struct Exchange {
    due_ns: u64,
    gap_ns: u64,
    /// The peer asked last in turn.
    last: NodeId,
    /// Peers that were found and not asked yet.
    owed: BTreeSet<NodeId>,
    /// Until when a record asked for is awaited; only for nodes of the configuration.
    requested: BTreeMap<NodeId, u64>,
}

impl Exchange {
    pub(super) fn new(now_ns: u64) -> Self {
        Self {
            due_ns: now_ns + INTERVAL_NS,
            gap_ns: GAP_FIRST_NS,
            last: NodeId::NONE,
            owed: BTreeSet::new(),
            requested: BTreeMap::new(),
        }
    }

    pub(super) fn due_ns(&self) -> u64 {
        self.due_ns
    }

    pub(super) fn forget_request(&mut self, node: NodeId) {
        self.requested.remove(&node);
    }
}

impl Controller {
    /// A peer was found: it is asked soon, the first of several at once.
    pub(super) fn owe_exchange(&mut self, node: NodeId, now_ns: u64) {
        let is_first = self.exchange.owed.is_empty();
        self.exchange.owed.insert(node);
        if is_first {
            self.exchange.due_ns = self.exchange.due_ns.min(now_ns + START_PACE_NS);
        }
    }

    /// Asks whose turn it is, when it is time.
    pub(super) fn interrogate(&mut self, now_ns: u64) {
        if self.exchange.due_ns > now_ns {
            return;
        }
        if let Some(node) = self.exchange.owed.pop_first() {
            self.ask(node);
        } else {
            for node in self.suspects(SUSPECTS_ASKED) {
                self.ask(node);
            }
            let is_asked = |node: &NodeId| self.peers[node].is_reachable(now_ns);
            let (before, after): (Vec<_>, Vec<_>) =
                self.peers.keys().copied().filter(is_asked).partition(|node| *node <= self.exchange.last);
            if let Some(next) = after.first().or(before.first()) {
                self.exchange.last = *next;
                self.ask(*next);
            }
        }
        let swing_ns = self.random.u64(0..=INTERVAL_NS / 4);
        let pause_ns =
            if self.exchange.owed.is_empty() { INTERVAL_NS * 7 / 8 + swing_ns } else { START_PACE_NS };
        self.exchange.due_ns = now_ns + pause_ns;
    }

    fn ask(&mut self, node: NodeId) {
        let (hash, lists) = (self.records.hash(), self.lists);
        self.send(node, Body::Digest { turn: Turn::Ask, hash, lists });
    }

    pub(super) fn take_digest(&mut self, from: NodeId, turn: Turn, hash: u64, now_ns: u64) {
        let is_same = hash == self.records.hash();
        if !is_same {
            self.counters.count(Counter::DigestDiffered);
        }
        match turn {
            Turn::Ask => {
                let (hash, lists) = (self.records.hash(), self.lists);
                self.send(from, Body::Digest { turn: Turn::Answer, hash, lists });
                if !is_same {
                    self.send_pages(from, now_ns);
                }
            }
            Turn::Answer if is_same => self.exchange.gap_ns = GAP_FIRST_NS,
            Turn::Answer => {
                let again_ns = now_ns + self.exchange.gap_ns;
                self.exchange.due_ns = self.exchange.due_ns.min(again_ns);
                self.exchange.gap_ns = (2 * self.exchange.gap_ns).min(INTERVAL_NS);
            }
        }
    }

    fn send_pages(&mut self, to: NodeId, now_ns: u64) {
        let Some(peer) = self.peers.get_mut(&to).filter(|peer| peer.pages_after_ns <= now_ns) else { return };
        peer.pages_after_ns = now_ns + PAGES_INTERVAL_NS;
        for (first, last, entries) in self.records.pages() {
            self.send(to, Body::Page { first, last, entries });
        }
    }

    pub(super) fn take_page(
        &mut self,
        from: NodeId,
        first: NodeId,
        last: NodeId,
        entries: &[Entry],
        now_ns: u64,
    ) {
        self.take_offer(from, entries, now_ns);
        let newer = self.records.newer_than(first, last, entries);
        for offer in newer.chunks(MAX_ENTRIES) {
            self.send(from, Body::Offer(offer.to_vec()));
        }
    }

    /// Asks for what is newer there, unless somebody was asked just now.
    pub(super) fn take_offer(&mut self, from: NodeId, entries: &[Entry], now_ns: u64) {
        let mut wanted = Vec::new();
        for &(node, version) in entries {
            if node == self.node {
                self.raise_above(version, now_ns);
            } else if self.peers.contains_key(&node)
                && version.is_plausible()
                && version > self.records.newest(node, now_ns)
                && self.exchange.requested.get(&node).is_none_or(|until_ns| *until_ns <= now_ns)
            {
                self.exchange.requested.insert(node, now_ns + REQUEST_PATIENCE_NS);
                wanted.push(node);
            }
        }
        for nodes in wanted.chunks(MAX_REQUESTED) {
            self.send(from, Body::Request(nodes.to_vec()));
        }
    }

    pub(super) fn take_request(&mut self, from: NodeId, nodes: &[NodeId], now_ns: u64) {
        let nodes = &nodes[..nodes.len().min(MAX_REQUESTED)];
        self.send_records(from, nodes, now_ns);
    }
}
