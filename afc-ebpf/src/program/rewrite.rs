//! Every write to a packet. Callers have read what they need into locals.

use afc_ebpf::{
    layout::{Control, Settings},
    mac::Mac,
    wire::{Kind, SLOTS, flag},
};

use super::{
    heartbeat::{self, Heartbeat},
    packet::{Arp, Be, Ethernet, Frame, Slot, WireMac},
};

/// Readdresses a frame on its link.
#[inline(always)]
pub(crate) fn link_addresses(ethernet: &mut Ethernet, destination: Mac, source: Mac) {
    ethernet.destination = WireMac::new(destination);
    ethernet.source = WireMac::new(source);
}

/// Turns an ARP request into its answer: `mac` has the address that was asked for.
#[inline(always)]
pub(crate) fn arp_reply(ethernet: &mut Ethernet, arp: &mut Arp, mac: Mac) {
    let (asker, asker_mac, asked) = (arp.sender, arp.sender_mac, arp.target);
    let back = ethernet.source.get();
    link_addresses(ethernet, back, mac);
    arp.operation = Be::<u16>::new(Arp::REPLY);
    arp.sender_mac = WireMac::new(mac);
    arp.sender = asked;
    arp.target_mac = asker_mac;
    arp.target = asker;
}

/// Empties the slots of a message.
#[inline(always)]
pub(crate) fn clear_slots(frame: &mut Frame) {
    let mut i = 0;
    while i < SLOTS {
        frame.message.slots[i] = slot_of(0, 0);
        i += 1;
    }
}

/// Fills one slot of a message.
#[inline(always)]
pub(crate) fn slot(frame: &mut Frame, place: usize, service: u32, word: u64) {
    if let Some(slot) = frame.message.slots.get_mut(place) {
        *slot = slot_of(service, word);
    }
}

/// Turns a PROBE, whose slots are those of the answer by now, into its REPLY, and seals it under the key it came with.
#[inline(always)]
pub(crate) fn reply(
    frame: &mut Frame,
    heartbeat: &Heartbeat,
    settings: &Settings,
    control: &Control,
    used: usize,
) {
    return_to_sender(frame);
    let more = u32::from(heartbeat.page) + 1 < control.held_pages;
    let message = &mut frame.message;
    message.kind = Kind::Reply as u8;
    message.flags = Be::<u16>::new(control.flags as u16 | if more { flag::MORE } else { 0 });
    message.from = Be::<u16>::new(settings.node);
    message.to = Be::<u16>::new(heartbeat.from);
    message.reason = Be::<u16>::new(0);
    message.slots_used = used as u8;
    message.session = Be::<u64>::new(settings.session);
    message.sequence = Be::<u64>::new(heartbeat.now_ns | 1);
    message.sent = Be::<u64>::new(heartbeat.now_ns);
    message.echo = Be::<u64>::new(heartbeat.sent_ns);
    message.remaining = Be::<u64>::new(0);
    frame.tag = Be::<u64>::new(heartbeat::tag(heartbeat.key, &frame.message));
}

/// Swaps link addresses, addresses and ports. The IPv4 checksum stays right; UDP goes without one, the tag is stronger.
#[inline(always)]
fn return_to_sender(frame: &mut Frame) {
    let (destination, source) = (frame.ethernet.destination.get(), frame.ethernet.source.get());
    link_addresses(&mut frame.ethernet, source, destination);
    let (destination, source) = (frame.ip.destination, frame.ip.source);
    frame.ip.destination = source;
    frame.ip.source = destination;
    let (destination, source) = (frame.udp.destination, frame.udp.source);
    frame.udp.destination = source;
    frame.udp.source = destination;
    frame.udp.checksum = 0;
}

#[inline(always)]
const fn slot_of(service: u32, word: u64) -> Slot {
    Slot { service: Be::<u32>::new(service), reserved: 0, word: Be::<u64>::new(word) }
}
