//! Changes of links and neighbours as they happen.
//!
//! The kernel tells whoever listens; when it cannot keep up, [`Change::Lost`] says that something was missed, and the
//! listener reads everything anew.

use futures_util::{Stream, StreamExt, stream};
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::MulticastGroup;
use tokio::task::JoinHandle;

use super::{
    ConnectError,
    link::{Link, link_of},
    neighbour::{Neighbour, neighbour_of},
};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An Ethernet interface came, or something about it changed.
    Link(Link),
    /// The interface with this index went away.
    LinkGone(u32),
    /// A neighbour's link address became known, or changed.
    Neighbour(Neighbour),
    /// Changes were missed: read everything anew.
    Lost,
}

/// Ends the connection with the stream that it feeds.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens to changes in the network namespace of the calling thread. Needs a tokio runtime; dropping the stream ends it.
/// It ends by itself only when the kernel closes the socket.
///
/// # Errors
/// The kernel gave no socket.
pub fn watch() -> Result<impl Stream<Item = Change> + Send + Unpin, ConnectError> {
    let groups = [MulticastGroup::Link, MulticastGroup::Neigh];
    let (connection, _, messages) = rtnetlink::new_multicast_connection(&groups)?;
    let state = (Connection(tokio::spawn(connection)), messages);
    let changes = stream::unfold(state, |(connection, mut messages)| async move {
        loop {
            let (message, _) = messages.next().await?;
            if let Some(change) = change_of(message.payload) {
                return Some((change, (connection, messages)));
            }
        }
    });
    Ok(Box::pin(changes))
}

fn change_of(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Change> {
    if let NetlinkPayload::Overrun(_) = payload {
        return Some(Change::Lost);
    }
    let NetlinkPayload::InnerMessage(message) = payload else {
        return None;
    };
    if let RouteNetlinkMessage::NewLink(message) = &message {
        link_of(message).map(Change::Link)
    } else if let RouteNetlinkMessage::DelLink(message) = &message {
        Some(Change::LinkGone(message.header.index))
    } else if let RouteNetlinkMessage::NewNeighbour(message) = &message {
        neighbour_of(message).map(Change::Neighbour)
    } else {
        None
    }
}
