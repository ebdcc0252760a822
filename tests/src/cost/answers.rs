//! How many heartbeats one core answers: the kernel programs, beside a UDP echo in userspace that looks at nothing.
//!
//! One thread floods a veth with valid PROBEs, each with its own sequence. Who answers them works in threads of its own,
//! whose time on a CPU is counted: the receiving end's NAPI thread, in which XDP runs, and the echo's. So the figure is
//! answers in a second of one core, whoever else uses this machine; the flood itself and what becomes of the answers at the
//! other end is not in it.
//!
//! ```text
//! flood ── in1 ═══ in0 ── NAPI thread ─┬─ XDP, XDP_TX                 the kernel programs
//!                                      └─ stack ── socket ── echo     userspace, in batches of 32
//! ```

use std::{
    collections::BTreeSet,
    fs, io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use afc_agent::heartbeat::socket::HeartbeatSocket;
use afc_ebpf::{
    reason::Reason,
    wire::{DEFAULT_PORT, Kind, TTL},
};
use afc_engine::message::Slots;
use anyhow::{Context, Result, ensure};

use super::cluster::{self, Attach, Cluster, ME, PEER, Site};
use crate::{clock::thread_ns, interface, ip, netns::Netns, xdp_pass};

/// Frames of one system call.
const BATCH: usize = 64;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// The kernel programs, native.
    Kernel,
    /// An echo in userspace, behind an empty XDP program.
    Userspace,
}

/// What was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Heartbeats.
    pub answers: u64,
    /// What the answering threads took of CPUs, ns.
    pub busy_ns: u64,
}

impl Answered {
    /// Answers in a second of one core.
    pub fn per_core_second(&self) -> f64 {
        self.answers as f64 * 1e9 / self.busy_ns as f64
    }
}

/// Floods an answerer for a while.
///
/// # Errors
/// Without root, or when nothing is answered.
pub fn flood(answerer: Answerer, lasts: Duration) -> Result<Answered> {
    let site = Site::new()?;
    let namespace = site.namespace()?;
    ip::inside(&namespace, &lines())?;
    let _far = xdp_pass::attach(&namespace, "in1")?;
    let answered = match answerer {
        Answerer::Kernel => namespace.enter(|| in_the_kernel(site, &namespace, lasts))?,
        Answerer::Userspace => {
            let _near = xdp_pass::attach(&namespace, "in0")?;
            namespace.enter(|| in_userspace(&namespace, lasts))?
        }
    }?;
    ensure!(answered.answers > 0 && answered.busy_ns > 0, "nothing was answered: {answered:?}");
    Ok(answered)
}

/// Addresses, and where answers of the stack go.
fn lines() -> Vec<String> {
    vec![
        "link set in1 up".to_owned(),
        format!("address add {}/24 dev in0", cluster::address(ME)),
        format!(
            "neigh add {} lladdr 02:00:00:00:00:{:02x} dev in0 nud permanent",
            cluster::address(PEER),
            PEER.0
        ),
    ]
}

fn in_the_kernel(site: Site, namespace: &Netns, lasts: Duration) -> Result<Answered> {
    let cluster = Cluster::new(site, Attach::Native)?;
    let napi = Napi::threaded(namespace)?;
    let answered = || -> Result<u64> {
        let counters = cluster.datapath.counters().read()?;
        let of =
            |wanted| counters.iter().filter(move |(reason, _)| *reason == wanted).map(|(_, count)| count);
        ensure!(of(Reason::HeartbeatReplayed).sum::<u64>() == 0, "each PROBE has its own sequence");
        Ok(of(Reason::ProbeAnswered).sum())
    };
    let (answers, busy_ns) = (answered()?, napi.busy_ns()?);
    send_probes(lasts)?;
    Ok(Answered { answers: answered()? - answers, busy_ns: napi.busy_ns()? - busy_ns })
}

fn in_userspace(namespace: &Netns, lasts: Duration) -> Result<Answered> {
    let napi = Napi::threaded(namespace)?;
    let socket = HeartbeatSocket::bind(cluster::address(ME), DEFAULT_PORT, None)?;
    let (stop, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let busy_ns = napi.busy_ns()?;
    let echo_ns = thread::scope(|scope| {
        let echo = scope.spawn(|| echo(socket, &stop, &answers));
        let sent = send_probes(lasts);
        stop.store(true, Relaxed);
        let echo_ns = echo.join().expect("the echo does not panic");
        sent.and(echo_ns.map_err(Into::into))
    })?;
    Ok(Answered { answers: answers.into_inner(), busy_ns: napi.busy_ns()? - busy_ns + echo_ns })
}

/// Sends every datagram back, until told to stop; the time on a CPU that it took.
fn echo(mut socket: HeartbeatSocket, stop: &AtomicBool, answers: &AtomicU64) -> io::Result<u64> {
    use std::os::fd::AsFd;
    let peer: Ipv4Addr = cluster::address(PEER);
    while !stop.load(Relaxed) {
        let mut waits = libc::pollfd { fd: socket.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd that lives through the call.
        unsafe { libc::poll(&raw mut waits, 1, 10) };
        while let Some(batch) = socket.receive()? {
            for position in 0..batch.datagrams {
                if let Ok(datagram) = socket.datagram(position).1.try_into() {
                    socket.queue(peer, datagram);
                }
            }
            socket.flush();
            answers.fetch_add(batch.datagrams as u64, Relaxed);
            if batch.is_last {
                break;
            }
        }
    }
    Ok(thread_ns())
}

/// Floods `in1` with PROBEs.
fn send_probes(lasts: Duration) -> Result<()> {
    let socket = packet_socket().context("a packet socket")?;
    let end = Instant::now() + lasts;
    let mut sequence = afc_agent::clock::boottime_ns();
    while Instant::now() < end {
        let frames: Vec<Vec<u8>> = (0..BATCH)
            .map(|_| {
                sequence += 1;
                let message = cluster::message(Kind::Probe, PEER, Slots::new());
                cluster::carried(cluster::mac(ME), &message, sequence, TTL)
            })
            .collect();
        send_batch(&socket, &frames);
    }
    Ok(())
}

/// A raw socket that sends by `in1`, and receives nothing.
fn packet_socket() -> io::Result<OwnedFd> {
    let ifindex = interface::index("in1")?;
    // SAFETY: socket takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: sockaddr_ll is integers, for which all zero is valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = ifindex.cast_signed();
    let bytes = size_of::<libc::sockaddr_ll>() as u32;
    // SAFETY: the address lives through the call and has this length.
    match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), bytes) } {
        0 => Ok(socket),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends what the wire takes; what it does not is lost, as on any other.
fn send_batch(socket: &OwnedFd, frames: &[Vec<u8>]) {
    let mut vectors: Vec<libc::iovec> = frames
        .iter()
        .map(|frame| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
        .collect();
    // SAFETY: mmsghdr is integers and pointers, for which all zero is valid.
    let mut headers: Vec<libc::mmsghdr> = vec![unsafe { std::mem::zeroed() }; frames.len()];
    for (header, vector) in headers.iter_mut().zip(&mut vectors) {
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the headers point into `vectors` and `frames`, which live through the call and are only read.
    unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as u32, 0) };
}

/// The thread that receives for `in0`.
struct Napi {
    process: u32,
}

impl Napi {
    /// Has both ends of the wire receive in threads of their own (Linux 5.12).
    fn threaded(namespace: &Netns) -> Result<Self> {
        let before = threads_of_in0()?;
        let script = "mount -t sysfs sysfs /sys && echo 1 > /sys/class/net/in0/threaded && \
                      echo 1 > /sys/class/net/in1/threaded";
        ip::output(namespace, "unshare", &["--mount", "sh", "-c", script])?;
        let new: Vec<u32> = threads_of_in0()?.difference(&before).copied().collect();
        ensure!(new.len() == 1, "in0 has one queue: {new:?}");
        Ok(Self { process: new[0] })
    }

    /// What it has taken of CPUs, ns.
    fn busy_ns(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.process))?;
        text.split(' ')
            .next()
            .and_then(|first| first.parse().ok())
            .context("schedstat starts with the time on a CPU")
    }
}

/// The kernel's threads that receive for an interface of this name, in whatever namespace.
fn threads_of_in0() -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc")? {
        let Some(process) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that is gone by now is none of them.
        let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        if name.starts_with("napi/in0-") {
            found.insert(process);
        }
    }
    Ok(found)
}
