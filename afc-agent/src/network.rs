//! What the agent asks of the kernel's network configuration, over rtnetlink, and gratuitous ARP.
//!
//! Slow path: everything but [`arp`] runs on tokio and waits for the kernel's answers. Whoever asks decides; nothing here
//! changes a link, an address or a neighbour unasked.

pub mod address;
pub mod arp;
pub mod link;
pub mod neighbour;
pub mod watch;

use std::{fmt, io};

use thiserror::Error;
use tokio::task::JoinHandle;

/// The kernel's number of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfIndex(pub u32);

/// A link address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Everybody on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// As in the kernel's maps: bytes 0 to 5 in memory order, then two zeros.
    pub const fn word(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_ne_bytes([a, b, c, d, e, f, 0, 0])
    }

    /// `None` for what is no Ethernet address, or only zeros.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().filter(|bytes| *bytes != [0; 6]).map(Self)
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A connection to rtnetlink in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Network {
    handle: rtnetlink::Handle,
    /// Talks to the kernel; ends with this.
    connection: JoinHandle<()>,
}

/// The kernel gave no rtnetlink socket.
#[derive(Debug, Error)]
#[error("cannot talk to the kernel about the network: {0}")]
pub struct OpenError(#[from] io::Error);

impl Network {
    /// Opens a connection. Needs a tokio runtime.
    ///
    /// # Errors
    /// The kernel gave no socket.
    pub fn open() -> Result<Self, OpenError> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        Ok(Self {
            handle,
            connection: tokio::spawn(connection),
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.connection.abort();
    }
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
    fn a_mac_address_is_in_the_maps_as_it_is_in_a_frame() {
        let mac = MacAddress([2, 0, 0, 0, 0, 0x1f]);
        assert_eq!(mac.word().to_ne_bytes(), [2, 0, 0, 0, 0, 0x1f, 0, 0]);
        assert_eq!(mac.to_string(), "02:00:00:00:00:1f");
        assert_eq!(MacAddress::from_bytes(&[0; 6]), None);
        assert_eq!(MacAddress::from_bytes(&[1; 20]), None);
    }
}
