//! The UDP service of every node: answers on whatever virtual IP it was asked, and says who it is and when it served.
//!
//! It knows nothing of ownership, on purpose: whether a question reaches it and its answer leaves is up to the kernel.

use std::{
    io,
    net::UdpSocket,
    os::fd::{AsRawFd, RawFd},
    time::Duration,
};

use afc_agent::heartbeat::scheduling::Share;
use anyhow::{Context, Result};

use crate::{
    clock::{measure_with, now_ns},
    datagram::{Answer, PORT, QUESTION_BYTES, Question},
    netns::Netns,
    worker::{STOP_POLL, Stop, Worker},
};

/// Room for one control message with an `in_pktinfo`, as aligned words.
const CONTROL_WORDS: usize = 8;

/// What a service takes of a processor where it must reserve it: enough for two thousand questions a second.
const SHARE: Share = Share { runtime: Duration::from_micros(100), period: Duration::from_millis(2) };

/// A running echo service. Dropping it stops it.
#[derive(Debug)]
pub struct EchoService {
    _worker: Worker,
}

impl EchoService {
    /// Starts one in a namespace, for node number `node`.
    ///
    /// # Errors
    /// When the namespace can't be entered or the port is taken.
    pub fn start(namespace: &Netns, node: u16) -> Result<Self> {
        let socket =
            namespace.enter(|| UdpSocket::bind(("0.0.0.0", PORT)))?.context("binding the echo service")?;
        socket.set_read_timeout(Some(STOP_POLL))?;
        ask_for_packet_info(&socket).context("IP_PKTINFO")?;
        let serve = move |stop: &Stop| {
            // Not being allowed to only makes measurements noisier.
            measure_with(SHARE).ok();
            while !stop.is_asked() {
                answer_one(socket.as_raw_fd(), node);
            }
        };
        Ok(Self { _worker: Worker::start(&format!("echo-{node}"), serve)? })
    }
}

/// Has every question come with the address that it was sent to.
fn ask_for_packet_info(socket: &UdpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = size_of_val(&on) as libc::socklen_t;
    // SAFETY: `on` is a C int of the given size and lives through the call.
    let status = unsafe {
        let on = std::ptr::from_ref(&on).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, on, size)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits for a question and answers it from the address that it was sent to. An answer that can't be sent is lost, like
/// any datagram; the client counts it.
fn answer_one(socket: RawFd, node: u16) {
    let mut payload = [0u8; QUESTION_BYTES];
    // SAFETY: sockaddr_in is made of integers, for which all zero is valid.
    let mut client: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    let mut control = [0u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    // SAFETY: msghdr is made of integers and pointers, for which all zero is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = std::ptr::from_mut(&mut client).cast();
    message.msg_namelen = size_of_val(&client) as libc::socklen_t;
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: `message` points to buffers of the lengths it states, all alive through the call.
    let received = unsafe { libc::recvmsg(socket, &mut message, 0) };
    if received != QUESTION_BYTES as isize || !answer_from_where_it_was_asked(&message) {
        return;
    }
    let word =
        |at: usize| u64::from_le_bytes(payload[at..at + 8].try_into().expect("eight bytes of sixteen"));
    let question = Question { sequence: word(0), sent_ns: word(8) };
    let mut answer = Answer { question, served_ns: now_ns(), node }.to_bytes();
    let mut part = libc::iovec { iov_base: answer.as_mut_ptr().cast(), iov_len: answer.len() };
    message.msg_iov = &mut part;
    // SAFETY: as for recvmsg; the control message was filled in by it and has been turned round.
    unsafe { libc::sendmsg(socket, &message, 0) };
}

/// Turns the packet information of a question into that of its answer: the destination becomes the source, and the way
/// out is left to routing. Says whether there was any.
fn answer_from_where_it_was_asked(message: &libc::msghdr) -> bool {
    // SAFETY: recvmsg has set msg_control and msg_controllen to a valid sequence of control messages.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    if header.is_null() {
        return false;
    }
    // SAFETY: not null, so it points to a control message inside the buffer; one of this type carries an in_pktinfo,
    // and the buffer is aligned for it.
    unsafe {
        if (*header).cmsg_level != libc::IPPROTO_IP || (*header).cmsg_type != libc::IP_PKTINFO {
            return false;
        }
        let information = libc::CMSG_DATA(header).cast::<libc::in_pktinfo>();
        (*information).ipi_ifindex = 0;
        (*information).ipi_spec_dst = (*information).ipi_addr;
    }
    true
}
