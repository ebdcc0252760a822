//! What the agent asks of the network stack, through rtnetlink: links, virtual IPs on loopback, neighbours.
//!
//! Slow path only. [`arp`] is the exception: its sockets are opened here and used by the fast path.

pub mod arp;

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use afc_ebpf::mac::Mac;
use futures_util::TryStreamExt;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressMessage},
    link::{LinkAttribute, LinkFlags, LinkMessage},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
};
use rtnetlink::{Handle, LinkUnspec};
use thiserror::Error;

/// The interface that carries the virtual IPs.
const LOOPBACK: &str = "lo";
/// Marks the addresses that an agent added, also the agent before this one (`IFA_LABEL`, at most 15 bytes).
const LABEL: &str = "lo:afc";
/// A virtual IP is a host address: its network must not become local.
const HOST_PREFIX: u8 = 32;

/// Why the network stack did not do what it was asked.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}")]
    Connect(std::io::Error),
    /// No such interface.
    #[error("there is no interface {name}; name another one in agent.interfaces (`ip link` lists them)")]
    UnknownInterface {
        /// Its name.
        name: String,
    },
    /// An interface without a link address, such as a tunnel.
    #[error(
        "interface {name} has no Ethernet address; afc needs Ethernet, so name another one in agent.interfaces"
    )]
    NotEthernet {
        /// Its name.
        name: String,
    },
    /// A request was refused.
    #[error("cannot {action}: {source}")]
    Request {
        /// What was asked.
        action: String,
        /// The kernel's answer.
        source: rtnetlink::Error,
    },
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// Its Ethernet address.
    pub mac: Mac,
}

/// An entry of the neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Whose.
    pub address: Ipv4Addr,
    /// Its Ethernet address.
    pub mac: Mac,
    /// The interface that leads to it.
    pub ifindex: u32,
}

/// A netlink connection of this network namespace.
#[derive(Clone, Debug)]
pub struct Network {
    handle: Handle,
}

impl Network {
    /// Connects. Needs a tokio runtime, which drives the connection.
    ///
    /// # Errors
    /// [`NetworkError::Connect`].
    pub fn connect() -> Result<Self, NetworkError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(NetworkError::Connect)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Looks up an Ethernet interface.
    ///
    /// # Errors
    /// It does not exist, or is no Ethernet interface.
    pub async fn link(&self, name: &str) -> Result<Link, NetworkError> {
        let message = self.link_message(name).await?;
        let mac = message.attributes.iter().find_map(|attribute| {
            let LinkAttribute::Address(bytes) = attribute else {
                return None;
            };
            mac(bytes)
        });
        let mac = mac.ok_or_else(|| NetworkError::NotEthernet { name: name.to_owned() })?;
        Ok(Link { name: name.to_owned(), ifindex: message.header.index, mac })
    }

    /// Makes these the virtual IPs that an agent put on loopback, and brings loopback up. An address that is there already
    /// stays as it is; those that an operator put there always do.
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn set_virtual_ips(&self, wanted: &BTreeSet<Ipv4Addr>) -> Result<(), NetworkError> {
        let loopback = self.link_message(LOOPBACK).await?.header;
        if !loopback.flags.contains(LinkFlags::Up) {
            let up = LinkUnspec::new_with_index(loopback.index).up().build();
            let result = self.handle.link().set(up).execute().await;
            result.map_err(request(|| format!("bring {LOOPBACK} up")))?;
        }
        let listing = self.handle.address().get().set_link_index_filter(loopback.index).execute();
        let present: Vec<_> =
            listing.try_collect().await.map_err(request(|| format!("list {LOOPBACK}'s addresses")))?;
        for message in present.into_iter().filter(|message| is_stale(message, wanted)) {
            match self.handle.address().del(message).execute().await {
                Err(error) if is(&error, libc::EADDRNOTAVAIL) => {}
                result => result.map_err(request(|| format!("remove an address from {LOOPBACK}")))?,
            }
        }
        for address in wanted {
            let mut add = self.handle.address().add(loopback.index, (*address).into(), HOST_PREFIX);
            add.message_mut().attributes.push(AddressAttribute::Label(LABEL.to_owned()));
            match add.execute().await {
                Err(error) if is(&error, libc::EEXIST) => {}
                result => result.map_err(request(|| format!("add {address} to {LOOPBACK}")))?,
            }
        }
        Ok(())
    }

    /// The IPv4 neighbours whose Ethernet address is known.
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn neighbours(&self) -> Result<Vec<Neighbour>, NetworkError> {
        let listing = self.handle.neighbours().get().set_address_family(AddressFamily::Inet).execute();
        let entries: Vec<_> =
            listing.try_collect().await.map_err(request(|| "list the neighbours".to_owned()))?;
        Ok(entries.iter().filter_map(neighbour).collect())
    }

    /// Keeps a neighbour in the table until it is removed, also while the link has no carrier (`NUD_PERMANENT`).
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn set_neighbour(&self, neighbour: Neighbour) -> Result<(), NetworkError> {
        let add = self.handle.neighbours().add(neighbour.ifindex, neighbour.address.into());
        let add =
            add.link_layer_address(&neighbour.mac.to_bytes()).state(NeighbourState::Permanent).replace();
        add.execute().await.map_err(request(|| format!("keep the neighbour {}", neighbour.address)))
    }

    /// Removes a neighbour that was kept.
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn remove_neighbour(&self, neighbour: Neighbour) -> Result<(), NetworkError> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = neighbour.ifindex;
        message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet(neighbour.address)));
        match self.handle.neighbours().del(message).execute().await {
            Err(error) if is(&error, libc::ENOENT) => Ok(()),
            result => result.map_err(request(|| format!("remove the neighbour {}", neighbour.address))),
        }
    }

    async fn link_message(&self, name: &str) -> Result<LinkMessage, NetworkError> {
        let mut links = self.handle.link().get().match_name(name).execute();
        let unknown = || NetworkError::UnknownInterface { name: name.to_owned() };
        match links.try_next().await {
            Ok(link) => link.ok_or_else(unknown),
            Err(error) if is(&error, libc::ENODEV) => Err(unknown()),
            Err(error) => Err(request(|| format!("look up interface {name}"))(error)),
        }
    }
}

/// Whether an agent put this address there, and it is not among those to keep.
fn is_stale(message: &AddressMessage, keep: &BTreeSet<Ipv4Addr>) -> bool {
    let is_labelled =
        message.attributes.iter().any(|a| matches!(a, AddressAttribute::Label(label) if label == LABEL));
    let is_kept = message
        .attributes
        .iter()
        .any(|a| matches!(a, AddressAttribute::Local(IpAddr::V4(address)) if keep.contains(address)));
    is_labelled && !is_kept
}

fn neighbour(entry: &NeighbourMessage) -> Option<Neighbour> {
    let address = entry.attributes.iter().find_map(|attribute| {
        let NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) = attribute else {
            return None;
        };
        Some(*address)
    })?;
    let mac = entry.attributes.iter().find_map(|attribute| {
        let NeighbourAttribute::LinkLayerAddress(bytes) = attribute else {
            return None;
        };
        mac(bytes)
    })?;
    Some(Neighbour { address, mac, ifindex: entry.header.ifindex })
}

/// An Ethernet address that is not all zeros.
fn mac(bytes: &[u8]) -> Option<Mac> {
    let bytes: [u8; 6] = bytes.try_into().ok()?;
    (bytes != [0; 6]).then(|| Mac::from_bytes(bytes))
}

fn is(error: &rtnetlink::Error, errno: i32) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code() == -errno)
}

fn request(action: impl FnOnce() -> String) -> impl FnOnce(rtnetlink::Error) -> NetworkError {
    |source| NetworkError::Request { action: action(), source }
}
