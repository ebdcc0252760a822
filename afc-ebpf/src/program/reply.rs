//! REPLY to one of our probes: the receive time, the round trip and the session are recorded here, with the kernel's
//! clock; what it lists is the agent's business.

use afc_ebpf::{layout::Heard, opaque::opaque, replay::Window, rtt};

use super::{
    Reason,
    heartbeat::{self, Heartbeat},
};

/// Records a REPLY. It is matched by its echo of our clock, which grows with every probe, so it needs no window.
#[inline(always)]
pub(crate) fn receive(heartbeat: &Heartbeat, heard: &mut Heard) -> Reason {
    if heartbeat.session == 0 || !heartbeat.echo_is_fresh(heard.reply_echo_ns) {
        return Reason::ReplyStale;
    }
    if heard.session != heartbeat.session {
        heard.session = heartbeat.session;
        // A new session numbers its messages anew.
        heard.window = Window { top: 0, seen: 0 };
    }
    heard.reply_ns = heartbeat.now_ns;
    heard.reply_echo_ns = heartbeat.echo_ns;
    heard.replies += 1;
    let bucket = opaque(rtt::bucket(heartbeat.now_ns - heartbeat.echo_ns) as u64) as usize;
    if let Some(count) = heard.rtt.get_mut(bucket) {
        *count = count.wrapping_add(1);
    }
    heartbeat::note(heartbeat, heard);
    Reason::ReplyRecorded
}
