//! Gratuitous ARP: tells everybody on the link that a virtual IP is at this interface's link address.
//!
//! The socket is opened once; [`GratuitousArp::send`] neither allocates nor waits, so that the fast path can call it. When
//! to send, and how often, is the caller's business.

use std::{io, net::Ipv4Addr};

use afc_ebpf::mac::Mac;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use thiserror::Error;

/// Bytes of an Ethernet frame with an ARP packet for IPv4.
const FRAME_BYTES: usize = 42;
/// Everybody on the link.
const BROADCAST: [u8; 6] = [0xff; 6];
/// Of ARP, in an Ethernet header.
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
/// Ethernet addresses of six bytes for IPv4 addresses of four (RFC 826).
const ARP_HEAD: [u8; 6] = [0x00, 0x01, 0x08, 0x00, 6, 4];

/// The form of a gratuitous ARP packet: some equipment listens to one only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// RFC 5227's announcement: a request for the address by itself.
    Request,
    /// RFC 5944's: an answer that nobody asked for.
    Reply,
}

/// Why gratuitous ARP cannot be sent.
#[derive(Debug, Error)]
pub enum ArpError {
    /// The kernel gave no packet socket.
    #[error("cannot open a packet socket for gratuitous ARP: {0}; run afc with CAP_NET_RAW")]
    Open(#[source] io::Error),
    /// The socket could not be bound to the interface.
    #[error("cannot send gratuitous ARP on interface {ifindex}: {source}; is it still there?")]
    Bind {
        /// The interface.
        ifindex: u32,
        /// Why.
        source: io::Error,
    },
}

/// Sends gratuitous ARP out of one interface.
#[derive(Debug)]
pub struct GratuitousArp {
    socket: Socket,
    mac: Mac,
}

impl GratuitousArp {
    /// Opens a socket on an interface with that link address.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn open(ifindex: u32, mac: Mac) -> Result<Self, ArpError> {
        // Protocol 0: the socket sends and is given no packet.
        let socket =
            Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0))).map_err(ArpError::Open)?;
        let bound = link_address(ifindex).and_then(|address| socket.bind(&address));
        bound.map_err(|source| ArpError::Bind { ifindex, source })?;
        Ok(Self { socket, mac })
    }

    /// Sends both forms for one address.
    ///
    /// # Errors
    /// The interface is down or its queue is full; the second form is tried all the same.
    pub fn send(&self, address: Ipv4Addr) -> io::Result<()> {
        let request = self.transmit(&frame(self.mac, address, Form::Request));
        let reply = self.transmit(&frame(self.mac, address, Form::Reply));
        request.and(reply)
    }

    fn transmit(&self, frame: &[u8; FRAME_BYTES]) -> io::Result<()> {
        self.socket.send_with_flags(frame, libc::MSG_DONTWAIT).map(|_| ())
    }
}

fn frame(mac: Mac, address: Ipv4Addr, form: Form) -> [u8; FRAME_BYTES] {
    let mac = mac.to_bytes();
    let (operation, target) = match form {
        Form::Request => ([0, 1], [0; 6]),
        // Linux takes a reply for gratuitous only with the sender's own link address as the target.
        Form::Reply => ([0, 2], mac),
    };
    let address = address.octets();
    let parts: [&[u8]; 9] = [
        &BROADCAST,
        &mac,
        &ETHERTYPE_ARP,
        &ARP_HEAD,
        &operation,
        &mac,
        &address,
        &target,
        &address,
    ];
    let mut frame = [0; FRAME_BYTES];
    let mut at = 0;
    for part in parts {
        frame[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    frame
}

/// The address of an interface for a packet socket that receives nothing.
fn link_address(ifindex: u32) -> io::Result<SockAddr> {
    let index = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the closure makes the storage a valid sockaddr_ll, which fits into it, and says how long that is.
    let (_, address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let address = storage.cast::<libc::sockaddr_ll>();
            address.write(libc::sockaddr_ll {
                sll_family: libc::AF_PACKET as u16,
                sll_protocol: 0,
                sll_ifindex: index,
                sll_hatype: 0,
                sll_pkttype: 0,
                sll_halen: 0,
                sll_addr: [0; 8],
            });
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_byte_for_byte_those_of_the_rfcs() {
        let mac = Mac::from_bytes([2, 0, 0, 0, 0, 9]);
        let address = Ipv4Addr::new(10, 0, 0, 101);
        let head = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x08, 0x06, // to all, from us, ARP
            0, 1, 8, 0, 6, 4, 0,
        ];
        let request = [
            1, 2, 0, 0, 0, 0, 9, 10, 0, 0, 101, 0, 0, 0, 0, 0, 0, 10, 0, 0, 101,
        ];
        let reply = [
            2, 2, 0, 0, 0, 0, 9, 10, 0, 0, 101, 2, 0, 0, 0, 0, 9, 10, 0, 0, 101,
        ];
        assert_eq!(
            frame(mac, address, Form::Request).as_slice(),
            [head.as_slice(), &request].concat()
        );
        assert_eq!(
            frame(mac, address, Form::Reply).as_slice(),
            [head.as_slice(), &reply].concat()
        );
    }
}
