//! Interfaces: index, link address, carrier, and what kind they are.

use std::io;

use futures_util::TryStreamExt;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use thiserror::Error;

use super::{IfIndex, MacAddress, Network, cause};

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: IfIndex,
    /// Its name.
    pub name: String,
    /// Its link address; `None` on a link that is no Ethernet.
    pub mac: Option<MacAddress>,
    /// Whether it is up.
    pub up: bool,
    /// Whether the other end is there.
    pub carrier: bool,
    /// Whether it is a veth: native XDP_TX is lost there unless the other end has a program, too (design.md section 5).
    pub is_veth: bool,
    /// The interface that it belongs to or, for a veth in one namespace, its other end.
    pub lower: Option<IfIndex>,
}

/// Why an interface could not be looked up.
#[derive(Debug, Error)]
pub enum LinkError {
    /// There is none of that name.
    #[error("there is no interface {name}; see `ip link`, and name one in [agent] interfaces")]
    Missing {
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
    /// The interface with that name.
    ///
    /// # Errors
    /// There is none, or the kernel refused.
    pub async fn link(&self, name: &str) -> Result<Link, LinkError> {
        let found = self
            .handle
            .link()
            .get()
            .match_name(name.to_owned())
            .execute()
            .try_next()
            .await;
        let message = found.map_err(|error| {
            let (name, source) = (name.to_owned(), cause(error));
            match source.raw_os_error() {
                Some(libc::ENODEV) => LinkError::Missing { name },
                Some(_) | None => LinkError::Refused { name, source },
            }
        })?;
        message.as_ref().map(link_of).ok_or_else(|| LinkError::Missing {
            name: name.to_owned(),
        })
    }
}

/// What a link message says.
pub(super) fn link_of(message: &LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut link = Link {
        index: IfIndex(message.header.index),
        name: String::new(),
        mac: None,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        is_veth: false,
        lower: None,
    };
    for attribute in &message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            link.name.clone_from(name);
        } else if let LinkAttribute::Address(bytes) = attribute {
            link.mac = MacAddress::from_bytes(bytes);
        } else if let LinkAttribute::Link(index) = attribute {
            link.lower = Some(IfIndex(*index)).filter(|index| index.0 != 0);
        } else if let LinkAttribute::LinkInfo(infos) = attribute {
            link.is_veth = infos.contains(&LinkInfo::Kind(InfoKind::Veth));
        }
    }
    link
}
