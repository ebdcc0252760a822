//! Heartbeats: which packets are one, whether it is authentic, whether it is new, and who it goes to.
//!
//! Nothing is written to any map before the tag was found right.

use afc_ebpf::{
    layout::{Heard, Settings, role},
    mac::Mac,
    replay::Window,
    siphash::{Key, State, WORDS},
    wire::{Kind, MAGIC, PAYLOAD_BYTES, TTL, flag},
};

use super::{
    Reason, announce, handover, helper, maps,
    packet::{Ethernet, Frame, Ipv4, Message, Packet, Udp},
    probe, reply,
};

/// An echo older than this proves nothing, ns.
const FRESH_NS: u64 = 1_000_000_000;

/// How a datagram for the heartbeat port is carried.
#[derive(Clone, Copy)]
pub(crate) enum Carriage {
    Whole,
    Options,
    Fragment,
}

/// The fields of an authentic message, read once.
pub(crate) struct Heartbeat {
    pub(crate) kind: Kind,
    pub(crate) flags: u16,
    pub(crate) from: u16,
    pub(crate) slots_used: u8,
    pub(crate) page: u8,
    pub(crate) key_id: u8,
    /// The key it came with; an answer goes under the same one.
    pub(crate) key: Key,
    pub(crate) session: u64,
    pub(crate) sequence: u64,
    pub(crate) sent_ns: u64,
    pub(crate) echo_ns: u64,
    /// Where it came from on the link, and when.
    pub(crate) mac: Mac,
    pub(crate) ifindex: u32,
    pub(crate) now_ns: u64,
}

impl Heartbeat {
    #[inline(always)]
    pub(crate) const fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Whether it echoes our own clock of the last second, later than `after_ns`.
    #[inline(always)]
    pub(crate) const fn echo_is_fresh(&self, after_ns: u64) -> bool {
        self.echo_ns <= self.now_ns && self.now_ns - self.echo_ns < FRESH_NS && self.echo_ns > after_ns
    }
}

/// Whether the IPv4 packet whose header is at `offset` is UDP to our own address and port. A later fragment has no port
/// and is none of our business: without its first one the stack never puts it together.
#[inline(always)]
pub(crate) fn recognise(
    packet: &Packet<'_>,
    ip: &Ipv4,
    offset: usize,
    settings: &Settings,
) -> Option<Carriage> {
    if !ip.starts_udp() {
        return None;
    }
    let header_bytes = ip.header_bytes();
    let udp = packet.udp(offset + header_bytes)?;
    if udp.destination.get() != settings.port || settings.port == 0 {
        return None;
    }
    let me = maps::peer(settings.node)?;
    if ip.destination != me.address {
        return None;
    }
    if header_bytes != Ipv4::BYTES {
        return Some(Carriage::Options);
    }
    if ip.has_more_fragments() {
        return Some(Carriage::Fragment);
    }
    Some(Carriage::Whole)
}

/// A heartbeat in an untagged frame.
#[inline(always)]
pub(crate) fn receive(packet: &Packet<'_>, carriage: Carriage, settings: &Settings) -> Reason {
    match carriage {
        Carriage::Options => return Reason::HeartbeatOptions,
        Carriage::Fragment => return Reason::HeartbeatFragment,
        Carriage::Whole => {}
    }
    if settings.session == 0 {
        return Reason::NotConfigured;
    }
    let Some(frame) = packet.frame() else {
        return Reason::HeartbeatSize;
    };
    match verify(frame, packet.ifindex, settings) {
        Ok(heartbeat) => dispatch(frame, &heartbeat, settings),
        Err(reason) => reason,
    }
}

#[inline(always)]
fn dispatch(frame: &mut Frame, heartbeat: &Heartbeat, settings: &Settings) -> Reason {
    let Some(heard) = maps::heard(heartbeat.from) else {
        return Reason::HeartbeatSender;
    };
    // These two have rules of their own for what is new.
    if heartbeat.kind == Kind::Probe && !heartbeat.has(flag::TRIAL) {
        return probe::receive(frame, heartbeat, heard, settings);
    }
    if heartbeat.kind == Kind::Reply && !heartbeat.has(flag::UNASKED) {
        return reply::receive(heartbeat, heard);
    }
    if !accept(heartbeat, heard, settings) {
        return Reason::HeartbeatReplayed;
    }
    match heartbeat.kind {
        Kind::Announce => announce::receive(frame, heartbeat),
        Kind::Handover => handover::receive(frame, heartbeat, settings),
        Kind::Probe | Kind::Reply | Kind::Refuse | Kind::Release | Kind::Take | Kind::Transfer => {
            Reason::MessageToAgent
        }
    }
}

/// Whether the message is new. If so the window remembers it, and its sender was heard.
#[inline(always)]
pub(crate) fn accept(heartbeat: &Heartbeat, heard: &mut Heard, settings: &Settings) -> bool {
    if let Some(window) = heard.window.accept(heartbeat.sequence) {
        heard.window = window;
        note(heartbeat, heard);
        return true;
    }
    if !restarts_window(heartbeat, heard, settings) {
        return false;
    }
    heard.window = Window::restart(heartbeat.sequence);
    heard.restart_echo_ns = heartbeat.echo_ns;
    note(heartbeat, heard);
    true
}

/// Whether a message that the window refused proves that its sender's clock started anew (it rebooted): it is older than
/// the window covers, and yet answers something that this session sent in the last second, and later than what restarted
/// the window before.
#[inline(always)]
fn restarts_window(heartbeat: &Heartbeat, heard: &Heard, settings: &Settings) -> bool {
    let answers = match heartbeat.kind {
        Kind::Probe | Kind::Refuse | Kind::Handover => true,
        Kind::Reply | Kind::Announce | Kind::Release | Kind::Take | Kind::Transfer => false,
    };
    answers
        && heard.window.is_behind(heartbeat.sequence)
        && heartbeat.session == settings.session
        && heartbeat.echo_is_fresh(heard.restart_echo_ns)
}

/// Notes what a new, authentic message shows of its sender.
#[inline(always)]
pub(crate) fn note(heartbeat: &Heartbeat, heard: &mut Heard) {
    heard.heard_ns = heartbeat.now_ns;
    heard.flags = u32::from(heartbeat.flags);
    heard.ifindex = heartbeat.ifindex;
    let known = Mac(heard.mac);
    if known == heartbeat.mac {
        return;
    }
    heard.mac = heartbeat.mac.0;
    if maps::peer(heartbeat.from).is_some_and(|peer| peer.role == role::MEMBER) {
        maps::move_member(known, heartbeat.mac, heartbeat.from);
    }
}

/// Everything that must hold before a message may change anything, in the order of the reasons.
#[inline(always)]
fn verify(frame: &Frame, ifindex: u32, settings: &Settings) -> Result<Heartbeat, Reason> {
    let message = &frame.message;
    verify_carrier(frame)?;
    let Some(kind) = Kind::from_byte(message.kind) else {
        return Err(Reason::HeartbeatKind);
    };
    verify_parties(frame, settings)?;
    let key = live_key(message.key_id, settings).ok_or(Reason::HeartbeatKey)?;
    if tag(key, message) != frame.tag.get() {
        return Err(Reason::HeartbeatTag);
    }
    Ok(Heartbeat {
        kind,
        flags: message.flags.get(),
        from: message.from.get(),
        slots_used: message.slots_used,
        page: message.page,
        key_id: message.key_id,
        key,
        session: message.session.get(),
        sequence: message.sequence.get(),
        sent_ns: message.sent.get(),
        echo_ns: message.echo.get(),
        mac: frame.ethernet.source.get(),
        ifindex,
        now_ns: helper::boottime_ns(),
    })
}

/// Size, TTL, magic.
#[inline(always)]
fn verify_carrier(frame: &Frame) -> Result<(), Reason> {
    const UDP_BYTES: usize = size_of::<Udp>() + PAYLOAD_BYTES;
    if frame.udp.bytes.get() as usize != UDP_BYTES
        || frame.ip.total_bytes.get() as usize != Ipv4::BYTES + UDP_BYTES
    {
        return Err(Reason::HeartbeatSize);
    }
    if frame.ip.ttl != TTL {
        return Err(Reason::HeartbeatTtl);
    }
    if u32::from_ne_bytes(frame.message.magic) != u32::from_ne_bytes(MAGIC) {
        return Err(Reason::HeartbeatMagic);
    }
    Ok(())
}

/// Cluster, generation, receiver, sender.
#[inline(always)]
fn verify_parties(frame: &Frame, settings: &Settings) -> Result<(), Reason> {
    let message = &frame.message;
    if message.cluster.get() != settings.cluster {
        return Err(Reason::HeartbeatCluster);
    }
    if message.generation.get() != settings.generation {
        return Err(Reason::HeartbeatGeneration);
    }
    if message.to.get() != settings.node {
        return Err(Reason::HeartbeatNotForUs);
    }
    let from = message.from.get();
    let Some(peer) = maps::peer(from) else {
        return Err(Reason::HeartbeatSender);
    };
    if from == settings.node || frame.ip.source != peer.address {
        return Err(Reason::HeartbeatSender);
    }
    Ok(())
}

/// The live key with this id.
#[inline(always)]
fn live_key(id: u8, settings: &Settings) -> Option<Key> {
    if settings.key_count >= 1 && settings.key_ids[0] == id {
        return Some(settings.keys[0]);
    }
    if settings.key_count >= 2 && settings.key_ids[1] == id {
        return Some(settings.keys[1]);
    }
    None
}

/// The tag of a message as it stands in the packet.
#[inline(always)]
pub(crate) fn tag(key: Key, message: &Message) -> u64 {
    let mut state = State::new(key);
    let mut i = 0;
    while i < WORDS {
        state.absorb(message.word(i));
        i += 1;
    }
    state.finish()
}

const _: () = assert!(Ethernet::BYTES + Ipv4::BYTES + size_of::<Udp>() + PAYLOAD_BYTES == size_of::<Frame>());
