//! Virtual IPs on `lo`: added as /32 under a label of their own, so that an agent knows which are its own even after a
//! crash of the one before it, and removes nothing else.
//!
//! That an address is here lets programs bind to it and says nothing about who serves it: the kernel programs decide that
//! for each packet.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr},
};

use futures_util::TryStreamExt;
use netlink_packet_route::{
    address::{AddressAttribute, AddressMessage},
    link::LinkFlags,
};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};
use thiserror::Error;

use super::{Network, cause, link::LinkError};

/// The interface.
const INTERFACE: &str = "lo";
/// The label of our addresses (`IFA_LABEL`: any text of 15 bytes, by custom the interface, a colon and a name).
const LABEL: &str = "lo:afc";
/// A virtual IP brings no network with it.
const PREFIX: u8 = 32;

/// What became of an address that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is there now.
    New,
    /// It was there: from the agent before this one, or from somebody else, and then it stays when we go.
    WasThere,
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

impl Network {
    /// Puts a virtual IP on `lo`, and brings `lo` up.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn add_virtual(&self, address: Ipv4Addr) -> Result<Added, AddressError> {
        let lo = self.link_message(INTERFACE).await?.header;
        if !lo.flags.contains(LinkFlags::Up) {
            let up = LinkMessageBuilder::<LinkUnspec>::default().index(lo.index).up().build();
            let brought = self.handle.link().set(up).execute().await;
            brought.map_err(|error| AddressError::Up(cause(error)))?;
        }
        let mut request = self.handle.address().add(lo.index, IpAddr::V4(address), PREFIX);
        request.message_mut().attributes.push(AddressAttribute::Label(LABEL.to_owned()));
        match request.execute().await.map_err(cause) {
            Ok(()) => Ok(Added::New),
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(Added::WasThere),
            Err(source) => Err(AddressError::Add { address, source }),
        }
    }

    /// The virtual IPs that are ours: from this agent, or left by the one before it.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn virtuals(&self) -> Result<BTreeSet<Ipv4Addr>, AddressError> {
        Ok(self.labelled().await?.iter().filter_map(address_of).collect())
    }

    /// Removes those of ours that are not in `wanted`, such as what an earlier configuration had.
    ///
    /// # Errors
    /// The first refusal of the kernel; the others are removed all the same.
    pub async fn retain_virtuals(&self, wanted: &BTreeSet<Ipv4Addr>) -> Result<(), AddressError> {
        let mut result = Ok(());
        for message in self.labelled().await? {
            let Some(address) = address_of(&message).filter(|address| !wanted.contains(address)) else { continue };
            // The message has our label, so the kernel spares an address that somebody put in place of ours meanwhile.
            let removed = match self.handle.address().del(message).execute().await.map_err(cause) {
                Err(source) if source.raw_os_error() != Some(libc::EADDRNOTAVAIL) => {
                    Err(AddressError::Remove { address, source })
                }
                Ok(()) | Err(_) => Ok(()),
            };
            result = result.and(removed);
        }
        result
    }

    /// Removes all that are ours, at a clean stop.
    ///
    /// # Errors
    /// The first refusal of the kernel; the others are removed all the same.
    pub async fn remove_virtuals(&self) -> Result<(), AddressError> {
        self.retain_virtuals(&BTreeSet::new()).await
    }

    async fn labelled(&self) -> Result<Vec<AddressMessage>, AddressError> {
        let lo = self.link_message(INTERFACE).await?.header.index;
        let dump = self.handle.address().get().set_link_index_filter(lo).execute();
        let mut messages: Vec<_> = dump.try_collect().await.map_err(|error| AddressError::Read(cause(error)))?;
        let label = AddressAttribute::Label(LABEL.to_owned());
        messages.retain(|message| message.attributes.contains(&label));
        Ok(messages)
    }
}

fn address_of(message: &AddressMessage) -> Option<Ipv4Addr> {
    message.attributes.iter().find_map(|attribute| {
        let AddressAttribute::Local(IpAddr::V4(address)) = attribute else { return None };
        Some(*address)
    })
}
