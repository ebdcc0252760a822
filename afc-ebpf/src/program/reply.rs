//! REPLY to one of our probes: the receive time, the round trip, the time since the one before and the session are recorded
//! here, with the kernel's clock; what it lists is the agent's business.

use afc_ebpf::{histogram, layout::Heard, opaque::opaque, replay::Window};

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
    } else {
        let gap_ns = heartbeat.now_ns.saturating_sub(heard.reply_ns);
        heard.gap_sum_ns = heard.gap_sum_ns.wrapping_add(gap_ns);
        count(&mut heard.gap, histogram::wide_bucket(gap_ns));
    }
    heard.reply_ns = heartbeat.now_ns;
    heard.reply_echo_ns = heartbeat.echo_ns;
    heard.replies += 1;
    let rtt_ns = heartbeat.now_ns - heartbeat.echo_ns;
    heard.rtt_sum_ns = heard.rtt_sum_ns.wrapping_add(rtt_ns);
    count(&mut heard.rtt, histogram::bucket(rtt_ns));
    heartbeat::note(heartbeat, heard);
    Reason::ReplyRecorded
}

#[inline(always)]
fn count(histogram: &mut [u32; histogram::BUCKETS], bucket: usize) {
    // The compiler must not drop the check that the verifier wants to see.
    if let Some(count) = histogram.get_mut(opaque(bucket as u64) as usize) {
        *count = count.wrapping_add(1);
    }
}
