//! What the agent asks of the kernel's network configuration, over rtnetlink, and gratuitous ARP.
//!
//! Slow path: everything but [`arp`] runs on tokio and waits for the kernel's answers. Whoever asks decides; nothing here
//! changes a link, an address or a neighbour unasked.

pub mod address;
pub mod arp;
pub mod link;
pub mod neighbour;
pub mod watch;

use std::io;

use afc_ebpf::mac::Mac;
use thiserror::Error;

/// A connection to rtnetlink in the network namespace of the thread that opened it. It ends with its last clone.
#[derive(Clone, Debug)]
pub struct Network {
    handle: rtnetlink::Handle,
}

/// The kernel gave no rtnetlink socket.
#[derive(Debug, Error)]
#[error("cannot talk to the kernel about the network: {0}")]
pub struct ConnectError(#[from] io::Error);

impl Network {
    /// Connects. Needs a tokio runtime, which drives the connection.
    ///
    /// # Errors
    /// The kernel gave no socket.
    pub fn connect() -> Result<Self, ConnectError> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }
}

/// An Ethernet address; `None` for what has another length, or only zeros.
fn mac_of(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().map(Mac::from_bytes).filter(|mac| mac.is_known())
}

/// What the kernel said, as the error number that it is.
fn cause(error: rtnetlink::Error) -> io::Error {
    if let rtnetlink::Error::NetlinkError(message) = &error {
        return message.to_io();
    }
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ethernet_addresses_are_taken() {
        assert_eq!(mac_of(&[2, 0, 0, 0, 0, 9]), Some(Mac::from_bytes([2, 0, 0, 0, 0, 9])));
        for other in [&[0; 6][..], &[], &[1; 5], &[1; 20]] {
            assert_eq!(mac_of(other), None);
        }
    }
}
