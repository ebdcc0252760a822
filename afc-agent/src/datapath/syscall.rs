//! What aya does not offer of `bpf(2)`: what a pinned link is attached to, and detaching it at once. Nothing else is
//! called raw.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

const BPF_OBJ_GET: libc::c_int = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_LINK_DETACH: libc::c_int = 34;

/// The head of the kernel's `struct bpf_link_info`, as far as XDP and tcx links fill it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub(super) struct LinkInfo {
    kind: u32,
    pub(super) id: u32,
    pub(super) program_id: u32,
    padding: u32,
    /// Zero once the interface is gone.
    pub(super) ifindex: u32,
    attach_type: u32,
}

#[repr(C, align(8))]
struct ObjectGet {
    path: u64,
    fd: u32,
    flags: u32,
}

#[repr(C, align(8))]
struct ObjectInfo {
    fd: u32,
    bytes: u32,
    info: u64,
}

#[repr(C, align(8))]
struct LinkDetach {
    fd: u32,
    padding: u32,
}

/// What the link pinned at `path` is attached to; `None` where nothing is pinned.
pub(super) fn pinned_link(path: &Path) -> io::Result<Option<LinkInfo>> {
    let fd = match object_get(path) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut info = LinkInfo::default();
    let mut attribute = ObjectInfo {
        fd: fd.as_raw_fd() as u32,
        bytes: size_of::<LinkInfo>() as u32,
        info: (&raw mut info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attribute)?;
    Ok(Some(info))
}

/// Detaches the link pinned at `path`, if there is one. When this returns it is done (Linux 5.9): the last reference to a
/// link alone would have the kernel detach it some time later.
pub(super) fn detach_pinned_link(path: &Path) -> io::Result<()> {
    let fd = match object_get(path) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut attribute = LinkDetach { fd: fd.as_raw_fd() as u32, padding: 0 };
    bpf(BPF_LINK_DETACH, &mut attribute).map(drop)
}

fn object_get(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attribute = ObjectGet { path: path.as_ptr() as u64, fd: 0, flags: 0 };
    let fd = bpf(BPF_OBJ_GET, &mut attribute)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The system call. `T` is the part of `union bpf_attr` that the command reads, with pointers to live memory in it.
fn bpf<T>(command: libc::c_int, attribute: &mut T) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes `attribute` within its size and what the two callers point it to.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attribute, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}
