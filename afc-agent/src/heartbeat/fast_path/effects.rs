//! Carries out what the engine asks for, in its order.

use std::{io, net::Ipv4Addr};

use afc_ebpf::{
    identity::{Epoch, ServiceId},
    wire::{Kind, MAGIC_HELD_BACK, MARK_HELD_BACK, flag},
};
use afc_engine::{
    Effect,
    effect::{Cause, Leases, Report},
    message::Message,
};

use super::FastPath;
use crate::{
    clock,
    datapath::Claim,
    heartbeat::{
        codec::Datagram,
        mailbox::Notice,
        timing::{Phase, Takeover},
    },
};

impl FastPath {
    /// Does what the engine asks, in its order; whether it is done for good. Messages wait for the end of the round, which
    /// only ever delays them: a drop or a record is in place before the message behind it leaves.
    pub(super) fn carry_out(&mut self) -> io::Result<bool> {
        let mut is_stopped = false;
        while let Some(effect) = self.engine.poll_effect() {
            if let Some(recorder) = &mut self.recorder {
                recorder.effect(&effect);
            }
            match effect {
                Effect::Send(message) => self.queue(message),
                Effect::Hold { service, epoch, leases } => self.hold(service, epoch, leases)?,
                Effect::Drop { service } => {
                    let index = self.index(service)?;
                    self.maps.drop_holding(index).map_err(io::Error::other)?;
                }
                Effect::HandOver { service, next, handover } => {
                    let index = self.index(service)?;
                    self.send_handover(handover);
                    self.maps.drop_holding(index).map_err(io::Error::other)?;
                    self.maps.raise_word(index, next);
                }
                Effect::Ask { service, word, since_ns } => {
                    let index = self.index(service)?;
                    let others = &self.places[index as usize].others;
                    self.maps.ask(index, word, others, since_ns).map_err(io::Error::other)?;
                }
                Effect::Own { service, word } => {
                    let index = self.index(service)?;
                    if word.owner().is_some() {
                        self.maps.raise_word(index, word);
                        if word.owner() == self.node {
                            self.finish(index, Phase::Flip);
                        }
                    } else {
                        self.maps.clear_owner(index, word.epoch());
                    }
                }
                Effect::Record { service, record } => {
                    let index = self.index(service)?;
                    self.maps.set_record(index, record);
                }
                Effect::ReserveFloor { service, counter } => {
                    let index = self.index(service)?;
                    self.places[index as usize].unsent_floor = Some(counter);
                    self.send_floors();
                }
                Effect::GratuitousArp { service } => {
                    let index = self.index(service)?;
                    self.send_gratuitous(index);
                    self.finish(index, Phase::Announce);
                }
                Effect::Prepare { service, offer } => self.tell(Notice::Prepare { service, offer }),
                Effect::Report(report) => {
                    self.has_news = true;
                    self.time(&report)?;
                    self.tell(Notice::Report { at_ns: clock::boottime_ns(), report });
                }
                Effect::Stopped => is_stopped = true,
            }
        }
        Ok(is_stopped)
    }

    fn hold(&mut self, service: ServiceId, epoch: Epoch, leases: Leases) -> io::Result<()> {
        let index = self.index(service)?;
        let claim = Claim {
            service,
            word: epoch.owned_by(self.node),
            others: &self.places[index as usize].others,
            now_ns: clock::boottime_ns(),
            leases,
        };
        self.maps.hold(index, &claim).map_err(io::Error::other)
    }

    fn queue(&mut self, message: Message) {
        if let Some((address, datagram)) = self.stamped(message) {
            self.socket.queue(address, datagram);
        }
    }

    /// Sends it at once, and by the kernel's hand: the tc egress program drops what it hands over and lets it go, in one
    /// run. What it does not let go is lost, as on any network, and dropped all the same behind this.
    fn send_handover(&mut self, message: Message) {
        if let Some((address, mut datagram)) = self.stamped(message) {
            datagram[..MAGIC_HELD_BACK.len()].copy_from_slice(&MAGIC_HELD_BACK);
            self.socket.send_marked(address, &datagram, MARK_HELD_BACK);
        }
    }

    /// A message with its time and number, and where it goes.
    fn stamped(&mut self, mut message: Message) -> Option<(Ipv4Addr, Datagram)> {
        let contact = self.contacts.iter_mut().find(|contact| contact.node == message.to)?;
        if message.kind == Kind::Probe && message.flags & flag::TRIAL == 0 {
            contact.probes += 1;
        }
        contact.sent_ns = clock::boottime_ns().max(contact.sent_ns + 1);
        message.sent_ns = contact.sent_ns;
        let datagram = self.envelope.encode(&message, contact.sequence);
        contact.sequence += 2;
        Some((contact.address, datagram))
    }

    fn send_gratuitous(&mut self, index: u32) {
        for address in &self.places[index as usize].addresses {
            for sender in &self.gratuitous {
                if sender.send(*address).is_err() {
                    self.tally.send_errors += 1;
                }
            }
        }
    }

    /// Measures how a takeover begins and ends. An owner that raises its epoch takes nothing over.
    fn time(&mut self, report: &Report) -> io::Result<()> {
        match *report {
            Report::Claimed { service, cause, .. } if cause != Cause::RaiseEpoch => {
                let (index, now) = (self.index(service)?, clock::boottime_ns());
                let answered_ns = self.maps.heard(self.maps.serving(index).0.owner()).reply_ns;
                if cause == Cause::OwnerSilent && answered_ns != 0 {
                    self.timings.add(Phase::Detect, now.saturating_sub(answered_ns));
                }
                self.places[index as usize].takeover = Takeover::claimed(now);
            }
            Report::Dropped { service, .. } => {
                let index = self.index(service)?;
                self.places[index as usize].takeover = Takeover::default();
            }
            Report::Claimed { .. }
            | Report::Suspected { .. }
            | Report::Alive { .. }
            | Report::Served { .. }
            | Report::OwnerChanged { .. }
            | Report::TwoAnnouncers { .. }
            | Report::Refused { .. }
            | Report::NotHandedOver { .. } => {}
        }
        Ok(())
    }

    fn finish(&mut self, index: u32, phase: Phase) {
        self.timings.finish(&mut self.places[index as usize].takeover, phase, clock::boottime_ns());
    }

    /// Asks for what the engine asks for once only: until there is room for it.
    pub(super) fn send_floors(&mut self) {
        for place in &mut self.places {
            let Some(counter) = place.unsent_floor else {
                continue;
            };
            if self.notices.put(Notice::ReserveFloor { service: place.service, counter }).is_ok() {
                place.unsent_floor = None;
            }
        }
    }

    /// Tells the slow path, or counts that it could not.
    pub(super) fn tell(&mut self, notice: Notice) {
        if self.notices.put(notice).is_err() {
            self.tally.lost_notices += 1;
        }
    }

    fn index(&self, service: ServiceId) -> io::Result<u32> {
        let position = self.places.iter().position(|place| place.service == service);
        position.map(|index| index as u32).ok_or_else(|| {
            io::Error::other(format!("the engine named an unknown service {:#010x}", service.0))
        })
    }
}
