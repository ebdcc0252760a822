//! What stands above everything: the node, and what is wrong.

use std::time::{Duration, Instant};

use super::{Tone, Words, milliseconds};
use crate::{
    status::{Scheduling, XdpAttachment},
    top::model::{Contact, Model},
};

/// What is said of the cluster and the node, the most important first.
pub(in crate::top) fn headline(model: &Model) -> Vec<Words> {
    let status = &model.status;
    let lease = status.lease_remaining_ms.map_or_else(
        || Words::new(Tone::Faint, "no lease"),
        |lease| Words::plain(format!("lowest lease {}", milliseconds(lease))),
    );
    let quorum = if status.quorum { Words::plain("quorum") } else { Words::new(Tone::Bad, "NO QUORUM") };
    let scheduling = match status.scheduling {
        Scheduling::Deadline => Words::plain("scheduling deadline"),
        Scheduling::Fifo => Words::plain("scheduling fifo"),
        Scheduling::Normal => Words::new(Tone::Notable, "scheduling NORMAL"),
    };
    let mut words = vec![
        Words::plain(format!("cluster {}", status.cluster)),
        Words::plain(format!("node {}", status.node)),
        quorum,
        lease,
        Words::plain(format!("generation {}", status.generation)),
        Words::plain(format!("up {}", age(Duration::try_from_secs_f64(status.uptime_s).unwrap_or_default()))),
        Words::plain(format!("safety {}", status.safety)),
        scheduling,
    ];
    words.extend(status.xdp.iter().map(|(interface, attachment)| match attachment {
        XdpAttachment::Native => Words::plain(format!("xdp {interface} native")),
        XdpAttachment::Generic => Words::new(Tone::Notable, format!("xdp {interface} generic")),
    }));
    words.push(Words::new(Tone::Faint, format!("afc {}", status.version)));
    words
}

/// What is wrong, the worst first.
pub(in crate::top) fn alarms(model: &Model, now: Instant) -> Vec<Words> {
    let mut alarms = Vec::new();
    if let Contact::Lost { lasting, why } = model.contact(now) {
        let text = format!("not reachable since {}, trying again: {why}", age(lasting));
        alarms.push(Words::new(Tone::Bad, text));
    }
    if let Some(lists) = model.lists.as_ref().filter(|lists| !lists.differing.is_empty()) {
        let text = format!("{} made other lists of the same inputs", lists.differing.join(", "));
        alarms.push(Words::new(Tone::Bad, text));
    }
    if let Some(remaining) = model.status.quarantine_remaining_ms {
        let text = format!("neither grants nor claims for {}, being fresh", milliseconds(remaining));
        alarms.push(Words::new(Tone::Notable, text));
    }
    alarms
}

/// A duration in its two largest units.
fn age(duration: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
