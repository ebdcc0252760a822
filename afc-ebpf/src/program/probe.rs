//! PROBE: the grants in it extend leases, and it is answered in place with what this node holds.

use afc_ebpf::{
    layout::{Control, Heard, Settings},
    wire::SLOTS,
};

use super::{
    Reason,
    heartbeat::{self, Heartbeat},
    holdings::{self, Granted},
    maps,
    packet::Frame,
    rewrite,
};

/// Answers a PROBE, if the agent lives. Bound to this session it goes through the window and its grants count; else
/// it is answered so that its sender learns the session, and changes nothing.
#[inline(always)]
pub(crate) fn receive(
    frame: &mut Frame,
    heartbeat: &Heartbeat,
    heard: &mut Heard,
    settings: &Settings,
) -> Reason {
    let Some(control) = maps::control() else {
        return Reason::NotConfigured;
    };
    if heartbeat.now_ns >= control.agent_until_ns {
        return Reason::AgentDead;
    }
    let mut reason = Reason::ProbeUnbound;
    if heartbeat.session == settings.session {
        if !heartbeat::accept(heartbeat, heard, settings) {
            return Reason::HeartbeatReplayed;
        }
        grants(frame, heartbeat, settings, &control);
        reason = Reason::ProbeAnswered;
    }
    answer(frame, heartbeat, settings, &control);
    reason
}

/// Applies every grant in the message.
#[inline(always)]
fn grants(frame: &Frame, heartbeat: &Heartbeat, settings: &Settings, control: &Control) {
    let mut i = 0;
    while i < SLOTS {
        if i < heartbeat.slots_used as usize {
            let granted = Granted {
                service: frame.message.slots[i].service.get(),
                word: frame.message.slots[i].word.get(),
                voter: heartbeat.from,
                echo_ns: heartbeat.echo_ns,
            };
            holdings::grant(&granted, settings, control, heartbeat.now_ns);
        }
        i += 1;
    }
}

/// Turns the PROBE into the REPLY: the page of holdings that it asked for, each a request to renew.
#[inline(always)]
fn answer(frame: &mut Frame, heartbeat: &Heartbeat, settings: &Settings, control: &Control) {
    rewrite::clear_slots(frame);
    let mut used = 0;
    let mut i = 0;
    while i < SLOTS {
        let place = u32::from(heartbeat.page) * SLOTS as u32 + i as u32;
        if let Some((service, word)) = listed(place, settings, control, heartbeat.now_ns) {
            rewrite::slot(frame, used, service, word);
            used += 1;
        }
        i += 1;
    }
    rewrite::reply(frame, heartbeat, settings, control, used);
}

/// The (service, word) pair at a place of the list, if it is still held.
#[inline(always)]
fn listed(place: u32, settings: &Settings, control: &Control, now_ns: u64) -> Option<(u32, u64)> {
    let held = maps::held(place)?;
    let index = held.index_plus_one.checked_sub(1)?;
    let word = holdings::list(index, settings, control, now_ns);
    (word != 0).then_some((held.service, word))
}
