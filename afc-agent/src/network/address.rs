//! Virtual IPs on `lo`: added as /32 under a label of their own, so that an agent knows which are its own even after a
//! crash of the one before it, and removes nothing else.
//!
//! That an address is here lets programs bind to it and says nothing about who serves it: the kernel programs decide that
//! for each packet.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use futures_util::TryStreamExt;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::{AddressMessageBuilder, LinkMessageBuilder, LinkUnspec};
use thiserror::Error;

use super::{IfIndex, Network, cause, link::LinkError};

/// The interface.
const INTERFACE: &str = "lo";
/// The label of our addresses (`IFA_LABEL`; any text of 15 bytes, by custom the interface, a colon and a name).
const LABEL: &str = "lo:afc";
/// A virtual IP brings no network with it.
const PREFIX: u8 = 32;

/// What became of an address that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is there now.
    New,
    /// It was there, from this agent or the one before it.
    Kept,
    /// It was there from somebody else, and stays when we go.
    Foreign,
}

/// Why an address could not be put on `lo`, or taken off it.
#[derive(Debug, Error)]
pub enum AddressError {
    /// There is no `lo`.
    #[error(transparent)]
    Interface(#[from] LinkError),
    /// It could not be brought up.
    #[error("cannot bring lo up: {0}; run afc with CAP_NET_ADMIN")]
    Up(#[source] io::Error),
    /// Its addresses could not be read.
    #[error("cannot read the addresses of lo: {0}")]
    Read(#[source] io::Error),
    /// An address could not be added.
    #[error("cannot add {address} to lo: {source}; run afc with CAP_NET_ADMIN")]
    Add {
        /// The address.
        address: Ipv4Addr,
        /// Why.
        source: io::Error,
    },
    /// An address could not be removed.
    #[error("cannot remove {address} from lo: {source}; run `ip address del {address}/32 dev lo`")]
    Remove {
        /// The address.
        address: Ipv4Addr,
        /// Why.
        source: io::Error,
    },
}

/// The virtual IPs that this agent has on `lo`.
#[derive(Debug)]
pub struct VirtualIps {
    network: Arc<Network>,
    interface: IfIndex,
    ours: BTreeSet<Ipv4Addr>,
}

impl VirtualIps {
    /// Brings `lo` up and takes over the addresses that an agent before this one left.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn open(network: Arc<Network>) -> Result<Self, AddressError> {
        let link = network.link(INTERFACE).await?;
        if !link.up {
            let up = LinkMessageBuilder::<LinkUnspec>::default()
                .index(link.index.0)
                .up()
                .build();
            let brought = network.handle.link().set(up).execute().await;
            brought.map_err(|error| AddressError::Up(cause(error)))?;
        }
        let mut virtual_ips = Self {
            network,
            interface: link.index,
            ours: BTreeSet::new(),
        };
        virtual_ips.ours = virtual_ips.labelled().await?;
        Ok(virtual_ips)
    }

    /// The addresses that are ours.
    pub fn ours(&self) -> &BTreeSet<Ipv4Addr> {
        &self.ours
    }

    /// Makes sure that an address is there.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn add(&mut self, address: Ipv4Addr) -> Result<Added, AddressError> {
        if self.ours.contains(&address) {
            return Ok(Added::Kept);
        }
        let mut request = self
            .network
            .handle
            .address()
            .add(self.interface.0, IpAddr::V4(address), PREFIX);
        request
            .message_mut()
            .attributes
            .push(AddressAttribute::Label(LABEL.to_owned()));
        match request.execute().await.map_err(cause) {
            Ok(()) => {
                self.ours.insert(address);
                Ok(Added::New)
            }
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(Added::Foreign),
            Err(source) => Err(AddressError::Add { address, source }),
        }
    }

    /// Removes an address if it is ours. That it is gone already is no failure.
    ///
    /// # Errors
    /// The kernel refused; the address stays ours.
    pub async fn remove(&mut self, address: Ipv4Addr) -> Result<(), AddressError> {
        if !self.ours.contains(&address) {
            return Ok(());
        }
        // With the label, so that the kernel spares an address that somebody put in place of ours.
        let mut message = AddressMessageBuilder::<Ipv4Addr>::new()
            .index(self.interface.0)
            .address(address, PREFIX)
            .build();
        message.attributes.push(AddressAttribute::Label(LABEL.to_owned()));
        match self
            .network
            .handle
            .address()
            .del(message)
            .execute()
            .await
            .map_err(cause)
        {
            Err(source) if source.raw_os_error() != Some(libc::EADDRNOTAVAIL) => {
                Err(AddressError::Remove { address, source })
            }
            Ok(()) | Err(_) => {
                self.ours.remove(&address);
                Ok(())
            }
        }
    }

    /// Makes `wanted` what is ours: removes the others, which an earlier configuration had, and adds what is missing.
    ///
    /// # Errors
    /// The kernel refused one; those before it are done.
    pub async fn set(&mut self, wanted: &BTreeSet<Ipv4Addr>) -> Result<(), AddressError> {
        for address in self.ours.difference(wanted).copied().collect::<Vec<_>>() {
            self.remove(address).await?;
        }
        for &address in wanted {
            self.add(address).await?;
        }
        Ok(())
    }

    /// Removes all that are ours, at a clean stop. Goes on behind one that fails.
    ///
    /// # Errors
    /// The first refusal of the kernel.
    pub async fn remove_all(&mut self) -> Result<(), AddressError> {
        let mut first = Ok(());
        for address in self.ours.clone() {
            let removed = self.remove(address).await;
            first = first.and(removed);
        }
        first
    }

    async fn labelled(&self) -> Result<BTreeSet<Ipv4Addr>, AddressError> {
        let dump = self
            .network
            .handle
            .address()
            .get()
            .set_link_index_filter(self.interface.0)
            .execute();
        let messages: Vec<_> = dump
            .try_collect()
            .await
            .map_err(|error| AddressError::Read(cause(error)))?;
        let ours = messages.iter().filter(|message| {
            message
                .attributes
                .contains(&AddressAttribute::Label(LABEL.into()))
        });
        Ok(ours.filter_map(address_of).collect())
    }
}

fn address_of(message: &AddressMessage) -> Option<Ipv4Addr> {
    message.attributes.iter().find_map(|attribute| {
        let AddressAttribute::Local(IpAddr::V4(address)) = attribute else {
            return None;
        };
        Some(*address)
    })
}
