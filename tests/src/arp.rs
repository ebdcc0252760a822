//! A host that keeps asking "who has this address?" and notes who answers, beside the kernel's own ARP.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    clock::{now_ns, sleep_until},
    interface,
    netns::Netns,
    wires::Mac,
    worker::{Stop, Worker},
};

/// Everybody.
pub const BROADCAST: Mac = [0xff; 6];

/// Bytes of an Ethernet frame with an ARP packet.
pub(crate) const FRAME_BYTES: usize = 42;
/// Ethernet's type of ARP, and the operations.
const ETHERTYPE_ARP: u16 = 0x0806;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// What to ask, and how.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry {
    /// The address that is asked for.
    pub target: Ipv4Addr,
    /// The asking host's own address.
    pub sender: Ipv4Addr,
    /// Its link address.
    pub sender_mac: Mac,
    /// Who is asked: [`BROADCAST`], or one link address.
    pub to: Mac,
    /// Time between two questions.
    pub pause: Duration,
}

/// An answer: "target is at".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpReply {
    /// When it was received, ns.
    pub received_ns: u64,
    /// The link address that has it, so it says.
    pub at: Mac,
}

/// Keeps asking. Dropping it stops it.
#[derive(Debug)]
pub struct ArpObserver {
    replies: Arc<Mutex<Vec<ArpReply>>>,
    _worker: Worker,
}

impl ArpObserver {
    /// Starts asking on `eth0` of a namespace.
    ///
    /// # Errors
    /// When the namespace can't be entered or raw sockets are not allowed.
    pub fn start(namespace: &Netns, inquiry: Inquiry) -> Result<Self> {
        let socket = namespace.enter(|| open("eth0"))?.context("a raw socket for ARP")?;
        let replies = Arc::<Mutex<Vec<ArpReply>>>::default();
        let heard = Arc::clone(&replies);
        let question = question(&inquiry);
        let observe = move |stop: &Stop| {
            while !stop.is_asked() {
                let next_ns = now_ns() + inquiry.pause.as_nanos() as u64;
                // A question that can't be sent has no answer either.
                socket.send(&question).ok();
                sleep_until(next_ns);
                take_replies(&socket, inquiry.target, &heard);
            }
        };
        Ok(Self { replies, _worker: Worker::start("arp", observe)? })
    }

    /// Every answer so far.
    pub fn replies(&self) -> Vec<ArpReply> {
        self.replies.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Takes the answers that have arrived.
fn take_replies(socket: &RawSocket, target: Ipv4Addr, replies: &Mutex<Vec<ArpReply>>) {
    let mut frame = [0; FRAME_BYTES];
    while let Ok(length) = socket.receive(&mut frame) {
        if let Some(at) = reply_about(&frame[..length], target) {
            let reply = ArpReply { received_ns: now_ns(), at };
            replies.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(reply);
        }
    }
}

/// The frame of a question.
pub(crate) fn question(inquiry: &Inquiry) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    frame[..6].copy_from_slice(&inquiry.to);
    frame[6..12].copy_from_slice(&inquiry.sender_mac);
    frame[12..14].copy_from_slice(&ETHERTYPE_ARP.to_be_bytes());
    // Ethernet (1), IPv4 (0x0800), and the lengths of their addresses.
    frame[14..20].copy_from_slice(&[0, 1, 8, 0, 6, 4]);
    frame[20..22].copy_from_slice(&REQUEST.to_be_bytes());
    frame[22..28].copy_from_slice(&inquiry.sender_mac);
    frame[28..32].copy_from_slice(&inquiry.sender.octets());
    frame[38..42].copy_from_slice(&inquiry.target.octets());
    frame
}

/// Where `target` is according to a frame, if that is an answer about it.
fn reply_about(frame: &[u8], target: Ipv4Addr) -> Option<Mac> {
    let is_reply =
        frame.get(12..14)? == ETHERTYPE_ARP.to_be_bytes() && frame.get(20..22)? == REPLY.to_be_bytes();
    let is_about_target = frame.get(28..32)? == target.octets();
    (is_reply && is_about_target).then_some(())?;
    frame.get(22..28)?.try_into().ok()
}

/// A packet socket, which never blocks.
#[derive(Debug)]
pub(crate) struct RawSocket(OwnedFd);

/// Opens one for ARP on an interface of the calling thread's namespace.
fn open(name: &str) -> io::Result<RawSocket> {
    let index = interface::index(name)?;
    let socket = RawSocket::open(ETHERTYPE_ARP)?;
    let address = link_address(index);
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: `address` is a sockaddr_ll of the given size and lives through the call.
    let status = unsafe { libc::bind(socket.0.as_raw_fd(), std::ptr::from_ref(&address).cast(), size) };
    if status == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

/// An interface, for ARP.
fn link_address(interface: u32) -> libc::sockaddr_ll {
    // SAFETY: sockaddr_ll is made of integers, for which all zero is valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ETHERTYPE_ARP.to_be();
    address.sll_ifindex = interface as libc::c_int;
    address
}

impl RawSocket {
    /// Opens one in the calling thread's namespace that receives frames of one type, of none if that is zero.
    fn open(ethertype: u16) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: socket takes plain numbers.
        let descriptor = unsafe { libc::socket(libc::AF_PACKET, kind, ethertype.to_be().into()) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so this is a fresh descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Opens one that only sends, by whatever interface of the calling thread's namespace.
    pub(crate) fn for_sending() -> io::Result<Self> {
        Self::open(0)
    }

    /// Sends a frame of ARP by an interface.
    pub(crate) fn send_by(&self, interface: u32, frame: &[u8]) -> io::Result<()> {
        let address = link_address(interface);
        let size = size_of_val(&address) as libc::socklen_t;
        // SAFETY: `frame` is valid for its length, and `address` a sockaddr_ll of the given size, through the call.
        let sent = unsafe {
            let address = std::ptr::from_ref(&address).cast();
            libc::sendto(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0, address, size)
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Sends a frame.
    fn send(&self, frame: &[u8]) -> io::Result<usize> {
        // SAFETY: `frame` is valid for its length through the call.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Receives a frame, or fails with `WouldBlock`.
    fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        // SAFETY: `frame` may be written for its length through the call.
        let received = unsafe { libc::recv(self.0.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), 0) };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INQUIRY: Inquiry = Inquiry {
        target: Ipv4Addr::new(10, 0, 0, 101),
        sender: Ipv4Addr::new(10, 0, 0, 200),
        sender_mac: [2, 0, 0, 0, 0, 9],
        to: BROADCAST,
        pause: Duration::from_millis(1),
    };

    #[test]
    fn a_question_is_no_answer_but_its_turned_round_frame_is() {
        let mut frame = question(&INQUIRY);
        assert_eq!(reply_about(&frame, INQUIRY.target), None);
        frame[20..22].copy_from_slice(&REPLY.to_be_bytes());
        frame[22..28].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        frame[28..32].copy_from_slice(&INQUIRY.target.octets());
        assert_eq!(reply_about(&frame, INQUIRY.target), Some([2, 0, 0, 0, 0, 1]));
        assert_eq!(reply_about(&frame, INQUIRY.sender), None);
        assert_eq!(reply_about(&frame[..30], INQUIRY.target), None);
    }
}
