//! The neighbour table: which link address answers for a peer's IPv4 address.

use std::{io, net::Ipv4Addr};

use afc_ebpf::mac::Mac;
use futures_util::TryStreamExt;
use netlink_packet_route::{
    AddressFamily,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
};
use thiserror::Error;

use super::{Network, cause, mac_of};

/// One neighbour with a known link address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its link address.
    pub mac: Mac,
    /// The interface that leads to it.
    pub ifindex: u32,
}

/// The neighbour table could not be read.
#[derive(Debug, Error)]
#[error("cannot read the neighbour table: {0}")]
pub struct NeighbourError(#[source] io::Error);

impl Network {
    /// Every IPv4 neighbour with a link address that may still be right.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn neighbours(&self) -> Result<Vec<Neighbour>, NeighbourError> {
        let dump = self
            .handle
            .neighbours()
            .get()
            .set_address_family(AddressFamily::Inet)
            .execute();
        let messages: Vec<_> = dump
            .try_collect()
            .await
            .map_err(|error| NeighbourError(cause(error)))?;
        Ok(messages.iter().filter_map(neighbour_of).collect())
    }
}

/// What a neighbour message says; `None` unless it is IPv4 and its link address may be right.
pub(super) fn neighbour_of(message: &NeighbourMessage) -> Option<Neighbour> {
    let unknown = [
        NeighbourState::Incomplete,
        NeighbourState::Failed,
        NeighbourState::None,
        NeighbourState::Noarp,
    ];
    if message.header.family != AddressFamily::Inet || unknown.contains(&message.header.state) {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        if let NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) = attribute {
            address = Some(*ip);
        } else if let NeighbourAttribute::LinkLayerAddress(bytes) = attribute {
            mac = mac_of(bytes);
        }
    }
    Some(Neighbour {
        address: address?,
        mac: mac?,
        ifindex: message.header.ifindex,
    })
}
