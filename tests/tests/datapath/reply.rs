//! REPLY to our probes: recorded with the kernel's clock, once. And every other authentic message: to the agent, once.

use afc_ebpf::{
    histogram::{self, Histogram},
    layout::Heard,
    reason::Reason,
    replay::Window,
    wire::{Kind, flag, offset},
};

use super::{
    Row,
    frame::Beat,
    probe::field,
    rig::{Outcome, PEER, Rig, SESSION, mac},
};

/// The peer's session.
const THEIRS: u64 = 0xaaaa;

/// An answer to the probe that we sent 300 µs ago.
fn reply(rig: &mut Rig) -> Beat {
    let probe = rig.probe();
    let echo = probe.echo - 300_000;
    Beat { session: THEIRS, sequence: probe.sent | 1, echo, ..probe }.of_kind(Kind::Reply)
}

fn not_recorded(rig: &mut Rig, packet: &[u8], outcome: &Outcome) {
    super::unchanged(rig, packet, outcome);
    assert_eq!((rig.heard(PEER).replies, rig.heard(PEER).heard_ns), (0, 0));
}

/// The message passes untouched, and its sender was heard.
fn heard_and_passed(rig: &mut Rig, packet: &[u8], outcome: &Outcome) {
    super::unchanged(rig, packet, outcome);
    let heard = rig.heard(PEER);
    assert!(heard.heard_ns >= outcome.before_ns);
    assert_eq!(heard.window.top, field(packet, offset::SEQUENCE));
    assert_eq!(heard.reply_ns, 0, "only an answer to a probe is one");
}

const fn to_agent(name: &'static str, packet: fn(&mut Rig) -> Vec<u8>) -> Row {
    Row { name, packet, reason: Reason::MessageToAgent, check: heard_and_passed }
}

const fn stale(name: &'static str, packet: fn(&mut Rig) -> Vec<u8>) -> Row {
    Row { name, packet, reason: Reason::ReplyStale, check: not_recorded }
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "the answer to a probe",
        packet: |rig| Beat { flags: flag::AVAILABLE, ..reply(rig) }.frame(),
        reason: Reason::ReplyRecorded,
        check: |rig, packet, outcome| {
            super::unchanged(rig, packet, outcome);
            let Heard { heard_ns, reply_ns, reply_echo_ns, replies, session, flags, ifindex, .. } =
                rig.heard(PEER);
            assert!((outcome.before_ns..=outcome.after_ns).contains(&reply_ns));
            assert_eq!((heard_ns, reply_echo_ns), (reply_ns, field(packet, offset::ECHO)));
            assert_eq!((replies, session, flags), (1, THEIRS, u32::from(flag::AVAILABLE)));
            assert_eq!((rig.heard(PEER).mac, ifindex), (mac(PEER).0, rig.inner.ifindex));
            let round_trip_ns = reply_ns - reply_echo_ns;
            let buckets = rig.heard(PEER).rtt;
            assert_eq!(buckets[histogram::bucket(round_trip_ns)], 1);
            assert_eq!(buckets.iter().sum::<u32>(), 1);
            assert_eq!(rig.heard(PEER).gap, [0; histogram::BUCKETS], "nothing came before it");
            let snapshot = rig.fast.heard(PEER);
            assert_eq!((snapshot.reply_ns, snapshot.session, snapshot.mac), (reply_ns, THEIRS, mac(PEER)));
            assert_eq!(
                rig.fast.view().round_trips(PEER),
                Histogram { buckets: buckets.map(u64::from), sum_ns: round_trip_ns }
            );
        },
    },
    Row {
        name: "the answer of a restarted node: its numbers start anew",
        packet: |rig| {
            rig.set_heard(PEER, |heard| {
                heard.session = THEIRS - 1;
                heard.window = Window { top: u64::MAX, seen: u64::MAX };
            });
            reply(rig).frame()
        },
        reason: Reason::ReplyRecorded,
        check: |rig, _, _| {
            assert_eq!((rig.heard(PEER).session, rig.heard(PEER).window), (THEIRS, Window::default()));
        },
    },
    Row {
        name: "the answer of the same session leaves the window alone",
        packet: |rig| {
            rig.set_heard(PEER, |heard| (heard.session, heard.window.top) = (THEIRS, 1 << 60));
            reply(rig).frame()
        },
        reason: Reason::ReplyRecorded,
        check: |rig, _, _| assert_eq!(rig.heard(PEER).window.top, 1 << 60),
    },
    Row {
        name: "a round trip at the end of the histogram",
        packet: |rig| {
            let reply = reply(rig);
            Beat { echo: reply.echo - 900_000_000, ..reply }.frame()
        },
        reason: Reason::ReplyRecorded,
        check: |rig, _, _| assert_eq!(rig.heard(PEER).rtt[histogram::BUCKETS - 1], 1),
    },
    Row {
        name: "the time since the answer before, of the same session",
        packet: |rig| {
            let reply = reply(rig);
            let before_ns = reply.echo - 40_000_000;
            rig.set_heard(PEER, |heard| (heard.session, heard.reply_ns) = (THEIRS, before_ns));
            reply.frame()
        },
        reason: Reason::ReplyRecorded,
        check: |rig, packet, _| {
            let before_ns = field(packet, offset::ECHO) - 40_000_000;
            let gap_ns = rig.heard(PEER).reply_ns - before_ns;
            let mut buckets = [0; histogram::BUCKETS];
            buckets[histogram::wide_bucket(gap_ns)] = 1;
            assert_eq!(rig.fast.view().gaps(PEER), Histogram { buckets, sum_ns: gap_ns });
        },
    },
    Row {
        name: "a second answer to one probe",
        packet: |rig| {
            let frame = reply(rig).frame();
            assert_eq!(rig.receive(&frame).reason, Reason::ReplyRecorded);
            frame
        },
        reason: Reason::ReplyStale,
        check: |rig, packet, outcome| {
            super::unchanged(rig, packet, outcome);
            assert_eq!(rig.heard(PEER).replies, 1);
        },
    },
    Row {
        name: "the answer to a probe before the one that was answered",
        packet: |rig| {
            let late = reply(rig).frame();
            let newer = reply(rig).frame();
            assert_eq!(rig.receive(&newer).reason, Reason::ReplyRecorded);
            late
        },
        reason: Reason::ReplyStale,
        check: super::unchanged,
    },
    stale("an answer to no probe of the last second", |rig| {
        let reply = reply(rig);
        Beat { echo: reply.echo - 1_000_000_000, ..reply }.frame()
    }),
    stale("an answer to a probe of the future", |rig| {
        let reply = reply(rig);
        Beat { echo: reply.echo + 60_000_000_000, ..reply }.frame()
    }),
    stale("an answer without a session", |rig| Beat { session: 0, ..reply(rig) }.frame()),
    to_agent("a claim", |rig| Beat { flags: flag::UNASKED, ..rig.probe() }.of_kind(Kind::Reply).frame()),
    to_agent("a trial claim", |rig| {
        Beat { flags: flag::UNASKED | flag::TRIAL, ..rig.probe() }.of_kind(Kind::Reply).frame()
    }),
    to_agent("REFUSE", |rig| rig.probe().of_kind(Kind::Refuse).frame()),
    to_agent("RELEASE", |rig| rig.probe().of_kind(Kind::Release).frame()),
    to_agent("TAKE", |rig| rig.probe().of_kind(Kind::Take).frame()),
    to_agent("HANDOVER", |rig| rig.probe().of_kind(Kind::Handover).frame()),
    to_agent("TRANSFER", |rig| rig.probe().of_kind(Kind::Transfer).frame()),
    to_agent("a REFUSE of a rebooted node proves itself by its echo", |rig| {
        let first = rig.probe().of_kind(Kind::Transfer).frame();
        rig.receive(&first);
        Beat { sequence: 2, ..rig.probe() }.of_kind(Kind::Refuse).frame()
    }),
    Row {
        name: "a replayed claim",
        packet: |rig| {
            let frame = Beat { flags: flag::UNASKED, ..rig.probe() }.of_kind(Kind::Reply).frame();
            rig.receive(&frame);
            frame
        },
        reason: Reason::HeartbeatReplayed,
        check: super::unchanged,
    },
    Row {
        name: "a RELEASE proves nothing by its echo",
        packet: |rig| {
            let first = rig.probe().frame();
            rig.receive(&first);
            Beat { sequence: 2, ..rig.probe() }.of_kind(Kind::Release).frame()
        },
        reason: Reason::HeartbeatReplayed,
        check: super::unchanged,
    },
    Row {
        name: "a REFUSE for another session proves nothing by its echo",
        packet: |rig| {
            let first = rig.probe().frame();
            rig.receive(&first);
            Beat { sequence: 2, session: SESSION - 1, ..rig.probe() }.of_kind(Kind::Refuse).frame()
        },
        reason: Reason::HeartbeatReplayed,
        check: super::unchanged,
    },
];
