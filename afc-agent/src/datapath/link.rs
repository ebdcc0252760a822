//! What the kernel says about an interface, asked over netlink: its link address, its XDP program, and for a veth the
//! other end, be it in another namespace.
#![expect(clippy::wildcard_enum_match_arm, reason = "netlink's attributes are open-ended")]

use std::io;

use afc_ebpf::mac::Mac;
use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage, LinkXdp, XdpAttached},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::DatapathError;

/// An interface of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) ifindex: u32,
    pub(super) mac: Mac,
    pub(super) xdp: Option<Attached>,
    pub(super) peer: Peer,
}

/// An XDP program in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attached {
    pub(super) mode: AttachedMode,
    /// 0 where several are attached.
    pub(super) program_id: u32,
}

/// How it is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttachedMode {
    Native,
    Generic,
    /// In hardware, or in several modes at once.
    Other,
}

/// The other end of a veth pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Not a veth.
    None,
    /// It could not be looked at.
    Unknown,
    /// It was.
    Seen(Option<AttachedMode>),
}

impl Link {
    /// Asks for the interface of this name.
    pub(super) fn find(name: &str) -> Result<Self, DatapathError> {
        let netlink = |source| DatapathError::Netlink { name: name.into(), source };
        let mut request = LinkMessage::default();
        request.attributes.push(LinkAttribute::IfName(name.into()));
        let answer = match ask(request) {
            Ok(answer) => answer,
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                return Err(DatapathError::UnknownInterface { name: name.into() });
            }
            Err(error) => return Err(netlink(error)),
        };
        Ok(Self {
            name: name.into(),
            ifindex: answer.header.index,
            mac: mac(&answer.attributes),
            xdp: attached(&answer.attributes),
            peer: peer(&answer.attributes),
        })
    }
}

fn mac(attributes: &[LinkAttribute]) -> Mac {
    let address = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => <[u8; 6]>::try_from(bytes.as_slice()).ok(),
        _ => None,
    });
    address.map_or(Mac::UNKNOWN, Mac::from_bytes)
}

fn attached(attributes: &[LinkAttribute]) -> Option<Attached> {
    let xdp = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Xdp(xdp) => Some(xdp),
        _ => None,
    })?;
    let mut mode = None;
    let mut program_id = 0;
    for attribute in xdp {
        match attribute {
            LinkXdp::Attached(XdpAttached::Driver) => mode = Some(AttachedMode::Native),
            LinkXdp::Attached(XdpAttached::SocketBuffer) => mode = Some(AttachedMode::Generic),
            LinkXdp::Attached(XdpAttached::Hardware | XdpAttached::Multiple) => {
                mode = Some(AttachedMode::Other)
            }
            LinkXdp::ProgId(id) => program_id = *id,
            _ => {}
        }
    }
    mode.map(|mode| Attached { mode, program_id })
}

fn peer(attributes: &[LinkAttribute]) -> Peer {
    let mut is_veth = false;
    let mut ifindex = None;
    let mut namespace = None;
    for attribute in attributes {
        match attribute {
            LinkAttribute::LinkInfo(infos) => is_veth |= infos.contains(&LinkInfo::Kind(InfoKind::Veth)),
            LinkAttribute::Link(index) => ifindex = Some(*index),
            LinkAttribute::LinkNetNsId(id) => namespace = Some(*id),
            _ => {}
        }
    }
    match ifindex {
        _ if !is_veth => Peer::None,
        None => Peer::Unknown,
        Some(ifindex) => look_at_peer(ifindex, namespace),
    }
}

fn look_at_peer(ifindex: u32, namespace: Option<i32>) -> Peer {
    let mut request = LinkMessage::default();
    request.header.index = ifindex;
    if let Some(id) = namespace {
        // A negative id names a namespace that this one has no id for.
        if id < 0 {
            return Peer::Unknown;
        }
        // IFLA_TARGET_NETNSID under its older name (Linux 4.20).
        request.attributes.push(LinkAttribute::IfNetnsId(id));
    }
    match ask(request) {
        Ok(answer) => Peer::Seen(attached(&answer.attributes).map(|attached| attached.mode)),
        Err(error) => {
            tracing::debug!(%error, ifindex, "the other end of a veth can't be looked at");
            Peer::Unknown
        }
    }
}

/// One RTM_GETLINK and its answer.
fn ask(request: LinkMessage) -> io::Result<LinkMessage> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetLink(request));
    message.header.flags = NLM_F_REQUEST;
    message.header.sequence_number = 1;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let (answer, _from) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
    match answer.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => Ok(link),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(io::Error::other("not an answer to RTM_GETLINK")),
    }
}
