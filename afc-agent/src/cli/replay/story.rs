//! Events and effects of an engine in words.

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    layout::Record,
    lease::FOREVER_NS,
    wire::{Kind, flag},
};
use afc_engine::{
    Effect, Event,
    effect::{Leases, Report},
    event::Heard,
    message::Message,
    ranking::Ranking,
    recording::Header,
};

use crate::events::{Naming, describe, offer_name, refusal_name};

/// Tells one recording.
pub(super) struct Story<'h> {
    header: &'h Header,
    start_ns: u64,
}

impl Naming for Header {
    fn this_node(&self) -> NodeId {
        self.setup.node
    }

    fn node_name(&self, node: NodeId) -> String {
        let known = self.names.nodes.iter().find(|(id, _)| *id == node);
        known.map_or_else(|| format!("#{}", node.0), |(_, name)| name.clone())
    }

    fn service_name(&self, service: ServiceId) -> String {
        let known = self.names.services.iter().find(|(id, _)| *id == service);
        known.map_or_else(|| format!("#{:08x}", service.0), |(_, name)| name.clone())
    }
}

/// Whether an event is about a service.
pub(super) fn is_event_about(event: &Event, wanted: ServiceId) -> bool {
    match event {
        Event::Received(message) => is_message_about(message, wanted),
        Event::Lease { service, .. }
        | Event::Adopted { service, .. }
        | Event::FloorReserved { service, .. }
        | Event::Take { service, .. }
        | Event::Ranked { service, .. } => *service == wanted,
        Event::Heard(_)
        | Event::Available(_)
        | Event::Drained(_)
        | Event::Doubt { .. }
        | Event::Stop
        | Event::Tick => false,
    }
}

/// Whether an effect is about a service.
pub(super) fn is_effect_about(effect: &Effect, wanted: ServiceId) -> bool {
    match effect {
        Effect::Send(message) => is_message_about(message, wanted),
        Effect::Hold { service, .. }
        | Effect::Drop { service }
        | Effect::HandOver { service, .. }
        | Effect::Ask { service, .. }
        | Effect::Own { service, .. }
        | Effect::Record { service, .. }
        | Effect::ReserveFloor { service, .. }
        | Effect::GratuitousArp { service }
        | Effect::Prepare { service, .. } => *service == wanted,
        Effect::Report(report) => match report {
            Report::Suspected { .. } | Report::Alive { .. } => false,
            Report::Claimed { service, .. }
            | Report::Served { service, .. }
            | Report::Dropped { service, .. }
            | Report::OwnerChanged { service, .. }
            | Report::TwoAnnouncers { service, .. }
            | Report::NotHandedOver { service }
            | Report::Refused { service, .. } => *service == wanted,
        },
        Effect::Stopped => false,
    }
}

fn is_message_about(message: &Message, wanted: ServiceId) -> bool {
    message.slots.as_slice().iter().any(|slot| slot.service == wanted)
}

impl<'h> Story<'h> {
    /// The story of what started then.
    pub(super) fn new(header: &'h Header, start_ns: u64) -> Self {
        Self { header, start_ns }
    }

    pub(super) fn since_start_ns(&self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.start_ns)
    }

    /// One event that is handed in at `now_ns`.
    pub(super) fn event(&self, event: &Event, now_ns: u64) -> String {
        match event {
            Event::Received(message) => {
                format!("{} says {}", self.node(message.from), self.message(message))
            }
            Event::Heard(heard) => self.heard(heard, now_ns),
            Event::Lease { service, word, .. } if word.is_none() => {
                format!("the kernel holds no {}", self.service(*service))
            }
            Event::Lease { service, word, until_ns } => {
                let lease = match until_ns.checked_sub(now_ns) {
                    Some(left) => format!("for {} more", millis(left)),
                    None => "and may not serve".to_owned(),
                };
                format!("the kernel holds {} under {} {lease}", self.service(*service), self.word(*word))
            }
            Event::Adopted { service, word } => {
                format!("the kernel learned {} of {}", self.word(*word), self.service(*service))
            }
            Event::FloorReserved { service, counter } => {
                format!("the disk has the floor of {} up to {counter}", self.service(*service))
            }
            Event::Available(true) => "this node is available".to_owned(),
            Event::Available(false) => "this node is not available".to_owned(),
            Event::Drained(true) => "this node is drained".to_owned(),
            Event::Drained(false) => "this node is no longer drained".to_owned(),
            Event::Ranked { service, ranking } => {
                format!("the lists have {}: {}", self.service(*service), self.ranking(ranking))
            }
            Event::Take { service, .. } => format!("this node is ready to take {}", self.service(*service)),
            Event::Doubt { session } => format!("in doubt: a new session, {session:016x}"),
            Event::Stop => "told to stop".to_owned(),
            Event::Tick => "tick".to_owned(),
        }
    }

    /// One effect, wherever in time.
    pub(super) fn effect(&self, effect: &Effect) -> String {
        self.effect_at(effect, self.start_ns)
    }

    /// One effect that is asked for at `now_ns`.
    pub(super) fn effect_at(&self, effect: &Effect, now_ns: u64) -> String {
        match effect {
            Effect::Send(message) => format!("send {} {}", self.node(message.to), self.message(message)),
            Effect::Hold { service, epoch, leases } => {
                let leases = match leases {
                    Leases::Fresh => "without leases yet".to_owned(),
                    Leases::CarriedOver => "with the leases it has".to_owned(),
                    Leases::HandedOver { until_ns } => {
                        format!("handed over for {}", millis(until_ns.saturating_sub(now_ns)))
                    }
                };
                format!("hold {} under {}, {leases}", self.service(*service), self.epoch(*epoch))
            }
            Effect::Drop { service } => format!("drop {}", self.service(*service)),
            Effect::HandOver { service, next, handover } => {
                let handover = self.message(handover);
                format!("hand {} over as {}: {handover}", self.service(*service), self.word(*next))
            }
            Effect::Ask { service, word, .. } => {
                format!("let the kernel take {} from {}", self.service(*service), self.word(*word))
            }
            Effect::Own { service, word } => {
                format!("owner word of {}: {}", self.service(*service), self.word(*word))
            }
            Effect::Record { service, record } => {
                format!("record of {}: {}", self.service(*service), self.record(record, now_ns))
            }
            Effect::ReserveFloor { service, counter } => {
                format!("reserve the floor of {} up to {counter}", self.service(*service))
            }
            Effect::GratuitousArp { service } => format!("gratuitous ARP for {}", self.service(*service)),
            Effect::Prepare { service, offer } => {
                format!("prepare for {}: {}", self.service(*service), offer_name(*offer))
            }
            Effect::Report(report) => format!("REPORT {}", describe(report, self.header).text),
            Effect::Stopped => "stopped".to_owned(),
        }
    }

    fn heard(&self, heard: &Heard, now_ns: u64) -> String {
        let ago = |at_ns: u64| match at_ns {
            0 => "never".to_owned(),
            at_ns => format!("{} ago", millis(now_ns.saturating_sub(at_ns))),
        };
        let round_trip = match heard.reply_ns {
            0 => String::new(),
            reply_ns => {
                format!(" after a round trip of {}", millis(reply_ns.saturating_sub(heard.reply_echo_ns)))
            }
        };
        let (any, reply) = (ago(heard.heard_ns), ago(heard.reply_ns));
        format!("heard {} {any}, its last REPLY {reply}{round_trip}", self.node(heard.node))
    }

    fn message(&self, message: &Message) -> String {
        let mut text = kind_name(message.kind).to_owned();
        for (bit, name) in [
            (flag::UNASKED, "unasked"),
            (flag::TRIAL, "trial"),
            (flag::AVAILABLE, "available"),
            (flag::DRAINING, "draining"),
        ] {
            if message.flags & bit != 0 {
                text.push_str(", ");
                text.push_str(name);
            }
        }
        if message.page > 0 {
            text.push_str(&format!(", page {}", message.page));
        }
        for slot in message.slots.as_slice() {
            text.push_str(&format!("; {}: {}", self.service(slot.service), self.word(slot.word)));
        }
        if let Some(refusal) = message.refusal {
            text.push_str(&format!(" ({})", refusal_name(refusal)));
        }
        if message.remaining_ns > 0 {
            text.push_str(&format!(", {} left", millis(message.remaining_ns)));
        }
        text
    }

    fn record(&self, record: &Record, now_ns: u64) -> String {
        let word = OwnerWord(record.word);
        let guard = match record.guard_until_ns {
            0 => "not guarded".to_owned(),
            FOREVER_NS => "as long as it is held".to_owned(),
            until_ns => match until_ns.checked_sub(now_ns) {
                Some(left) if word.is_none() => format!("quarantine for {}", millis(left)),
                Some(left) => format!("guarded for {}", millis(left)),
                None => "no longer guarded".to_owned(),
            },
        };
        format!("{}, {guard}; floor {}", self.word(word), self.epoch(OwnerWord(record.floor).epoch()))
    }

    fn ranking(&self, ranking: &Ranking) -> String {
        let place = |ranked: &afc_engine::ranking::Ranked| {
            let state = if ranked.is_available { "A" } else { "N" };
            format!("{} {state}", self.node(ranked.node))
        };
        ranking.as_slice().iter().map(place).collect::<Vec<_>>().join(", ")
    }

    fn word(&self, word: OwnerWord) -> String {
        match (word.is_none(), word.owner().is_some()) {
            (true, _) => "nobody".to_owned(),
            (false, true) => format!("{} in {}", self.node(word.owner()), self.epoch(word.epoch())),
            (false, false) => format!("nobody in {}", self.epoch(word.epoch())),
        }
    }

    /// As in "7 of n4", and "7 of n4+1" after a handover.
    fn epoch(&self, epoch: Epoch) -> String {
        match (epoch == Epoch::ZERO, epoch.hop()) {
            (true, _) => "none".to_owned(),
            (false, 0) => format!("epoch {} of {}", epoch.counter(), self.node(epoch.claimer())),
            (false, hop) => format!("epoch {} of {}+{hop}", epoch.counter(), self.node(epoch.claimer())),
        }
    }

    fn node(&self, node: NodeId) -> String {
        self.header.node_name(node)
    }

    fn service(&self, service: ServiceId) -> String {
        self.header.service_name(service)
    }
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Probe => "PROBE",
        Kind::Reply => "REPLY",
        Kind::Refuse => "REFUSE",
        Kind::Announce => "ANNOUNCE",
        Kind::Release => "RELEASE",
        Kind::Take => "TAKE",
        Kind::Handover => "HANDOVER",
        Kind::Transfer => "TRANSFER",
    }
}

fn millis(ns: u64) -> String {
    format!("{:.3} ms", ns as f64 / 1e6)
}
