//! Interfaces: index, link address, carrier.

use std::io;

use afc_ebpf::mac::Mac;
use futures_util::TryStreamExt;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use thiserror::Error;

use super::{Network, cause, mac_of};

/// One Ethernet interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// Its link address.
    pub mac: Mac,
    /// Whether it is up.
    pub is_up: bool,
    /// Whether the other end is there.
    pub has_carrier: bool,
}

/// Why an interface could not be looked up.
#[derive(Debug, Error)]
pub enum LinkError {
    /// There is none of that name.
    #[error("there is no interface {name}; name another one in agent.interfaces (`ip link` lists them)")]
    Unknown {
        /// The name.
        name: String,
    },
    /// An interface without a link address, such as a tunnel.
    #[error("interface {name} has no Ethernet address; afc needs Ethernet, so name another one in agent.interfaces")]
    NotEthernet {
        /// The name.
        name: String,
    },
    /// The kernel refused.
    #[error("cannot look up interface {name}: {source}")]
    Refused {
        /// The name.
        name: String,
        /// Why.
        source: io::Error,
    },
}

impl Network {
    /// The Ethernet interface with that name.
    ///
    /// # Errors
    /// There is none, or the kernel refused.
    pub async fn link(&self, name: &str) -> Result<Link, LinkError> {
        let message = self.link_message(name).await?;
        link_of(&message).ok_or_else(|| LinkError::NotEthernet { name: name.to_owned() })
    }

    pub(super) async fn link_message(&self, name: &str) -> Result<LinkMessage, LinkError> {
        let unknown = || LinkError::Unknown { name: name.to_owned() };
        let mut found = self.handle.link().get().match_name(name.to_owned()).execute();
        match found.try_next().await.map_err(cause) {
            Ok(message) => message.ok_or_else(unknown),
            Err(source) if source.raw_os_error() == Some(libc::ENODEV) => Err(unknown()),
            Err(source) => Err(LinkError::Refused { name: name.to_owned(), source }),
        }
    }
}

/// What a link message says; `None` where it is no Ethernet.
pub(super) fn link_of(message: &LinkMessage) -> Option<Link> {
    let (mut name, mut mac) = (None, None);
    for attribute in &message.attributes {
        if let LinkAttribute::IfName(text) = attribute {
            name = Some(text.clone());
        } else if let LinkAttribute::Address(bytes) = attribute {
            mac = mac_of(bytes);
        }
    }
    let flags = message.header.flags;
    Some(Link {
        name: name?,
        ifindex: message.header.index,
        mac: mac?,
        is_up: flags.contains(LinkFlags::Up),
        has_carrier: flags.contains(LinkFlags::LowerUp),
    })
}
