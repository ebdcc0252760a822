//! What the fast path costs that needs no root to be seen: the bytes of a heartbeat, and what the pieces of the loop
//! allocate from the socket to the socket. The maps, gratuitous ARP and the loop that ties them together are seen in the
//! labs only.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::Arc,
};

use afc_agent::heartbeat::{
    codec::{Datagram, Envelope},
    mailbox::{self, Mailbox, Notice, Order},
    socket::HeartbeatSocket,
    view::View,
};
use afc_ebpf::{
    siphash::Key,
    wire::{MESSAGE_BYTES, TAG_BYTES},
};
use afc_engine::{
    Effect, Engine, Event,
    recording::{Decoder, Line},
};
use afc_gate::{
    Allowed, Gate,
    allocations::{Counting, allocated_by},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const ETHERNET_BYTES: usize = 14;
const TAKEOVER: &str = include_str!("../../afc-engine/src/recording/fixtures/takeover.jsonl");

#[test]
fn a_heartbeat_is_no_longer_than_it_was() {
    let payload = size_of::<Datagram>();
    assert_eq!(payload, MESSAGE_BYTES + TAG_BYTES);
    let packet = payload + UDP_BYTES + IPV4_BYTES;
    Gate::new("bytes of a heartbeat", Allowed::Nothing)
        .figure("message with its tag", payload as u64)
        .figure("with UDP and IPv4", packet as u64)
        .figure("with Ethernet", (packet + ETHERNET_BYTES) as u64)
        .check();
}

/// The pieces of the loop, on loopback.
struct Loop {
    engine: Engine,
    socket: HeartbeatSocket,
    envelope: Envelope,
    orders: Arc<Mailbox<Order>>,
    notices: Arc<Mailbox<Notice>>,
    view: View,
    sequence: u64,
    /// What went through each piece.
    received: u64,
    sent: u64,
    reported: u64,
}

impl Loop {
    fn new(engine: Engine) -> Self {
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let keys = [(1, Key::from_bytes([7; 16])), (0, Key::default())];
        Self {
            view: View::with_room_for(&engine),
            engine,
            socket: HeartbeatSocket::bind(Ipv4Addr::LOCALHOST, free, None).unwrap(),
            envelope: Envelope { cluster: 1, generation: 1, keys, key_count: 1 },
            orders: mailbox::orders().unwrap(),
            notices: mailbox::notices().unwrap(),
            sequence: 0,
            received: 0,
            sent: 0,
            reported: 0,
        }
    }

    /// Hands an event in as the fast path does: a message comes by the socket, an order by the mailbox.
    fn round(&mut self, event: Event, at_ns: u64) {
        let Event::Received(message) = event else {
            return self.handle(event, at_ns);
        };
        self.send(self.envelope.encode(&message, self.sequence));
        self.socket.flush();
        while let Some(batch) = self.socket.receive().expect("loopback") {
            for position in 0..batch.datagrams {
                let (_, bytes) = self.socket.datagram(position);
                let decoded = self.envelope.decode(bytes).expect("it was encoded here");
                // What the engine sent comes back by loopback, too.
                if decoded == message {
                    self.received += 1;
                    self.handle(Event::Received(decoded), at_ns);
                }
            }
            if batch.is_last {
                break;
            }
        }
        self.view.copy(&self.engine);
    }

    fn handle(&mut self, event: Event, at_ns: u64) {
        self.engine.handle(event, at_ns);
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Send(message) => self.send(self.envelope.encode(&message, self.sequence)),
                Effect::Report(report) => {
                    self.reported += 1;
                    let told = self.notices.put(Notice::Report { at_ns, report });
                    told.unwrap_or_else(|_| panic!("the queue is emptied in each round"));
                    while self.notices.take().is_some() {}
                }
                Effect::Hold { .. }
                | Effect::Drop { .. }
                | Effect::Own { .. }
                | Effect::Record { .. }
                | Effect::ReserveFloor { .. }
                | Effect::GratuitousArp { .. }
                | Effect::HandOver { .. }
                | Effect::Ask { .. }
                | Effect::Prepare { .. }
                | Effect::Stopped => {}
            }
        }
        self.socket.flush();
        assert!(self.orders.take().is_none());
    }

    fn send(&mut self, datagram: Datagram) {
        self.sequence += 1;
        self.sent += 1;
        self.socket.queue(Ipv4Addr::LOCALHOST, datagram);
    }
}

#[test]
fn socket_codec_engine_queues_and_view_allocate_nothing_through_a_takeover() {
    let mut decoder = Decoder::default();
    let (mut header, mut pieces, mut allocations) = (None, None, 0);
    for line in TAKEOVER.split_inclusive('\n') {
        match decoder.decode(line.as_bytes()).unwrap() {
            Line::Header(first) => header = Some(first),
            Line::Step(step) => {
                let pieces: &mut Loop = pieces.get_or_insert_with(|| {
                    let header = header.take().expect("the header comes first");
                    Loop::new(Engine::new(header.setup, header.restored, step.at_ns))
                });
                let Some(event) = step.event else { continue };
                allocations += allocated_by(|| pieces.round(event, step.at_ns)).allocations;
            }
            Line::Gap { .. } | Line::End(_) => {}
        }
    }
    let pieces = pieces.expect("the recording has steps");
    assert!(pieces.received > 100 && pieces.sent > 100 && pieces.reported > 0, "it did something");
    Gate::new("allocations of the fast path", Allowed::Nothing).figure("takeover", allocations).check();
}
