//! The heartbeat socket: batches of fixed-size datagrams, nothing allocated after creation.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use afc_ebpf::wire::{PAYLOAD_BYTES, TOS, TTL};
use socket2::{Domain, Protocol, Socket, Type};

use super::codec::Datagram;

/// Datagrams taken or sent by one system call.
const BATCH: usize = 32;
/// Datagrams taken in one go, so that a flood cannot keep the loop from its timers.
const BATCHES_AT_ONCE: usize = 8;
/// Room for one control message with a mark, as aligned words.
const MARK_WORDS: usize = 4;
/// One byte more than a message, so that an oversized datagram is seen as such.
const SLOT: usize = PAYLOAD_BYTES + 1;

/// What one call took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many datagrams.
    pub datagrams: usize,
    /// Nothing more waits, or it is time to look at the clock first.
    pub is_last: bool,
}

/// UDP on the node's own address.
pub struct HeartbeatSocket {
    socket: Socket,
    port: u16,
    inbox: Box<[[u8; SLOT]; BATCH]>,
    sources: Box<[libc::sockaddr_in; BATCH]>,
    lengths: [usize; BATCH],
    batches_in_a_row: usize,
    outbox: Vec<(Datagram, libc::sockaddr_in)>,
    /// Datagrams that the kernel would not take.
    pub send_errors: u64,
}

impl HeartbeatSocket {
    /// Binds `address:port`, and to `interface` where there is only one: what came in by another one was not seen by the
    /// XDP program.
    ///
    /// # Errors
    /// Those of `socket(2)`, `setsockopt(2)` and `bind(2)`; the address must be one of this machine's.
    pub fn bind(address: Ipv4Addr, port: u16, interface: Option<&str>) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
        socket.set_ttl_v4(u32::from(TTL))?;
        socket.set_tos_v4(u32::from(TOS))?;
        socket.bind_device(interface.map(str::as_bytes))?;
        socket.bind(&SocketAddrV4::new(address, port).into())?;
        Ok(Self {
            socket,
            port,
            inbox: Box::new([[0; SLOT]; BATCH]),
            sources: Box::new([empty_address(); BATCH]),
            lengths: [0; BATCH],
            batches_in_a_row: 0,
            outbox: Vec::with_capacity(4 * BATCH),
            send_errors: 0,
        })
    }

    /// Takes the datagrams that wait, as many as fit; `None` if there are none. [`datagram`](Self::datagram) gives them.
    ///
    /// # Errors
    /// Those of `recvmmsg(2)` but for an empty queue.
    pub fn receive(&mut self) -> io::Result<Option<Batch>> {
        let datagrams = self.receive_batch()?;
        self.batches_in_a_row =
            if datagrams < BATCH { 0 } else { (self.batches_in_a_row + 1) % BATCHES_AT_ONCE };
        Ok((datagrams > 0).then_some(Batch { datagrams, is_last: self.batches_in_a_row == 0 }))
    }

    /// Source and bytes of a datagram of the last batch.
    pub fn datagram(&self, position: usize) -> (Ipv4Addr, &[u8]) {
        let source = Ipv4Addr::from(u32::from_be(self.sources[position].sin_addr.s_addr));
        (source, &self.inbox[position][..self.lengths[position]])
    }

    /// Puts a datagram into the batch that [`flush`](Self::flush) sends; flushes first if it is full.
    pub fn queue(&mut self, to: Ipv4Addr, datagram: Datagram) {
        if self.outbox.len() == self.outbox.capacity() {
            self.flush();
        }
        let address = self.address(to);
        self.outbox.push((datagram, address));
    }

    /// Sends what was queued. What the kernel refuses counts as lost, as on any network.
    pub fn flush(&mut self) {
        let mut sent = 0;
        while sent < self.outbox.len() {
            match self.send_batch(sent) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.send_errors += 1;
                    sent += 1;
                }
            }
        }
        self.outbox.clear();
    }

    /// Sends one datagram at once, with a mark (`SO_MARK`) that the tc programs see. What the kernel refuses counts as lost.
    pub fn send_marked(&mut self, to: Ipv4Addr, datagram: &Datagram, mark: u32) {
        let mut address = self.address(to);
        let mut vector =
            libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: PAYLOAD_BYTES };
        let mut control = [0u64; MARK_WORDS];
        let mut header = empty_header().msg_hdr;
        header.msg_iov = &raw mut vector;
        header.msg_iovlen = 1;
        header.msg_name = (&raw mut address).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        header.msg_control = control.as_mut_ptr().cast();
        // SAFETY: `control` is aligned and has room for one control message of four bytes, which the header then says.
        let sent = unsafe {
            header.msg_controllen = libc::CMSG_SPACE(size_of::<u32>() as u32) as _;
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = libc::SOL_SOCKET;
            (*message).cmsg_type = libc::SO_MARK;
            (*message).cmsg_len = libc::CMSG_LEN(size_of::<u32>() as u32) as _;
            libc::CMSG_DATA(message).cast::<u32>().write_unaligned(mark);
            libc::sendmsg(self.socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT)
        };
        self.send_errors += u64::from(sent < 0);
    }

    fn address(&self, of: Ipv4Addr) -> libc::sockaddr_in {
        let mut address = empty_address();
        address.sin_port = self.port.to_be();
        address.sin_addr.s_addr = u32::from(of).to_be();
        address
    }

    fn receive_batch(&mut self) -> io::Result<usize> {
        let mut vectors = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: SLOT }; BATCH];
        let mut headers = [empty_header(); BATCH];
        for index in 0..BATCH {
            vectors[index].iov_base = self.inbox[index].as_mut_ptr().cast();
            headers[index].msg_hdr.msg_iov = &raw mut vectors[index];
            headers[index].msg_hdr.msg_iovlen = 1;
            headers[index].msg_hdr.msg_name = (&raw mut self.sources[index]).cast();
            headers[index].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        }
        // SAFETY: the headers point into `inbox`, `sources` and `vectors`, which live through the call, with their true lengths.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            let is_empty = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if is_empty { Ok(0) } else { Err(error) };
        }
        self.lengths = headers.map(|header| (header.msg_len as usize).min(SLOT));
        Ok(count as usize)
    }

    fn send_batch(&mut self, first: usize) -> io::Result<usize> {
        let batch = &mut self.outbox[first..];
        let count = batch.len().min(BATCH);
        let mut vectors = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: PAYLOAD_BYTES }; BATCH];
        let mut headers = [empty_header(); BATCH];
        for (index, (datagram, address)) in batch.iter_mut().take(count).enumerate() {
            vectors[index].iov_base = datagram.as_mut_ptr().cast();
            headers[index].msg_hdr.msg_iov = &raw mut vectors[index];
            headers[index].msg_hdr.msg_iovlen = 1;
            headers[index].msg_hdr.msg_name = (&raw mut *address).cast();
            headers[index].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        }
        // SAFETY: the headers point into `outbox` and `vectors`, which live through the call, with their true lengths.
        let sent = unsafe {
            libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT)
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok((sent as usize).max(1)) }
    }
}

impl AsFd for HeartbeatSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn empty_address() -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: 0 },
        sin_zero: [0; 8],
    }
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: an mmsghdr of zeros is valid: null pointers with lengths of zero.
    unsafe { std::mem::zeroed() }
}
