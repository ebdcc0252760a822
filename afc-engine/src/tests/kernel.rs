//! The kernel of one simulated machine: what XDP and the maps do, on the real [`Holding`] arithmetic.
//!
//! Harsher than the real one in one thing: there is no replay window, so doubled and very late messages
//! arrive.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    layout::Record,
    lease::{Grant, Handover, Holding},
    verdict::{self, Verdict},
    wire::{Kind, SLOTS, flag},
};

use crate::{
    effect::Leases,
    event::Heard,
    message::{Message, Slot, Slots},
    record,
};

/// What one machine's maps hold.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) me: NodeId,
    /// 0: no program is attached.
    pub(super) session: u64,
    pub(super) lease_ns: u64,
    pub(super) agent_until_ns: u64,
    pub(super) flags: u16,
    pub(super) services: Vec<Entry>,
    /// Places of the listing; a service's index.
    held: Vec<Option<usize>>,
    /// Services taken at a HANDOVER that the agent has not heard yet: served, and not listed.
    taken: Vec<usize>,
    /// Services that the kernel takes at a HANDOVER.
    asked: Vec<usize>,
    heard: Vec<Heard>,
    /// Nodes heard since the agent looked last, each once.
    news: Vec<usize>,
    is_news: Vec<bool>,
}

/// One service's entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: ServiceId,
    pub(super) holding: Holding,
    pub(super) word: OwnerWord,
    pub(super) lease_until_ns: u64,
    pub(super) record: Record,
}

/// What the kernel tells the agent about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// A majority came or a holding lapsed.
    Lease(ServiceId),
    /// A higher word was adopted.
    Adopted(ServiceId, OwnerWord),
}

/// What became of a packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) answer: Option<Message>,
    pub(super) to_agent: bool,
    pub(super) notices: Vec<Notice>,
}

impl Kernel {
    pub(super) fn new(me: NodeId, lease_ns: u64, services: &[ServiceId], nodes: usize) -> Self {
        let entry = |id: &ServiceId| Entry {
            id: *id,
            holding: Holding::default(),
            word: OwnerWord::NONE,
            lease_until_ns: 0,
            record: Record::default(),
        };
        let heard =
            |node: usize| Heard { node: NodeId(node as u16), heard_ns: 0, reply_ns: 0, reply_echo_ns: 0 };
        Self {
            me,
            session: 0,
            lease_ns,
            agent_until_ns: 0,
            flags: 0,
            services: services.iter().map(entry).collect(),
            held: Vec::new(),
            taken: Vec::new(),
            asked: Vec::new(),
            heard: (0..=nodes).map(heard).collect(),
            news: Vec::new(),
            is_news: vec![false; nodes + 1],
        }
    }

    /// Whether packets for a service are served here now.
    pub(super) fn serves(&self, service: usize, now_ns: u64) -> Option<Epoch> {
        let entry = &self.services[service];
        let verdict = verdict::decide(entry.word, entry.lease_until_ns, self.me, || now_ns);
        (self.session != 0 && verdict == Verdict::Serve).then(|| entry.word.epoch())
    }

    /// What was heard of a node since the agent looked last.
    pub(super) fn next_heard(&mut self) -> Option<Heard> {
        let node = self.news.pop()?;
        self.is_news[node] = false;
        Some(self.heard[node])
    }

    /// A new agent has looked at nothing yet.
    pub(super) fn forget_looks(&mut self) {
        for node in 1..self.heard.len() {
            self.note_news(node);
        }
    }

    fn note_news(&mut self, node: usize) {
        if !std::mem::replace(&mut self.is_news[node], true) {
            self.news.push(node);
        }
    }

    /// The places of the services that are listed.
    pub(super) fn held(&self) -> impl Iterator<Item = usize> {
        self.held.iter().flatten().copied()
    }

    /// The places of the services that can be served: none other can.
    pub(super) fn servable(&self) -> impl Iterator<Item = usize> {
        self.held().chain(self.taken.iter().copied())
    }

    pub(super) fn receive(&mut self, message: &Message, now_ns: u64) -> Outcome {
        let mut outcome = Outcome::default();
        if self.session == 0 {
            return outcome;
        }
        self.heard[usize::from(message.from.0)].heard_ns = now_ns;
        self.note_news(usize::from(message.from.0));
        match message.kind {
            Kind::Probe if message.flags & flag::TRIAL != 0 => outcome.to_agent = true,
            Kind::Probe => self.receive_probe(message, now_ns, &mut outcome),
            Kind::Reply if message.flags & flag::UNASKED == 0 => {
                outcome.to_agent = self.record_reply(message, now_ns);
            }
            Kind::Announce => {
                for slot in message.slots.as_slice() {
                    let Some(entry) = self.services.iter_mut().find(|entry| entry.id == slot.service) else {
                        continue;
                    };
                    if slot.word > entry.word && slot.word.owner() == message.from {
                        entry.word = slot.word;
                        outcome.notices.push(Notice::Adopted(slot.service, slot.word));
                    }
                }
                outcome.to_agent = true;
            }
            Kind::Handover => {
                self.receive_handover(message, now_ns);
                outcome.to_agent = true;
            }
            Kind::Reply | Kind::Refuse | Kind::Release | Kind::Take | Kind::Transfer => {
                outcome.to_agent = true
            }
        }
        outcome
    }

    /// What is taken here is not listed before the agent says so, and served all the same.
    fn receive_handover(&mut self, message: &Message, now_ns: u64) {
        let [slot] = message.slots.as_slice() else { return };
        let Some(place) = self.services.iter().position(|entry| entry.id == slot.service) else {
            return;
        };
        let entry = &mut self.services[place];
        if message.session != self.session || now_ns >= self.agent_until_ns {
            return;
        }
        let (word, echo_ns, remaining_ns) = (slot.word.0, message.echo_ns, message.remaining_ns);
        let handover = Handover { word, echo_ns, remaining_ns, now_ns };
        if let Some(taken) = entry.holding.take(&handover, self.me, self.lease_ns) {
            entry.lease_until_ns = taken.until_ns;
            entry.word = entry.word.max(taken.word);
            self.taken.push(place);
            self.asked.retain(|asked| *asked != place);
        }
    }

    /// Has this kernel take what exactly this owner hands over.
    pub(super) fn ask(&mut self, service: usize, word: OwnerWord, others: &[NodeId], since_ns: u64) {
        let entry = &mut self.services[service];
        entry.holding = Holding::asking(word, others, since_ns, 1);
        entry.lease_until_ns = 0;
        self.asked.push(service);
    }

    /// The place of a service that it would take against its agent's vote, if there is one.
    pub(super) fn asks_against_its_vote(&self) -> Option<usize> {
        let word = |place: usize| OwnerWord(self.services[place].holding.asked_word);
        let is_allowed =
            |place: usize| record::allows_taking(self.services[place].record, word(place), self.me);
        self.asked.iter().copied().find(|place| !is_allowed(*place))
    }

    fn receive_probe(&mut self, probe: &Message, now_ns: u64, outcome: &mut Outcome) {
        if now_ns >= self.agent_until_ns {
            return;
        }
        if probe.session == self.session {
            for slot in probe.slots.as_slice() {
                self.apply_grant(probe, slot, now_ns, outcome);
            }
        }
        outcome.answer = Some(self.reply(probe, now_ns, outcome));
    }

    fn apply_grant(&mut self, probe: &Message, slot: &Slot, now_ns: u64, outcome: &mut Outcome) {
        let Some(entry) = self.services.iter_mut().find(|entry| entry.id == slot.service) else {
            return;
        };
        let (word, voter) = (slot.word.0, probe.from.0);
        match entry.holding.grant(word, voter, probe.echo_ns, self.lease_ns, now_ns) {
            Grant::Extended { lease_until_ns } => {
                if entry.lease_until_ns <= now_ns && lease_until_ns > now_ns {
                    outcome.notices.push(Notice::Lease(slot.service));
                }
                entry.lease_until_ns = lease_until_ns;
            }
            Grant::Lapsed => {
                entry.lease_until_ns = 0;
                outcome.notices.push(Notice::Lease(slot.service));
            }
            Grant::NotHeld | Grant::NotAVoter | Grant::FromTheFuture => {}
        }
    }

    fn reply(&mut self, probe: &Message, now_ns: u64, outcome: &mut Outcome) -> Message {
        let mut slots = Slots::new();
        let page = usize::from(probe.page);
        for place in page * SLOTS..(page + 1) * SLOTS {
            let Some(index) = self.held.get(place).copied().flatten() else {
                continue;
            };
            let entry = &mut self.services[index];
            if entry.holding.drop_if_lapsed(self.lease_ns, now_ns) {
                entry.lease_until_ns = 0;
                outcome.notices.push(Notice::Lease(entry.id));
            }
            if entry.holding.is_held() {
                slots.push(Slot { service: entry.id, word: OwnerWord(entry.holding.word) }).unwrap();
            }
        }
        let more = if self.held.len() > (page + 1) * SLOTS { flag::MORE } else { 0 };
        Message {
            kind: Kind::Reply,
            flags: self.flags | more,
            from: self.me,
            to: probe.from,
            refusal: None,
            page: probe.page,
            session: self.session,
            sent_ns: now_ns,
            echo_ns: probe.sent_ns,
            remaining_ns: 0,
            slots,
        }
    }

    /// "REPLY asked: needs session != 0, echo <= now, now - echo < 1 s, echo > the last one."
    fn record_reply(&mut self, reply: &Message, now_ns: u64) -> bool {
        let heard = &mut self.heard[usize::from(reply.from.0)];
        let is_fresh = reply.echo_ns <= now_ns
            && now_ns - reply.echo_ns < 1_000_000_000
            && reply.echo_ns > heard.reply_echo_ns;
        if !is_fresh || reply.session == 0 {
            return false;
        }
        heard.reply_ns = now_ns;
        heard.reply_echo_ns = reply.echo_ns;
        true
    }

    pub(super) fn hold(
        &mut self,
        service: usize,
        epoch: Epoch,
        others: &[NodeId],
        leases: Leases,
        now_ns: u64,
    ) {
        let word = epoch.owned_by(self.me);
        let entry = &mut self.services[service];
        let before = match leases {
            Leases::CarriedOver => Some(entry.holding),
            // Taken by the kernel already.
            Leases::HandedOver { .. } if entry.holding.word == word.0 => Some(entry.holding),
            Leases::Fresh | Leases::HandedOver { .. } => None,
        };
        entry.holding = Holding::claimed(word, others, now_ns, 1, before.as_ref());
        if let (Leases::HandedOver { until_ns }, None) = (leases, before) {
            entry.holding.window_until_ns = until_ns;
        }
        if before.is_none() {
            entry.lease_until_ns = entry.holding.lease_until_ns();
        }
        self.forget_question(service);
        if !self.held.contains(&Some(service)) {
            match self.held.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Some(service),
                None => self.held.push(Some(service)),
            }
        }
    }

    pub(super) fn drop_holding(&mut self, service: usize) {
        self.services[service].holding = Holding::default();
        self.services[service].lease_until_ns = 0;
        self.forget_question(service);
        for place in &mut self.held {
            if *place == Some(service) {
                *place = None;
            }
        }
        while self.held.last() == Some(&None) {
            self.held.pop();
        }
    }

    fn forget_question(&mut self, service: usize) {
        self.taken.retain(|taken| *taken != service);
        self.asked.retain(|asked| *asked != service);
    }

    /// "Raise the owner word, never lower it, except to the same epoch without owner."
    pub(super) fn own(&mut self, service: usize, word: OwnerWord) {
        let entry = &mut self.services[service];
        let is_released = word.epoch() == entry.word.epoch() && !word.owner().is_some();
        if word > entry.word || is_released {
            entry.word = word;
        }
    }
}
