//! Every write to a packet. Callers have read what they need into locals.

use afc_ebpf::{
    layout::{Control, Settings},
    mac::Mac,
    opaque::opaque,
    siphash::WORDS,
    wire::{Kind, MAGIC, SLOT_BYTES, SLOTS, flag, offset},
};

use super::{
    heartbeat::{self, Heartbeat},
    packet::{Arp, Be, Ethernet, Frame, WireMac},
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

/// Fills one slot of a message.
#[inline(always)]
pub(crate) fn slot(frame: &mut Frame, place: usize, service: u32, word: u64) {
    let [head, tail] = slot_words(place);
    if let Some(place) = frame.message.words().0.get_mut(head) {
        *place = Be::<u64>::new(u64::from(service) << 32);
    }
    if let Some(place) = frame.message.words().0.get_mut(tail) {
        *place = Be::<u64>::new(word);
    }
}

/// Empties the slots of a message behind those that are used.
#[inline(always)]
pub(crate) fn clear_slots(frame: &mut Frame, used: usize) {
    // What the compiler knows to be zero it writes by calling memset, byte for byte.
    let nothing = opaque(0);
    let mut place = 0;
    while place < SLOTS {
        if place >= used {
            slot(frame, place, nothing as u32, nothing);
        }
        place += 1;
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
    let flags = control.flags as u16 | if more { flag::MORE } else { 0 };
    let words = frame.message.words();
    let kind = u64::from(u32::from_be_bytes(MAGIC)) << 32 | (Kind::Reply as u64) << 24;
    words.0[0] = Be::<u64>::new(kind | u64::from(heartbeat.key_id) << 16 | u64::from(flags));
    // The second word, cluster and generation, is the PROBE's.
    let parties = u64::from(settings.node) << 48 | u64::from(heartbeat.from) << 32;
    words.0[2] = Be::<u64>::new(parties | (used as u64) << 8 | u64::from(heartbeat.page));
    words.0[3] = Be::<u64>::new(settings.session);
    words.0[4] = Be::<u64>::new(heartbeat.now_ns | 1);
    words.0[5] = Be::<u64>::new(heartbeat.now_ns);
    words.0[6] = Be::<u64>::new(heartbeat.sent_ns);
    words.0[7] = Be::<u64>::new(0);
    frame.tag = Be::<u64>::new(heartbeat::tag(heartbeat.key, &frame.message));
}

/// The two words of a slot.
#[inline(always)]
const fn slot_words(place: usize) -> [usize; 2] {
    let head = offset::SLOTS / 8 + 2 * place;
    [head, head + 1]
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

/// The words of [`reply`] are the fields at these offsets.
const _: () = {
    assert!(offset::KIND == 4 && offset::KEY_ID == 5 && offset::FLAGS == 6);
    assert!(offset::CLUSTER == 8 && offset::GENERATION == 12);
    assert!(offset::FROM == 16 && offset::TO == 18 && offset::REASON == 20);
    assert!(offset::SLOTS_USED == 22 && offset::PAGE == 23);
    assert!(offset::SESSION == 24 && offset::SEQUENCE == 32 && offset::SENT == 40);
    assert!(offset::ECHO == 48 && offset::REMAINING == 56);
    assert!(offset::SLOTS + SLOTS * SLOT_BYTES == WORDS * 8 && SLOT_BYTES == 16);
};
