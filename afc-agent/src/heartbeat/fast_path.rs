//! The fast-path thread: socket, kernel events and timer in; engine; maps, heartbeats and gratuitous ARP out.
//!
//! Owner: one thread of its own, started by `agent.rs`. It waits for its descriptors only, allocates nothing once it
//! runs, and takes no lock that another thread holds. If it ends, the dead-man switch is not renewed: the kernel stops
//! answering probes, and this node's leases run out.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::AsFd,
    sync::{Arc, Mutex},
    time::Duration,
};

use afc_ebpf::{
    identity::{NodeId, OwnerWord, ServiceId},
    layout::event,
};
use afc_engine::{Engine, Event, event::Heard};

use super::{
    codec::Envelope,
    mailbox::{Mailbox, Notice, Order},
    scheduling::{SchedulingClass, schedule_current_thread},
    socket::HeartbeatSocket,
    timing::{Phase, Takeover, Timings},
    view::{Heartbeats, Tally, View},
    wake::{Timer, Wait},
};
use crate::{clock, datapath::FastMaps, network::arp::GratuitousArp, recorder::Recorder};

mod effects;

/// The longest time between two renewals of the dead-man switch, and between two published views.
const HOUSEKEEPING_NS: u64 = 20_000_000;
/// How far BOOTTIME may run ahead of MONOTONIC before we believe that the machine was suspended.
const SUSPEND_NS: u64 = 1_000_000;

/// A service as the fast path needs it.
pub struct Place {
    /// Its id on the wire.
    pub service: ServiceId,
    /// The other voters whose leases count; empty where no vote is needed.
    pub others: Vec<NodeId>,
    /// Its virtual IPs.
    pub addresses: Vec<Ipv4Addr>,
    /// A floor to be made safe that found no room among the notices yet.
    pub unsent_floor: Option<u32>,
    /// How far this node is with taking it over.
    pub takeover: Takeover,
}

/// A node as the fast path needs it.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    /// The node.
    pub node: NodeId,
    /// Where it is.
    pub address: Ipv4Addr,
    /// The sequence that the next message to it carries.
    pub sequence: u64,
    /// The clock in the last message to it, ns: each message has its own, since it is what answers are matched by.
    pub sent_ns: u64,
    /// PROBEs sent to it, which the kernel should have recorded a REPLY to each of.
    pub probes: u64,
    /// REPLYs of it that the kernel had recorded before the first of them.
    pub replies_before: u64,
}

/// Everything the thread owns.
pub struct FastPath {
    /// Decides.
    pub engine: Engine,
    /// The kernel's side.
    pub maps: FastMaps,
    /// Heartbeats.
    pub socket: HeartbeatSocket,
    /// This node.
    pub node: NodeId,
    /// Services, in the order of their index in the maps.
    pub places: Vec<Place>,
    /// The other nodes.
    pub contacts: Vec<Contact>,
    /// Cluster, generation, keys.
    pub envelope: Envelope,
    /// One sender for each interface.
    pub gratuitous: Vec<GratuitousArp>,
    /// From the slow path.
    pub orders: Arc<Mailbox<Order>>,
    /// To the slow path.
    pub notices: Arc<Mailbox<Notice>>,
    /// Records what the engine is handed and asks for, where that is wanted.
    pub recorder: Option<Recorder>,
    /// What `status` shows.
    pub view: Arc<Mutex<View>>,
    /// How long the kernel speaks for a silent agent, ns.
    pub agent_timeout_ns: u64,
    /// The heartbeat interval.
    pub interval: Duration,
    /// What went wrong so far.
    pub tally: Tally,
    /// How long things took so far.
    pub timings: Timings,
    /// Something was reported that the view does not show yet.
    pub has_news: bool,
}

/// What the loop keeps between its rounds.
struct Round {
    timer: Timer,
    wait: Wait,
    class: SchedulingClass,
    armed_ns: u64,
    published_ns: u64,
    suspended_ns: u64,
    is_stopped: bool,
}

impl FastPath {
    /// Does what the engine asked for when it was made, before the kernel answers under its session.
    ///
    /// # Errors
    /// A map cannot be written.
    pub fn settle(&mut self) -> io::Result<()> {
        self.maps.set_flags(self.engine.flags());
        self.carry_out()?;
        self.maps.set_agent_until(clock::boottime_ns() + self.agent_timeout_ns);
        Ok(())
    }

    /// Runs until everything is released after [`Order::Stop`], or until something fails. Says which by a last notice.
    pub fn run(mut self) {
        let last = match self.rounds() {
            Ok(()) => Notice::Stopped,
            Err(error) => {
                // In doubt, abort: from now on the kernel does not speak for us, and nothing extends our leases.
                self.maps.set_agent_until(0);
                Notice::Failed(error.to_string())
            }
        };
        self.tell(last);
    }

    fn rounds(&mut self) -> io::Result<()> {
        let mut round = self.start()?;
        while !round.is_stopped {
            round.wait.wait()?;
            self.round(&mut round)?;
        }
        Ok(())
    }

    fn start(&mut self) -> io::Result<Round> {
        let class = schedule_current_thread(self.interval);
        let timer = Timer::new()?;
        let wait = Wait::new(&[
            self.socket.as_fd(),
            timer.as_fd(),
            self.maps.event_fd(),
            self.orders.bell().as_fd(),
        ])?;
        // MONOTONIC first here and last in the check: a delay between the two never looks like a suspend.
        let monotonic_ns = clock::monotonic_ns();
        let now = clock::boottime_ns();
        timer.arm(now)?;
        let suspended_ns = now.saturating_sub(monotonic_ns);
        Ok(Round { timer, wait, class, armed_ns: now, published_ns: 0, suspended_ns, is_stopped: false })
    }

    /// One look at everything. What has already arrived is heard before the clock is allowed to accuse anybody.
    fn round(&mut self, round: &mut Round) -> io::Result<()> {
        let now = clock::boottime_ns();
        check_suspend(round, now)?;
        self.maps.set_agent_until(now + self.agent_timeout_ns);
        self.note_lateness(round, now);
        self.hear_network()?;
        self.hear_kernel()?;
        round.is_stopped |= self.hear_orders()?;
        self.observe()?;
        self.send_floors();
        round.is_stopped |= self.handle(Event::Tick)?;
        self.socket.flush();
        self.next_wake(round, now)
    }

    /// Hands one event in and does at once what the engine asks; whether it is done for good.
    fn handle(&mut self, event: Event) -> io::Result<bool> {
        let now = clock::boottime_ns();
        if let Some(recorder) = &mut self.recorder {
            recorder.event(now, &event);
        }
        self.engine.handle(event, now);
        self.maps.set_flags(self.engine.flags());
        self.carry_out()
    }

    fn hear_network(&mut self) -> io::Result<()> {
        while let Some(batch) = self.socket.receive()? {
            for position in 0..batch.datagrams {
                let (source, bytes) = self.socket.datagram(position);
                let known =
                    |from| self.contacts.iter().any(|peer| peer.node == from && peer.address == source);
                match self.envelope.decode(bytes) {
                    Ok(message) if known(message.from) => {
                        self.handle(Event::Received(message))?;
                    }
                    Ok(_) | Err(_) => self.tally.refused_datagrams += 1,
                }
            }
            if batch.is_last {
                break;
            }
        }
        Ok(())
    }

    fn hear_kernel(&mut self) -> io::Result<()> {
        while let Some(event) = self.maps.next_event() {
            let Some(place) = self.places.get_mut(event.service as usize) else {
                continue;
            };
            let service = place.service;
            if event.kind == event::MAJORITY {
                self.timings.finish(&mut place.takeover, Phase::Agree, event.at_ns);
            }
            match event.kind {
                event::ADOPTED => {
                    self.handle(Event::Adopted { service, word: OwnerWord(event.word) })?;
                }
                // A majority won and a holding lapsed both show in the maps, which `observe` reads in every round.
                event::MAJORITY | event::LAPSED => {}
                unknown => {
                    return Err(io::Error::other(format!("the kernel sent an unknown event {unknown}")));
                }
            }
        }
        Ok(())
    }

    fn hear_orders(&mut self) -> io::Result<bool> {
        self.orders.bell().silence();
        let mut is_stopped = false;
        while let Some(order) = self.orders.take() {
            let event = match order {
                Order::FloorReserved { service, counter } => Event::FloorReserved { service, counter },
                Order::Available(is_available) => Event::Available(is_available),
                Order::Drained(is_drained) => Event::Drained(is_drained),
                Order::Ranked { service, ranking } => Event::Ranked { service, ranking },
                Order::Take { service, offer } => Event::Take { service, offer },
                Order::Stop => Event::Stop,
                Order::Abandon => return Err(io::Error::other("the agent abandoned its leases")),
            };
            is_stopped |= self.handle(event)?;
        }
        Ok(is_stopped)
    }

    /// Reads what the kernel knows: when each node was heard, and how long each holding lasts.
    fn observe(&mut self) -> io::Result<()> {
        for position in 0..self.contacts.len() {
            let node = self.contacts[position].node;
            let heard = self.maps.heard(node);
            self.handle(Event::Heard(Heard {
                node,
                heard_ns: heard.heard_ns,
                reply_ns: heard.reply_ns,
                reply_echo_ns: heard.reply_echo_ns,
            }))?;
        }
        // A drop on the way moves the list; what is passed over is read in the next round.
        let mut position = 0;
        loop {
            let held = self.maps.held().nth(position);
            let Some((service, index)) = held else { break };
            self.observe_holding(service, index)?;
            position += 1;
        }
        Ok(())
    }

    fn observe_holding(&mut self, service: ServiceId, index: u32) -> io::Result<()> {
        let holding = self.maps.holding(index).map_err(io::Error::other)?;
        if holding.is_held() && holding.needed == 0 {
            // Nobody else votes: the kernel serves as long as the agent lives.
            self.maps.set_lease_until(index, clock::boottime_ns() + self.agent_timeout_ns);
        }
        let (_, until_ns) = self.maps.serving(index);
        self.handle(Event::Lease { service, word: OwnerWord(holding.word), until_ns })?;
        Ok(())
    }

    /// What woke this round before its timer was due is not late.
    fn note_lateness(&mut self, round: &Round, now: u64) {
        if now >= round.armed_ns {
            let late_ns = now - round.armed_ns;
            self.timings.lateness.add_wide(late_ns);
            self.tally.worst_lateness_ns = self.tally.worst_lateness_ns.max(late_ns);
        }
    }

    fn next_wake(&mut self, round: &mut Round, now: u64) -> io::Result<()> {
        let is_due = now >= round.published_ns + HOUSEKEEPING_NS;
        if (is_due || self.has_news || round.is_stopped) && self.publish(round, now) {
            round.published_ns = now;
            if std::mem::take(&mut self.has_news) {
                self.tell(Notice::Viewed);
            }
        }
        let housekeeping = now + HOUSEKEEPING_NS;
        round.armed_ns = self.engine.poll_timeout().map_or(housekeeping, |due| due.clamp(now, housekeeping));
        round.timer.arm(round.armed_ns)
    }

    /// Shows the state to whoever asks for it; whether it did. If somebody is just reading, the next round tries again.
    fn publish(&self, round: &Round, now: u64) -> bool {
        let Ok(mut view) = self.view.try_lock() else {
            return false;
        };
        view.copy(&self.engine);
        view.heartbeats.clear();
        view.heartbeats.extend(self.contacts.iter().map(|contact| {
            let replies = self.maps.heard(contact.node).replies;
            (contact.node, Heartbeats { sent: contact.probes, answered: replies - contact.replies_before })
        }));
        view.at_ns = now;
        view.class = round.class;
        view.timings = self.timings;
        view.tally = Tally { send_errors: self.tally.send_errors + self.socket.send_errors, ..self.tally };
        true
    }
}

fn check_suspend(round: &Round, now: u64) -> io::Result<()> {
    let suspended_ns = now.saturating_sub(clock::monotonic_ns());
    if suspended_ns > round.suspended_ns + SUSPEND_NS {
        return Err(io::Error::other("the machine was suspended, so its leases are void"));
    }
    Ok(())
}
