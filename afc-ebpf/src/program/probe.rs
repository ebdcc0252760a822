//! PROBE: the grants in it extend leases, and it is answered in place with what this node holds.

use afc_ebpf::{
    layout::{Control, Heard, Settings},
    wire::SLOTS,
};

use super::{
    Reason,
    heartbeat::{self, Heartbeat},
    holdings::{self, Granted, Holds},
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
    let mut granted = [Holds::default(); SLOTS];
    if heartbeat.session == settings.session {
        if !heartbeat::accept(heartbeat, heard, settings) {
            return Reason::HeartbeatReplayed;
        }
        granted = grants(frame, heartbeat, settings, &control);
        reason = Reason::ProbeAnswered;
    }
    answer(frame, heartbeat, settings, &control, &granted);
    reason
}

/// Applies every grant in the message; what is held by each that counted.
#[inline(always)]
fn grants(frame: &Frame, heartbeat: &Heartbeat, settings: &Settings, control: &Control) -> [Holds; SLOTS] {
    let mut held = [Holds::default(); SLOTS];
    let mut i = 0;
    while i < SLOTS {
        if i < heartbeat.slots_used as usize {
            let granted = Granted {
                service: frame.message.slots[i].service.get(),
                word: frame.message.slots[i].word.get(),
                voter: heartbeat.from,
                echo_ns: heartbeat.echo_ns,
            };
            held[i] = holdings::grant(&granted, settings, control, heartbeat.now_ns);
        }
        i += 1;
    }
    held
}

/// Turns the PROBE into the REPLY: the page of holdings that it asked for, each a request to renew.
#[inline(always)]
fn answer(
    frame: &mut Frame,
    heartbeat: &Heartbeat,
    settings: &Settings,
    control: &Control,
    granted: &[Holds; SLOTS],
) {
    let mut used = 0;
    let mut i = 0;
    while i < SLOTS {
        let place = u32::from(heartbeat.page) * SLOTS as u32 + i as u32;
        if let Some((service, word)) = listed(place, settings, control, heartbeat.now_ns, granted[i]) {
            rewrite::slot(frame, used, service, word);
            used += 1;
        }
        i += 1;
    }
    rewrite::clear_slots(frame, used);
    rewrite::reply(frame, heartbeat, settings, control, used);
}

/// The (service, word) pair at a place of the list, if it is still held. A voter grants in the order in which it was
/// asked, so most often the grant of the same place has just seen the holding under its lock.
#[inline(always)]
fn listed(
    place: u32,
    settings: &Settings,
    control: &Control,
    now_ns: u64,
    granted: Holds,
) -> Option<(u32, u64)> {
    let held = maps::held(place)?;
    let index = held.index_plus_one.checked_sub(1)?;
    if granted.index_plus_one == held.index_plus_one {
        return Some((held.service, granted.word));
    }
    let word = holdings::list(index, settings, control, now_ns);
    (word != 0).then_some((held.service, word))
}
