//! Attaches the fence of what leaves: a pinned tcx link since Linux 6.6, before that a clsact filter at a fixed place.
//!
//! A clsact filter outlives the process by itself and is replaced in place, so both survive a restart alike.

use std::{io, path::Path};

use aya::{
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        links::{FdLink, PinnedLink},
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle},
    },
    util::KernelVersion,
};
use tracing::debug;

use super::{DatapathError, attach::system_error, link::Link, pins, syscall};

/// Where our clsact filter sits.
const PRIORITY: u16 = 0xafc;
const HANDLE: TcHandle = TcHandle::new(0, 1);

/// What the fence hangs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EgressHook {
    /// tcx where the kernel has it, else clsact.
    #[default]
    Auto,
    /// A clsact filter, on any kernel.
    Clsact,
}

impl EgressHook {
    fn is_tcx(self) -> bool {
        match self {
            Self::Auto => {
                KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 6, 0))
            }
            Self::Clsact => false,
        }
    }
}

/// Attaches `program` to what leaves by `link`; whether it was not there before.
pub(super) fn attach(
    program: &mut SchedClassifier,
    link: &Link,
    hook: EgressHook,
    pin: &Path,
) -> Result<bool, DatapathError> {
    if hook.is_tcx() { attach_tcx(program, link, pin) } else { attach_clsact(program, link) }
}

/// Takes off what `attach` left on a clsact qdisc. A tcx link goes with its pin.
pub(super) fn detach_clsact(link: &Link) {
    // The qdisc stays: it may be somebody else's, and without filters it does nothing.
    match filter_of(link).and_then(|filter| aya::programs::Link::detach(filter).map_err(io::Error::other)) {
        Ok(()) => {}
        Err(error) => debug!(interface = %link.name, %error, "no clsact filter to remove"),
    }
}

/// Whether the program with this number still stands in the way of what leaves. A clsact filter is not looked for: only
/// netlink knows of it, and whoever removes the qdisc removes other filters as well.
pub(super) fn is_attached(link: &Link, hook: EgressHook, program_id: u32) -> Result<bool, DatapathError> {
    if !hook.is_tcx() {
        return Ok(true);
    }
    let queried = SchedClassifier::query_tcx(&link.name, TcAttachType::Egress);
    let (_, programs) = queried.map_err(|source| refused(link, source))?;
    Ok(programs.iter().any(|program| program.id() == program_id))
}

fn attach_tcx(program: &mut SchedClassifier, link: &Link, pin: &Path) -> Result<bool, DatapathError> {
    let refused = |source| refused(link, source);
    let pinned = syscall::pinned_link(pin).map_err(|source| DatapathError::pin(pin, source))?;
    if pinned.is_some_and(|pinned| pinned.ifindex == link.ifindex) {
        let unusable = |error| DatapathError::pin(pin, io::Error::other(error));
        let pinned = PinnedLink::from_pin(pin).map_err(unusable)?;
        let old = SchedClassifierLink::try_from(FdLink::from(pinned)).map_err(unusable)?;
        let id = program.attach_to_link(old).map_err(refused)?;
        drop(program.take_link(id).map_err(refused)?);
        return Ok(false);
    }
    pins::remove_link(pin)?;
    // First, so that no other program lets pass what the fence would stop.
    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = program.attach_with_options(&link.name, TcAttachType::Egress, options).map_err(refused)?;
    let created = program.take_link(id).map_err(refused)?;
    let created =
        FdLink::try_from(created).map_err(|_| DatapathError::NotALink { name: link.name.clone() })?;
    created.pin(pin).map_err(|error| DatapathError::pin(pin, io::Error::other(error)))?;
    Ok(true)
}

fn attach_clsact(program: &mut SchedClassifier, link: &Link) -> Result<bool, DatapathError> {
    let refused = |source| refused(link, source);
    match tc::qdisc_add_clsact(&link.name) {
        Err(error) if system_error(&error) != Some(libc::EEXIST) => return Err(refused(error.into())),
        Ok(()) | Err(_) => {}
    }
    let old = filter_of(link).map_err(|source| DatapathError::Netlink { name: link.name.clone(), source })?;
    let (id, is_new) = match program.attach_to_link(old) {
        Ok(id) => (id, false),
        Err(_nothing_to_replace) => {
            let options = NlOptions { priority: PRIORITY, handle: HANDLE, classid: None };
            let options = TcAttachOptions::Netlink(options);
            (program.attach_with_options(&link.name, TcAttachType::Egress, options).map_err(refused)?, true)
        }
    };
    // Dropping the link would detach it.
    std::mem::forget(program.take_link(id).map_err(refused)?);
    Ok(is_new)
}

/// Our filter, whether it is there or not.
fn filter_of(link: &Link) -> io::Result<SchedClassifierLink> {
    SchedClassifierLink::attached(&link.name, TcAttachType::Egress, PRIORITY, HANDLE, None)
}

fn refused(link: &Link, source: ProgramError) -> DatapathError {
    DatapathError::Egress { name: link.name.clone(), source: Box::new(source) }
}
