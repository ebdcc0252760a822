//! Asks every member for every virtual IP, all the time, over the member's own wire.
//!
//! The questions enter the wire behind the bridge, so no cut keeps them away; only a pulled plug or a frozen node does. A
//! node that serves answers from its XDP program, whatever its userspace does. The answer goes to a link address that tells
//! when it was asked, and the observer's program takes it from the wire.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result};

use crate::{
    Lab,
    arp::{self, Inquiry, RawSocket},
    clock::{measure_first, now_ns, sleep_until},
    interface,
    spec::Role,
    wires::{self, Mac, SWITCH_MACHINE},
    worker::{Stop, Worker},
};

/// The address that asks; no machine of a lab has it.
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 250);

/// Keeps asking. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Asker {
    _worker: Worker,
}

/// A member and its wire.
#[derive(Clone, Copy, Debug)]
struct Wire {
    interface: u32,
    to: Mac,
}

impl Asker {
    pub(super) fn start(lab: &Lab, addresses: Vec<Ipv4Addr>, pause: Duration) -> Result<Self> {
        let members = lab.spec().nodes.iter().filter(|node| node.role == Role::Member);
        let members: Vec<_> = members.map(|node| node.name.clone()).collect();
        let opened = lab.machine(SWITCH_MACHINE).enter(|| {
            let wire = |name: &String| {
                Ok(Wire { interface: interface::index(name)?, to: wires::mac(lab.spec(), name) })
            };
            let wires: std::io::Result<Vec<_>> = members.iter().map(wire).collect();
            Ok::<_, std::io::Error>((RawSocket::for_sending()?, wires?))
        })?;
        let (socket, wires) = opened.context("a raw socket for the observer's questions")?;
        let ask = move |stop: &Stop| {
            // Not being allowed to only makes the observer see less.
            measure_first().ok();
            let mut next_ns = now_ns();
            while !stop.is_asked() {
                for (wire, &target) in
                    wires.iter().flat_map(|wire| addresses.iter().map(move |it| (wire, it)))
                {
                    // A wire whose plug is out takes no question, and brings no answer either.
                    socket.send_by(wire.interface, &question(*wire, target)).ok();
                }
                next_ns = (next_ns + pause.as_nanos() as u64).max(now_ns());
                sleep_until(next_ns);
            }
        };
        Ok(Self { _worker: Worker::start("asker", ask)? })
    }
}

/// The frame of a question that is asked now.
fn question(wire: Wire, target: Ipv4Addr) -> [u8; arp::FRAME_BYTES] {
    let sender_mac = afc_observer::asker_at(now_ns());
    arp::question(&Inquiry { target, sender: SENDER, sender_mac, to: wire.to, pause: Duration::ZERO })
}
