//! What `ip` is too slow or unable to do to an interface: flags and offloads, by `ioctl(2)`.

use std::{
    ffi::CString,
    io,
    net::UdpSocket,
    os::fd::{AsRawFd, OwnedFd},
};

use anyhow::{Context, Result};

use crate::netns::Netns;

/// `linux/sockios.h` and `linux/ethtool.h`.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_STXCSUM: u32 = 0x17;

/// `struct ethtool_value`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Whether a link is up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Carries packets.
    Up,
    /// As if the plug were pulled, for both ends of a veth pair.
    Down,
}

/// The interfaces of one namespace, reached through a socket of it: a call takes microseconds, where `ip` takes
/// milliseconds that a measurement would see.
#[derive(Debug)]
pub struct Interfaces {
    socket: OwnedFd,
}

impl Interfaces {
    /// Those of `namespace`.
    ///
    /// # Errors
    /// When the namespace can't be entered.
    pub fn of(namespace: &Netns) -> Result<Self> {
        let socket = namespace.enter(|| UdpSocket::bind("0.0.0.0:0"))?.context("a socket for ioctl")?;
        Ok(Self { socket: socket.into() })
    }

    /// Sets an interface up or down.
    ///
    /// # Errors
    /// Without such an interface, or without the right.
    pub fn set_link(&self, interface: &str, state: LinkState) -> Result<()> {
        let mut request = request_for(interface);
        self.ioctl(libc::SIOCGIFFLAGS as libc::c_ulong, &mut request)
            .with_context(|| format!("reading the flags of {interface}"))?;
        // SAFETY: SIOCGIFFLAGS has just filled in the flags.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        let up = libc::IFF_UP as libc::c_short;
        request.ifr_ifru.ifru_flags = match state {
            LinkState::Up => flags | up,
            LinkState::Down => flags & !up,
        };
        self.ioctl(libc::SIOCSIFFLAGS as libc::c_ulong, &mut request)
            .with_context(|| format!("setting {interface} {state:?}"))
    }

    /// Has checksums of leaving packets computed in software, before XDP sees them: what a veth hands to its peer carries
    /// unfinished checksums otherwise, and XDP_TX sends those on as they are.
    ///
    /// # Errors
    /// Without such an interface, or without the right.
    pub fn finish_checksums(&self, interface: &str) -> Result<()> {
        let mut value = EthtoolValue { command: ETHTOOL_STXCSUM, data: 0 };
        let mut request = request_for(interface);
        request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut value).cast();
        self.ioctl(SIOCETHTOOL, &mut request)
            .with_context(|| format!("turning tx checksums off on {interface}"))
    }

    /// One interface request.
    fn ioctl(&self, command: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: every command used here reads and writes at most one ifreq, and what its data pointer names lives
        // through the call.
        match unsafe { libc::ioctl(self.socket.as_raw_fd(), command as _, std::ptr::from_mut(request)) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The index of an interface of the calling thread's namespace.
pub(crate) fn index(interface: &str) -> io::Result<u32> {
    let name = CString::new(interface)?;
    // SAFETY: `name` is a C string that outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// An empty request about `interface`.
fn request_for(interface: &str) -> libc::ifreq {
    // SAFETY: ifreq is made of integers and pointers, for which all zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    assert!(interface.len() < request.ifr_name.len(), "the lab's interface names are short");
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request
}
