//! Gratuitous ARP (RFC 5227 section 3): tells every station on a link where a virtual IP now is.
//!
//! The fast path sends; nothing is allocated after [`GratuitousArp::open`].

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use afc_ebpf::mac::Mac;

/// Ethernet header and ARP for IPv4.
const FRAME_BYTES: usize = 42;
/// EtherType of ARP.
const ETHERTYPE_ARP: u16 = 0x0806;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// A packet socket on one interface.
#[derive(Debug)]
pub struct GratuitousArp {
    socket: OwnedFd,
    mac: Mac,
}

impl GratuitousArp {
    /// Opens the socket; it receives nothing.
    ///
    /// # Errors
    /// Those of `socket(2)` and `bind(2)`: `CAP_NET_RAW` is needed.
    pub fn open(ifindex: u32, mac: Mac) -> io::Result<Self> {
        // SAFETY: takes no pointers. Protocol 0: nothing is received.
        let descriptor = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just opened and belongs to nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: 0,
            sll_ifindex: ifindex as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of::<libc::sockaddr_ll>() as u32;
        // SAFETY: `address` is a sockaddr_ll of the length given and lives through the call.
        let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(Self { socket, mac }) }
    }

    /// Says once, as a request and as a reply, that `address` is at this interface. Some stations heed only one of them.
    ///
    /// # Errors
    /// Those of `send(2)`, such as an interface that is down.
    pub fn send(&self, address: Ipv4Addr) -> io::Result<()> {
        for operation in [REQUEST, REPLY] {
            let frame = frame(self.mac, address, operation);
            // SAFETY: reads the bytes of `frame`, which lives through the call.
            let sent = unsafe {
                libc::send(self.socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), libc::MSG_DONTWAIT)
            };
            if sent < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

/// The frame: sender and target are both `address`.
fn frame(mac: Mac, address: Ipv4Addr, operation: u16) -> [u8; FRAME_BYTES] {
    const BROADCAST: [u8; 6] = [0xff; 6];
    let mac = mac.to_bytes();
    // Linux takes a reply for gratuitous, and at once, only with the sender's own link address as the target.
    let target = if operation == REPLY { mac } else { [0; 6] };
    let fields: [&[u8]; 12] = [
        &BROADCAST,
        &mac,
        &ETHERTYPE_ARP.to_be_bytes(),
        &[0, 1], // Ethernet
        &[8, 0], // IPv4
        &[6],
        &[4],
        &operation.to_be_bytes(),
        &mac,
        &address.octets(),
        &target,
        &address.octets(),
    ];
    let mut frame = [0; FRAME_BYTES];
    let mut at = 0;
    for field in fields {
        frame[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_names_the_address_as_sender_and_target() {
        let mac = Mac::from_bytes([2, 0, 0, 0, 0, 7]);
        for (operation, target) in [(1, [0; 6]), (2, [2, 0, 0, 0, 0, 7])] {
            let frame = frame(mac, Ipv4Addr::new(10, 0, 0, 101), operation);
            #[rustfmt::skip]
            let head = [
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 0x08, 0x06,
                0, 1, 8, 0, 6, 4, 0, operation as u8,
                2, 0, 0, 0, 0, 7, 10, 0, 0, 101,
            ];
            assert_eq!(frame.as_slice(), [head.as_slice(), &target, &[10, 0, 0, 101]].concat());
        }
    }
}
