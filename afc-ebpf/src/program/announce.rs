//! ANNOUNCE: a higher epoch turns redirection here, before the agent hears of it. It also ends our own serving: a higher
//! epoch always stops us, which is the safe side.

use afc_ebpf::{identity::OwnerWord, wire::SLOTS};

use super::{Reason, events, heartbeat::Heartbeat, maps, packet::Frame};

/// Adopts what is higher of a new ANNOUNCE, then passes the message to the agent.
#[inline(always)]
pub(crate) fn receive(frame: &Frame, heartbeat: &Heartbeat) -> Reason {
    let mut i = 0;
    while i < SLOTS {
        if i < heartbeat.slots_used as usize {
            let slot = frame.message.slots[i];
            adopt(slot.service.get(), OwnerWord(slot.word.get()), heartbeat);
        }
        i += 1;
    }
    Reason::AnnounceHeard
}

/// Only the owner itself announces its epoch.
#[inline(always)]
fn adopt(service: u32, word: OwnerWord, heartbeat: &Heartbeat) {
    if word.owner().0 != heartbeat.from {
        return;
    }
    let Some(index) = maps::service(service) else {
        return;
    };
    let Some(serving) = maps::serving(index) else {
        return;
    };
    if serving.raise(word.0) {
        events::adopted(index, word.0, heartbeat.now_ns);
    }
}
