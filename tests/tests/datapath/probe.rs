//! PROBE: answered in place with the right bytes, bound or not; the window; the dead man. What is held: `page.rs`.

use afc_ebpf::{
    identity::NodeId,
    layout::Heard,
    mac::Mac,
    reason::Reason,
    wire::{DEFAULT_PORT, Kind, MAGIC, TTL, flag, offset},
};

use super::{
    Row,
    frame::{self, Beat, ETHERNET_BYTES, IPV4_BYTES, MESSAGE},
    rig::{
        CLUSTER, GATEWAY, GENERATION, KEY, KEY_ID, ME, NEXT_KEY, NEXT_KEY_ID, Outcome, PEER, Rig, SESSION,
        mac, service, word,
    },
};

/// The eight bytes at an offset of a message, in host order.
pub(crate) fn field(packet: &[u8], offset: usize) -> u64 {
    let at = MESSAGE + offset;
    u64::from_be_bytes(packet[at..at + 8].try_into().expect("eight bytes"))
}

/// Checks every byte of the REPLY to `probe`, but for the clock, which must lie within the run.
pub(crate) fn is_reply(packet: &[u8], outcome: &Outcome, with: impl FnOnce(&mut Beat)) {
    let sent = field(&outcome.packet, offset::SENT);
    assert!((outcome.before_ns..=outcome.after_ns).contains(&sent), "the kernel's own clock");
    let mut reply = Beat {
        link_to: mac(PEER),
        link_from: frame_destination(packet),
        ip_from: packet[30..34].try_into().expect("four bytes"),
        ip_to: packet[26..30].try_into().expect("four bytes"),
        from: ME.0,
        to: PEER.0,
        session: SESSION,
        sequence: sent | 1,
        sent,
        echo: field(packet, offset::SENT),
        ..template()
    };
    with(&mut reply);
    let expected = reply.frame();
    assert_eq!(hex(&outcome.packet[..MESSAGE]), hex(&expected[..MESSAGE]), "headers");
    assert_eq!(hex(&outcome.packet[MESSAGE..]), hex(&expected[MESSAGE..]), "message and tag");
    assert_eq!(frame::sum(&outcome.packet[ETHERNET_BYTES..][..IPV4_BYTES]), 0xffff, "the IPv4 checksum");
}

fn frame_destination(packet: &[u8]) -> Mac {
    Mac::from_bytes(packet[..6].try_into().expect("six bytes"))
}

fn template() -> Beat {
    Beat {
        link_to: mac(PEER),
        link_from: mac(ME),
        ip_from: [0; 4],
        ip_to: [0; 4],
        port_from: DEFAULT_PORT,
        port_to: DEFAULT_PORT,
        ttl: TTL,
        magic: MAGIC,
        kind: Kind::Reply as u8,
        key_id: KEY_ID,
        flags: 0,
        cluster: CLUSTER,
        generation: GENERATION,
        from: 0,
        to: 0,
        reason: 0,
        page: 0,
        session: 0,
        sequence: 0,
        sent: 0,
        echo: 0,
        remaining: 0,
        slots: Vec::new(),
        key: KEY,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The peer was heard now, on the inner interface.
fn is_heard(rig: &mut Rig, node: NodeId, outcome: &Outcome) -> Heard {
    let heard = rig.heard(node);
    assert!((outcome.before_ns..=outcome.after_ns).contains(&heard.heard_ns));
    assert_eq!((heard.mac, heard.ifindex), (mac(node).0, rig.inner.ifindex));
    heard
}

fn is_unheard(rig: &mut Rig) {
    let heard = rig.heard(PEER);
    assert_eq!((heard.heard_ns, heard.window.top, heard.mac), (0, 0, 0), "nothing was learned");
}

/// Holds services `0..count`, without any grant yet.
pub(crate) fn hold_first(rig: &mut Rig, count: u32) {
    for index in 0..count {
        rig.hold(index, word(5 + index, ME), 0);
    }
}

/// The (service, word) pairs of [`hold_first`].
pub(crate) fn slots_of(indices: impl IntoIterator<Item = u32>) -> Vec<(u32, u64)> {
    indices.into_iter().map(|index| (service(index).0, word(5 + index, ME).0)).collect()
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "a bound probe of a node that holds nothing",
        packet: |rig| rig.probe().frame(),
        reason: Reason::ProbeAnswered,
        check: |rig, packet, outcome| {
            is_reply(packet, outcome, |_| {});
            let heard = is_heard(rig, PEER, outcome);
            assert_eq!((heard.window.top, heard.window.seen), (field(packet, offset::SEQUENCE), 1));
            assert_eq!(heard.reply_ns, 0, "a probe is no reply");
            assert_eq!(rig.members.get(&mac(PEER).0, 0).expect("a member"), u32::from(PEER.0));
        },
    },
    Row {
        name: "fields that a probe has no use for do not come back",
        packet: |rig| {
            Beat {
                reason: 6,
                remaining: 9,
                slots: slots_of(0..4),
                flags: 0xfffd & !flag::TRIAL,
                ..rig.probe()
            }
            .frame()
        },
        reason: Reason::ProbeAnswered,
        check: |_, packet, outcome| is_reply(packet, outcome, |_| {}),
    },
    Row {
        name: "another source port, and bytes of padding behind the message",
        packet: |rig| {
            let mut frame = Beat { port_from: 50_000, ..rig.probe() }.frame();
            frame.extend([0; 4]);
            frame
        },
        reason: Reason::ProbeAnswered,
        check: |_, packet, outcome| {
            let unpadded = Outcome {
                reason: outcome.reason,
                packet: outcome.packet[..outcome.packet.len() - 4].to_vec(),
                events: Vec::new(),
                before_ns: outcome.before_ns,
                after_ns: outcome.after_ns,
            };
            is_reply(packet, &unpadded, |reply| reply.port_to = 50_000);
        },
    },
    Row {
        name: "the second live key is answered under the second key",
        packet: |rig| Beat { key: NEXT_KEY, key_id: NEXT_KEY_ID, ..rig.probe() }.frame(),
        reason: Reason::ProbeAnswered,
        check: |_, packet, outcome| {
            is_reply(packet, outcome, |reply| (reply.key, reply.key_id) = (NEXT_KEY, NEXT_KEY_ID));
        },
    },
    Row {
        name: "the agent's flags come along",
        packet: |rig| {
            rig.fast.set_flags(flag::AVAILABLE | flag::DRAINING);
            rig.probe().frame()
        },
        reason: Reason::ProbeAnswered,
        check: |_, packet, outcome| {
            is_reply(packet, outcome, |reply| reply.flags = flag::AVAILABLE | flag::DRAINING);
        },
    },
    Row {
        name: "a probe that knows no session is answered and changes nothing",
        packet: |rig| {
            hold_first(rig, 1);
            Beat { session: 0, slots: slots_of(0..1), ..rig.probe() }.frame()
        },
        reason: Reason::ProbeUnbound,
        check: |rig, packet, outcome| {
            is_reply(packet, outcome, |reply| reply.slots = slots_of(0..1));
            is_unheard(rig);
            assert_eq!(rig.fast.serving(0).1, 0, "its grant does not count");
        },
    },
    Row {
        name: "a probe for an earlier session is answered and changes nothing",
        packet: |rig| Beat { session: SESSION - 1, ..rig.probe() }.frame(),
        reason: Reason::ProbeUnbound,
        check: |rig, packet, outcome| {
            is_reply(packet, outcome, |_| {});
            is_unheard(rig);
        },
    },
    Row {
        name: "the same probe twice",
        packet: |rig| {
            let frame = rig.probe().frame();
            assert_eq!(rig.receive(&frame).reason, Reason::ProbeAnswered);
            frame
        },
        reason: Reason::HeartbeatReplayed,
        check: super::unchanged,
    },
    Row {
        name: "a probe that was overtaken",
        packet: |rig| {
            let (first, second) = (rig.probe().frame(), rig.probe().frame());
            assert_eq!(rig.receive(&second).reason, Reason::ProbeAnswered);
            first
        },
        reason: Reason::ProbeAnswered,
        check: |_, packet, outcome| is_reply(packet, outcome, |_| {}),
    },
    Row {
        name: "a sequence that started anew, with a fresh echo",
        packet: |rig| {
            let first = rig.probe();
            assert_eq!(rig.receive(&first.frame()).reason, Reason::ProbeAnswered);
            Beat { sequence: 2, ..rig.probe() }.frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, packet, outcome| {
            let heard = is_heard(rig, PEER, outcome);
            assert_eq!((heard.window.top, heard.restart_echo_ns), (2, field(packet, offset::ECHO)));
        },
    },
    Row {
        name: "a sequence that started anew, twice with one echo",
        packet: |rig| {
            let first = rig.probe().frame();
            assert_eq!(rig.receive(&first).reason, Reason::ProbeAnswered);
            let again = Beat { sequence: 2, ..rig.probe() };
            assert_eq!(rig.receive(&again.frame()).reason, Reason::ProbeAnswered);
            again.frame()
        },
        reason: Reason::HeartbeatReplayed,
        check: super::unchanged,
    },
    Row {
        name: "a sequence that started anew, with an echo of long ago",
        packet: |rig| {
            let first = rig.probe();
            assert_eq!(rig.receive(&first.frame()).reason, Reason::ProbeAnswered);
            Beat { sequence: 2, echo: first.echo - 2_000_000_000, ..first }.frame()
        },
        reason: Reason::HeartbeatReplayed,
        check: super::unchanged,
    },
    Row {
        name: "a sequence that started anew, with an echo of the future",
        packet: |rig| {
            let first = rig.probe();
            assert_eq!(rig.receive(&first.frame()).reason, Reason::ProbeAnswered);
            Beat { sequence: 2, echo: first.echo + 60_000_000_000, ..first }.frame()
        },
        reason: Reason::HeartbeatReplayed,
        check: super::unchanged,
    },
    Row {
        name: "a dead agent is not spoken for",
        packet: |rig| {
            rig.fast.set_agent_until(afc_agent::clock::boottime_ns());
            rig.probe().frame()
        },
        reason: Reason::AgentDead,
        check: |rig, packet, outcome| {
            super::unchanged(rig, packet, outcome);
            is_unheard(rig);
        },
    },
    Row {
        name: "a trial yes goes to the agent, is not answered, and grants nothing",
        packet: |rig| {
            hold_first(rig, 1);
            Beat { flags: flag::TRIAL, slots: slots_of(0..1), ..rig.probe() }.frame()
        },
        reason: Reason::MessageToAgent,
        check: |rig, packet, outcome| {
            super::unchanged(rig, packet, outcome);
            is_heard(rig, PEER, outcome);
            assert_eq!(rig.fast.serving(0).1, 0);
        },
    },
    Row {
        name: "a member that moved to another link address",
        packet: |rig| {
            let first = rig.probe().frame();
            rig.receive(&first);
            Beat { link_from: mac(NodeId(22)), ..rig.probe() }.frame()
        },
        reason: Reason::ProbeAnswered,
        check: |rig, _, _| {
            assert_eq!(rig.heard(PEER).mac, mac(NodeId(22)).0);
            let members: Vec<u64> = rig.members.keys().collect::<Result<_, _>>().expect("keys");
            assert_eq!(members, [mac(NodeId(22)).0], "the old address is no member's any more");
        },
    },
    Row {
        name: "a gateway is heard, and is no member",
        packet: |rig| rig.probe_of(GATEWAY).frame(),
        reason: Reason::ProbeAnswered,
        check: |rig, _, outcome| {
            is_heard(rig, GATEWAY, outcome);
            assert_eq!(rig.members.keys().count(), 0);
        },
    },
];
