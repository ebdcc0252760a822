//! HANDOVER, on both ends: its owner drops the service in the moment in which it leaves, and who asked for it takes it in the
//! moment in which it comes, so that no packet finds nobody. That each may is the agents' decision, made before
//! (`engine/handover`): the one keeps the record that the drop asks for, the other has a vote that allows it.

use afc_ebpf::{
    identity::{NodeId, OwnerWord},
    layout::Settings,
    lease::Handover,
    wire::{Kind, MAGIC, MAGIC_HELD_BACK},
};
use aya_ebpf::{bindings::BPF_F_MARK_MANGLED_0, programs::TcContext};

use super::{
    Reason,
    heartbeat::Heartbeat,
    helper, maps,
    packet::{Be, Ethernet, Frame, Ipv4, Message, Udp},
};

/// A HANDOVER that the agent sends: only behind the drop does it become one.
#[inline(always)]
pub(crate) fn leave(context: &TcContext, settings: &Settings) -> Reason {
    match let_go(context, settings) {
        Some(()) => Reason::EgressHandover,
        None => Reason::EgressHandoverVoid,
    }
}

#[inline(always)]
fn let_go(context: &TcContext, settings: &Settings) -> Option<()> {
    const MESSAGE: usize = core::mem::offset_of!(Frame, message);
    if !is_whole_datagram(context, settings)? {
        return None;
    }
    let message: Message = context.load(MESSAGE).ok()?;
    let is_handover = message.kind == Kind::Handover as u8 && message.slots_used == 1;
    if !is_handover || u32::from_ne_bytes(message.magic) != u32::from_ne_bytes(MAGIC_HELD_BACK) {
        return None;
    }
    let word = message.slots[0].word.get();
    let next = OwnerWord(word).epoch().next_hop()?.owned_by(NodeId(message.to.get()));
    drop_holding(message.slots[0].service.get(), word, next)?;
    release(context)
}

/// An IPv4 datagram without options for the heartbeat port.
#[inline(always)]
fn is_whole_datagram(context: &TcContext, settings: &Settings) -> Option<bool> {
    const PORT: usize = core::mem::offset_of!(Frame, udp) + core::mem::offset_of!(Udp, destination);
    let kind: Be<u16> = context.load(core::mem::offset_of!(Ethernet, kind)).ok()?;
    let version_and_length: u8 = context.load(Ethernet::BYTES).ok()?;
    let port: Be<u16> = context.load(PORT).ok()?;
    Some(
        kind.get() == Ethernet::IPV4
            && usize::from(version_and_length) == (0x40 | (Ipv4::BYTES / 4))
            && port.get() == settings.port,
    )
}

/// Drops exactly this holding for good. From the store of the word on, what comes is sent on to the next owner; what came
/// before is still answered, as long as the lease would have lasted.
#[inline(always)]
fn drop_holding(service: u32, word: u64, next: OwnerWord) -> Option<()> {
    let control = maps::control()?;
    let index = maps::service(service)?;
    let holding = maps::holding(index)?;
    let serving = maps::serving(index)?;
    let incarnation = control.incarnation;
    // SAFETY: the lock of this map value; no call inside.
    unsafe {
        helper::locked(&raw mut (*holding).lock, || {
            if word == 0 || (*holding).word != word || (*holding).incarnation != incarnation {
                return None;
            }
            (*holding).word = 0;
            serving.set_answers_until_ns(serving.lease_until_ns());
            serving.raise(next.0);
            serving.set_lease_until_ns(0);
            Some(())
        })
    }
}

/// Makes it a message that its receiver knows.
#[inline(always)]
fn release(context: &TcContext) -> Option<()> {
    const CHECKSUM: usize = core::mem::offset_of!(Frame, udp) + core::mem::offset_of!(Udp, checksum);
    const SECOND_HALF: usize = core::mem::offset_of!(Frame, message) + 2;
    let half = |magic: [u8; 4]| u16::from_ne_bytes([magic[2], magic[3]]);
    let (from, to) = (half(MAGIC_HELD_BACK), half(MAGIC));
    let flags = u64::from(BPF_F_MARK_MANGLED_0) | size_of::<u16>() as u64;
    context.l4_csum_replace(CHECKSUM, u64::from(from), u64::from(to), flags).ok()?;
    context.store(SECOND_HALF, &to, 0).ok()
}

/// Takes what was asked for, if a new HANDOVER gives it, then passes the message to the agent.
#[inline(always)]
pub(crate) fn receive(frame: &Frame, heartbeat: &Heartbeat, settings: &Settings) -> Reason {
    let is_answer = heartbeat.session == settings.session && heartbeat.slots_used == 1;
    if is_answer && take(frame, heartbeat, settings).is_some() {
        return Reason::HandoverTaken;
    }
    Reason::MessageToAgent
}

/// The holding first, under its lock and with its lease, and only then the owner word: it is served from that store on.
#[inline(always)]
fn take(frame: &Frame, heartbeat: &Heartbeat, settings: &Settings) -> Option<()> {
    let control = maps::control()?;
    if heartbeat.now_ns >= control.agent_until_ns {
        return None;
    }
    let slot = &frame.message.slots[0];
    let handover = Handover {
        word: slot.word.get(),
        echo_ns: heartbeat.echo_ns,
        remaining_ns: frame.message.remaining.get(),
        now_ns: heartbeat.now_ns,
    };
    let index = maps::service(slot.service.get())?;
    let holding = maps::holding(index)?;
    let serving = maps::serving(index)?;
    let (me, lease_ns, incarnation) = (NodeId(settings.node), settings.lease_ns, control.incarnation);
    // SAFETY: the lock of this map value; no call inside.
    let taken = unsafe {
        helper::locked(&raw mut (*holding).lock, || {
            if (*holding).incarnation != incarnation {
                return None;
            }
            let taken = (*holding).take(&handover, me, lease_ns)?;
            serving.set_lease_until_ns(taken.until_ns);
            Some(taken)
        })
    };
    serving.raise(taken?.word.0);
    Some(())
}
