//! A UDP client that never stops asking: one thread sends at a fixed rate to every target, one receives.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, UdpSocket},
    ops::Range,
    os::fd::AsRawFd,
    sync::Arc,
    time::Duration,
};

use afc_agent::heartbeat::scheduling::Share;
use anyhow::{Context, Result};

use crate::{
    clock::{measure_with, now_ns, sleep_until},
    datagram::{ANSWER_BYTES, Answer, PORT, Question},
    history::{History, Packet},
    netns::Netns,
    worker::{STOP_POLL, Stop, Worker},
};

/// What each of a client's threads takes of a processor where it must reserve it: enough for two thousand questions a second.
const SHARE: Share = Share { runtime: Duration::from_micros(60), period: Duration::from_millis(1) };

/// What a client does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The virtual IPs that it asks.
    pub targets: Vec<Ipv4Addr>,
    /// How often it asks each of them, in a second.
    pub rate_hz: u32,
    /// How long it remembers what became of a packet.
    pub memory: Duration,
}

/// A running client. Dropping it stops it.
#[derive(Debug)]
pub struct UdpClient {
    lanes: Arc<[Lane]>,
    _sender: Worker,
    _receiver: Worker,
}

/// What belongs to one target.
#[derive(Debug)]
struct Lane {
    target: Ipv4Addr,
    socket: UdpSocket,
    history: History,
}

impl UdpClient {
    /// Starts asking, from a namespace.
    ///
    /// # Errors
    /// When the namespace can't be entered.
    pub fn start(namespace: &Netns, plan: &Plan) -> Result<Self> {
        let capacity = (plan.memory.as_secs_f64() * f64::from(plan.rate_hz)).ceil() as usize;
        let lanes: Arc<[Lane]> = plan
            .targets
            .iter()
            .map(|&target| Lane::open(namespace, target, capacity))
            .collect::<Result<_>>()?;
        let period_ns = 1_000_000_000 / u64::from(plan.rate_hz.max(1));
        let (to_send, to_receive) = (Arc::clone(&lanes), Arc::clone(&lanes));
        Ok(Self {
            lanes,
            _sender: Worker::start("udp-send", move |stop| send_all_the_time(&to_send, period_ns, stop))?,
            _receiver: Worker::start("udp-receive", move |stop| receive_all_the_time(&to_receive, stop))?,
        })
    }

    /// The packets that were sent to `target` in `window` of [`now_ns`], in order.
    ///
    /// # Panics
    /// When this client does not ask `target`: a mistake in the test.
    pub fn packets(&self, target: Ipv4Addr, window: Range<u64>) -> Vec<Packet> {
        let lane = self.lanes.iter().find(|lane| lane.target == target);
        lane.unwrap_or_else(|| panic!("this client does not ask {target}")).history.packets(&window)
    }

    /// Whether `target` has answered something that was sent in the last `window`.
    pub fn is_served(&self, target: Ipv4Addr, window: Duration) -> bool {
        let now = now_ns();
        let packets = self.packets(target, now.saturating_sub(window.as_nanos() as u64)..now);
        packets.iter().any(|packet| packet.answered.is_some())
    }
}

impl Lane {
    /// A socket that hears only what comes from the virtual IP itself.
    fn open(namespace: &Netns, target: Ipv4Addr, capacity: usize) -> Result<Self> {
        let connected = namespace.enter(|| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect((target, PORT))?;
            socket.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(socket)
        })?;
        let socket = connected.with_context(|| format!("a socket to {target}"))?;
        Ok(Self { target, socket, history: History::new(capacity) })
    }

    /// Sends one question. One that can't be sent is lost, like any datagram, and counts as unanswered.
    fn ask(&self, sequence: u64) {
        let question = Question { sequence, sent_ns: now_ns() };
        self.history.record_question(question);
        self.socket.send(&question.to_bytes()).ok();
    }

    /// Takes what has arrived.
    fn take_answers(&self) {
        let mut bytes = [0; ANSWER_BYTES];
        loop {
            match self.socket.recv(&mut bytes) {
                Ok(length) => {
                    let received_ns = now_ns();
                    if let Some(answer) = Answer::parse(&bytes[..length]) {
                        self.history.record_answer(&answer, received_ns);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Somebody's "unreachable", about a question that stays unanswered. The next call goes on.
                Err(_) => {}
            }
        }
    }
}

/// The sender's thread. A sender that was held up goes on from now, it does not make up for what it missed.
fn send_all_the_time(lanes: &[Lane], period_ns: u64, stop: &Stop) {
    // Not being allowed to only makes measurements noisier.
    measure_with(SHARE).ok();
    let mut next_ns = now_ns();
    for sequence in 1.. {
        if stop.is_asked() {
            return;
        }
        lanes.iter().for_each(|lane| lane.ask(sequence));
        next_ns = (next_ns + period_ns).max(now_ns());
        sleep_until(next_ns);
    }
}

/// The receiver's thread.
fn receive_all_the_time(lanes: &[Lane], stop: &Stop) {
    // Not being allowed to only makes measurements noisier.
    measure_with(SHARE).ok();
    let readable =
        |lane: &Lane| libc::pollfd { fd: lane.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut waiting: Vec<_> = lanes.iter().map(readable).collect();
    while !stop.is_asked() {
        // SAFETY: `waiting` is an array of as many entries as stated, and lives through the call.
        unsafe {
            libc::poll(
                waiting.as_mut_ptr(),
                waiting.len() as libc::nfds_t,
                STOP_POLL.as_millis() as libc::c_int,
            )
        };
        for (lane, waited) in lanes.iter().zip(&waiting) {
            if waited.revents != 0 {
                lane.take_answers();
            }
        }
    }
}
