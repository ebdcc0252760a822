//! Attaches the XDP program to one interface as a pinned bpf_link, in the mode that really works there.
//!
//! A link that is pinned already gets the new program in one atomic step. Nothing is attached over netlink: such a
//! program would neither be pinned nor replaced.

use std::{io, path::Path};

use aya::programs::{
    ProgramError, Xdp, XdpMode,
    links::{FdLink, PinnedLink},
    loaded_links, loaded_programs,
    xdp::XdpLink,
};
use tracing::info;

use super::{
    DatapathError,
    link::{Attached, AttachedMode, Link, Peer},
    pins, syscall,
};

/// How the configuration wants XDP attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WantedMode {
    /// In the driver, or not at all.
    Native,
    /// Behind the driver, slower, everywhere.
    Generic,
    /// Native where it works and its transmit is not known to vanish, else generic.
    #[default]
    Auto,
}

/// How XDP is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// Behind the driver.
    Generic,
}

impl Mode {
    /// The name in `status` and in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// What attaching did.
pub(super) struct Attachment {
    pub(super) mode: Mode,
    /// Whether the link is new, so that a failure elsewhere takes it off again.
    pub(super) is_new: bool,
}

/// Attaches `program` to `link`, pinned at `pin`.
pub(super) fn attach(
    program: &mut Xdp,
    link: &Link,
    wanted: WantedMode,
    pin: &Path,
) -> Result<Attachment, DatapathError> {
    let modes = modes(wanted, link.peer);
    let pinned = syscall::pinned_link(pin).map_err(|source| DatapathError::pin(pin, source))?;
    let is_ours = pinned.is_some_and(|pinned| {
        pinned.ifindex == link.ifindex && link.xdp.is_some_and(|xdp| xdp.program_id == pinned.program_id)
    });
    match link.xdp {
        Some(xdp) if !is_ours => return Err(other_program(link, xdp)),
        Some(xdp) => {
            if let Some(mode) = modes.iter().copied().find(|mode| xdp.mode == (*mode).into()) {
                replace(program, link, pin)?;
                return Ok(Attachment { mode, is_new: false });
            }
        }
        None => {}
    }
    // Of another mode, or of an interface that is gone.
    pins::remove_link(pin)?;
    create_in_first(program, link, modes, pin)
}

/// Modes to try, the best first.
fn modes(wanted: WantedMode, peer: Peer) -> &'static [Mode] {
    match (wanted, peer) {
        (WantedMode::Native, _) => &[Mode::Native],
        (WantedMode::Generic, _) => &[Mode::Generic],
        (WantedMode::Auto, Peer::None | Peer::Seen(Some(AttachedMode::Native | AttachedMode::Other))) => {
            &[Mode::Native, Mode::Generic]
        }
        // A veth's native XDP_TX is lost, and counted as sent, unless the other end has native XDP too.
        (WantedMode::Auto, Peer::Unknown | Peer::Seen(None | Some(AttachedMode::Generic))) => {
            &[Mode::Generic]
        }
    }
}

impl From<Mode> for AttachedMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Native => Self::Native,
            Mode::Generic => Self::Generic,
        }
    }
}

/// Gives a pinned link the new program, atomically.
fn replace(program: &mut Xdp, link: &Link, pin: &Path) -> Result<(), DatapathError> {
    let refused = |source| DatapathError::XdpRefused { name: link.name.clone(), source: Box::new(source) };
    let unusable = |error| DatapathError::pin(pin, io::Error::other(error));
    let pinned = PinnedLink::from_pin(pin).map_err(unusable)?;
    let old = XdpLink::try_from(FdLink::from(pinned)).map_err(unusable)?;
    let id = program.attach_to_link(old).map_err(refused)?;
    // Still pinned, so it stays attached without this descriptor.
    drop(program.take_link(id).map_err(refused)?);
    Ok(())
}

fn create_in_first(
    program: &mut Xdp,
    link: &Link,
    modes: &[Mode],
    pin: &Path,
) -> Result<Attachment, DatapathError> {
    let mut refusal = None;
    for mode in modes.iter().copied() {
        match create(program, link, mode, pin) {
            Ok(()) => return Ok(Attachment { mode, is_new: true }),
            Err(error @ (DatapathError::NativeRefused { .. } | DatapathError::NotALink { .. })) => {
                info!(interface = %link.name, mode = mode.name(), %error, "XDP mode not available");
                refusal = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refusal.expect("there is at least one mode"))
}

fn create(program: &mut Xdp, link: &Link, mode: Mode, pin: &Path) -> Result<(), DatapathError> {
    let name = || link.name.clone();
    let flags = match mode {
        Mode::Native => XdpMode::Driver,
        Mode::Generic => XdpMode::Skb,
    };
    let id = program.attach_to_if_index(link.ifindex, flags).map_err(|error| refused(link, mode, error))?;
    let created = program.take_link(id).map_err(|error| refused(link, mode, error))?;
    // aya falls back to netlink on EINVAL; dropping that link detaches it.
    let created = FdLink::try_from(created).map_err(|_| DatapathError::NotALink { name: name() })?;
    created.pin(pin).map_err(|error| DatapathError::pin(pin, io::Error::other(error)))?;
    Ok(())
}

fn refused(link: &Link, mode: Mode, error: ProgramError) -> DatapathError {
    let (name, source) = (link.name.clone(), Box::new(error));
    match system_error(&source) {
        Some(libc::EBUSY | libc::EEXIST) => {
            let xdp = Link::find(&link.name).ok().and_then(|link| link.xdp);
            other_program(link, xdp.unwrap_or(Attached { mode: AttachedMode::Other, program_id: 0 }))
        }
        Some(libc::EPERM | libc::EACCES) => DatapathError::NoPermission { what: "attach XDP programs" },
        _ => match mode {
            Mode::Native => DatapathError::NativeRefused { name, source },
            Mode::Generic => DatapathError::XdpRefused { name, source },
        },
    }
}

/// The error number under an error of aya's.
pub(super) fn system_error(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut error = Some(error);
    while let Some(current) = error {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        error = current.source();
    }
    None
}

/// Says what is in the way and how to remove it.
fn other_program(link: &Link, xdp: Attached) -> DatapathError {
    let id = xdp.program_id;
    let known = loaded_programs().filter_map(Result::ok).find(|program| program.id() == id);
    let program = match known.as_ref().and_then(|program| program.name_as_str()) {
        Some(name) => format!("{name}, id {id}"),
        None => format!("id {id}"),
    };
    let holder = loaded_links().filter_map(Result::ok).find(|held| id != 0 && held.program_id() == id);
    let fix = match (holder, xdp.mode) {
        (Some(holder), _) => format!("bpftool link detach id {}", holder.id()),
        (None, AttachedMode::Generic) => format!("ip link set dev {} xdpgeneric off", link.name),
        (None, AttachedMode::Native | AttachedMode::Other) => {
            format!("ip link set dev {} xdp off", link.name)
        }
    };
    DatapathError::OtherProgram { name: link.name.clone(), program, fix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_avoids_native_where_a_veth_would_lose_what_it_transmits() {
        let both: &[Mode] = &[Mode::Native, Mode::Generic];
        let table = [
            (WantedMode::Auto, Peer::None, both),
            (WantedMode::Auto, Peer::Seen(Some(AttachedMode::Native)), both),
            (WantedMode::Auto, Peer::Seen(Some(AttachedMode::Other)), both),
            (WantedMode::Auto, Peer::Seen(Some(AttachedMode::Generic)), &[Mode::Generic]),
            (WantedMode::Auto, Peer::Seen(None), &[Mode::Generic]),
            (WantedMode::Auto, Peer::Unknown, &[Mode::Generic]),
            (WantedMode::Native, Peer::Seen(None), &[Mode::Native]),
            (WantedMode::Generic, Peer::None, &[Mode::Generic]),
        ];
        for (wanted, peer, expected) in table {
            assert_eq!(modes(wanted, peer), expected, "{wanted:?} {peer:?}");
        }
    }
}
