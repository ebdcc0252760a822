//! The single deeds of userspace: what it does in one go, an agent can have done in part when it dies.

use afc_ebpf::identity::{Epoch, OwnerWord};

use crate::{
    network::{Ask, Message},
    rule::Rule,
    shape::Shape,
    state::{Agent, Held, Record, State},
};

/// One deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Drops the holding in the kernel.
    Drop,
    /// Lets the kernel hold.
    Hold(Held),
    /// Keeps the voter's record in the kernel's map.
    Keep(Record),
    /// Makes the floor safe on disk.
    Persist(Epoch),
    /// Remembers.
    Remember(Agent),
    /// Lets the kernel take what the owner of this word hands over.
    Ask(u64),
    /// Sends.
    Send(Message),
    /// Sends a HANDOVER. The kernel drops the holding as it leaves.
    HandOver(Message),
}

/// What one node does in one go, in order.
pub type Deeds = Vec<Deed>;

/// Brings deeds into the order that is left when a rule about their order is taken out.
pub fn ordered(mut deeds: Deeds, shape: &Shape) -> Deeds {
    // A stable sort: what has the same key keeps its order.
    if !shape.has(Rule::KernelFirst) {
        deeds.sort_by_key(|deed| matches!(deed, Deed::Drop));
    }
    if !shape.has(Rule::RecordFirst) {
        deeds.sort_by_key(|deed| matches!(deed, Deed::Keep(_)));
    }
    deeds
}

impl State {
    /// Does one deed of a node.
    pub fn carry_out(&mut self, place: usize, deed: Deed, shape: &Shape) {
        let node = &mut self.nodes[place];
        match deed {
            Deed::Drop if shape.has(Rule::FreshLeases) => node.held = Held::NOTHING,
            Deed::Drop => (node.held.word, node.held.asked) = (0, 0),
            Deed::Hold(held) => {
                node.held = held;
                self.ask(place, OwnerWord(held.word));
            }
            Deed::Keep(record) => node.record = record,
            Deed::Persist(epoch) => node.disk = node.disk.max(epoch),
            Deed::Remember(agent) => node.agent = Some(agent),
            Deed::Ask(word) => node.held = Held::asking(word),
            Deed::Send(message) => self.network.send(message),
            Deed::HandOver(message) => {
                if shape.has(Rule::HandoverDrops) {
                    node.held = Held::NOTHING;
                }
                self.network.send(message);
            }
        }
    }

    /// A node asks all voters for an epoch.
    pub fn ask(&mut self, place: usize, word: OwnerWord) {
        self.network.send(Message::Ask(self.request(place, word)));
    }

    /// What a node asks for when it asks now.
    pub fn request(&self, place: usize, word: OwnerWord) -> Ask {
        let node = &self.nodes[place];
        Ask { word: word.0, session: node.session, generation: node.generation, young: 0, old: 0 }
    }
}
