//! Which datagrams are taken: the cheapest check first, and nothing changes before all have passed.

use std::{collections::BTreeMap, net::Ipv4Addr};

use afc_ebpf::identity::NodeId;

use super::Controller;
use crate::cluster::{
    change::Change,
    counter::Counter,
    peer::Budget,
    wire::{Body, Header, Sealed, Session},
};

/// Machines that go by a name that is not theirs. At most one address a node.
#[derive(Default)]
pub(super) struct Conflicts {
    told: BTreeMap<NodeId, Ipv4Addr>,
    /// Whether such a datagram is authentic is found out for so many only.
    budget: Budget,
}

/// An authentic datagram.
pub(super) struct Received {
    pub(super) from: NodeId,
    pub(super) session: Session,
    pub(super) counter: u64,
    pub(super) sealed: Sealed,
}

impl Controller {
    /// Takes a datagram that came from this address.
    pub fn handle_datagram(&mut self, source: Ipv4Addr, datagram: &[u8], now_ns: u64) {
        let taken = self.open(source, datagram, now_ns).and_then(|received| self.take(received, now_ns));
        match taken {
            Ok(()) => self.counters.count(Counter::Accepted),
            Err(reason) => self.counters.count(reason),
        }
    }

    /// The datagram as a message of the node that it is said to be from.
    fn open(&mut self, source: Ipv4Addr, datagram: &[u8], now_ns: u64) -> Result<Received, Counter> {
        let header = Header::decode(datagram)?;
        if header.cluster != self.cluster {
            return Err(Counter::Cluster);
        }
        if header.to != self.node {
            return Err(Counter::NotForUs);
        }
        if header.from == self.node {
            self.note_conflict(&header, source, datagram, now_ns);
            return Err(Counter::OwnName);
        }
        let peer = self.peers.get(&header.from).ok_or(Counter::Sender)?;
        if peer.address != source {
            self.note_conflict(&header, source, datagram, now_ns);
            return Err(Counter::Address);
        }
        if let Some((session, window)) = &peer.session
            && *session == header.session
            && !window.is_new(header.counter)
        {
            return Err(Counter::Replayed);
        }
        let plain = self.seals.open(header.key_id, datagram)?;
        let sealed = Sealed::decode(&plain).ok_or(Counter::Undecodable)?;
        let Header { from, session, counter, .. } = header;
        Ok(Received { from, session, counter, sealed })
    }

    /// Two machines with one name: told once for each address that an authentic datagram came from.
    fn note_conflict(&mut self, header: &Header, source: Ipv4Addr, datagram: &[u8], now_ns: u64) {
        let is_told = self.conflicts.told.get(&header.from) == Some(&source);
        let is_ours = header.from == self.node || self.peers.contains_key(&header.from);
        if is_told || !is_ours || !self.conflicts.budget.take(now_ns) {
            return;
        }
        if self.seals.open(header.key_id, datagram).is_ok() {
            self.conflicts.told.insert(header.from, source);
            self.tell(Change::Conflict { node: header.from, address: Some(source) });
        }
    }

    /// Takes an authentic message: a Hello from any session, everything else from the one that has proven to be alive,
    /// made for this life of this node, and once.
    fn take(&mut self, received: Received, now_ns: u64) -> Result<(), Counter> {
        let peer = self.peers.get_mut(&received.from).ok_or(Counter::Sender)?;
        let is_proven = match &mut peer.session {
            Some((session, window)) if *session == received.session => {
                if !window.accept(received.counter) {
                    return Err(Counter::Replayed);
                }
                true
            }
            Some(_) | None => false,
        };
        if is_proven {
            self.hear(received.from, now_ns);
        }
        if let Body::Hello { question, answer } = received.sealed.body {
            return self.take_hello(&received, question, answer, now_ns);
        }
        if received.sealed.echo != self.session {
            return Err(Counter::Session);
        }
        if !is_proven {
            self.question(received.from, now_ns);
            return Err(Counter::Session);
        }
        self.dispatch(received.from, received.sealed.body, now_ns);
        Ok(())
    }

    fn dispatch(&mut self, from: NodeId, body: Body, now_ns: u64) {
        match body {
            // Taken before a session is asked for.
            Body::Hello { .. } => {}
            Body::Records(pieces) => self.take_pieces(from, pieces, now_ns),
            Body::Ack(version) => self.take_ack(from, version, now_ns),
            Body::Digest { turn, hash, lists } => {
                self.take_digest(from, turn, hash, now_ns);
                self.take_lists(from, lists, now_ns);
            }
            Body::Page { first, last, entries } => self.take_page(from, first, last, &entries, now_ns),
            Body::Offer(entries) => self.take_offer(from, &entries, now_ns),
            Body::Request(nodes) => self.take_request(from, &nodes, now_ns),
            Body::Command { id, command } => self.take_command(from, id, command, now_ns),
            Body::Outcome { id, outcome } => self.take_outcome(from, id, outcome),
        }
    }
}
