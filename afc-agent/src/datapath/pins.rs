//! Where maps and links are pinned: `<bpf_dir>/afc-<cluster>-<node>/<layout hash>/`. Nothing here loads or attaches.
//!
//! Maps are adopted only under their own layout hash. Links are adopted from any layout of this node: their program is
//! replaced atomically, and the pin moves over, so that nothing is detached when the layout changes.

use std::{
    ffi::CString,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
};

use super::{DatapathError, syscall};

/// The pins of one node under one layout.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    node: PathBuf,
    layout: PathBuf,
}

/// Which program a pinned link attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Xdp,
    Egress,
}

impl Pins {
    /// Finds or makes the directory, on a bpffs that is mounted if there is none.
    pub(super) fn open(
        bpf_dir: &Path,
        cluster: &str,
        node: &str,
        layout: &str,
    ) -> Result<Self, DatapathError> {
        ensure_bpffs(bpf_dir)
            .map_err(|source| DatapathError::BpfDirectory { path: bpf_dir.into(), source })?;
        let node = bpf_dir.join(format!("afc-{}-{}", escape(cluster), escape(node)));
        let layout = node.join(layout);
        let links = layout.join("links");
        create_private(&links).map_err(|source| DatapathError::pin(&links, source))?;
        Ok(Self { node, layout })
    }

    /// Whether nothing is pinned under this layout.
    pub(super) fn is_empty(&self) -> Result<bool, DatapathError> {
        let is_link_dir = |path: &PathBuf| *path == self.links();
        Ok(entries(&self.layout)?.iter().all(is_link_dir) && entries(&self.links())?.is_empty())
    }

    /// The pin of a map.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.layout.join(name)
    }

    /// The pin of an interface's link.
    pub(super) fn link(&self, hook: Hook, interface: &str) -> PathBuf {
        let hook = match hook {
            Hook::Xdp => "xdp",
            Hook::Egress => "egress",
        };
        self.links().join(format!("{hook}-{}", escape(interface)))
    }

    /// Moves links that are pinned under other layouts here, and removes what else is there.
    pub(super) fn move_links_from_other_layouts(&self) -> Result<(), DatapathError> {
        for layout in self.other_layouts()? {
            for link in entries(&layout.join("links"))? {
                let Some(name) = link.file_name() else { continue };
                let here = self.links().join(name);
                if !here.exists() {
                    fs::rename(&link, &here).map_err(|source| DatapathError::pin(&link, source))?;
                }
            }
        }
        Ok(())
    }

    /// Removes every other layout's maps.
    pub(super) fn remove_other_layouts(&self) -> Result<(), DatapathError> {
        self.other_layouts()?.iter().try_for_each(|layout| remove_tree(layout))
    }

    /// Detaches and removes the links that are not in `kept`.
    pub(super) fn remove_links_except(&self, kept: &[PathBuf]) -> Result<(), DatapathError> {
        for link in entries(&self.links())? {
            if !kept.contains(&link) {
                remove_link(&link)?;
            }
        }
        Ok(())
    }

    /// Detaches and removes everything of this node.
    pub(super) fn remove_all(&self) -> Result<(), DatapathError> {
        self.remove_links_except(&[])?;
        remove_tree(&self.node)
    }

    /// Removes the pins of this layout, to which nothing is attached; other layouts' stay.
    pub(super) fn remove_layout(&self) -> Result<(), DatapathError> {
        let unused = if self.other_layouts()?.is_empty() { &self.node } else { &self.layout };
        remove_tree(unused)
    }

    fn links(&self) -> PathBuf {
        self.layout.join("links")
    }

    fn other_layouts(&self) -> Result<Vec<PathBuf>, DatapathError> {
        let mut layouts = entries(&self.node)?;
        layouts.retain(|layout| *layout != self.layout);
        Ok(layouts)
    }
}

/// Detaches the link that is pinned here, if one is, and removes the pin.
pub(super) fn remove_link(path: &Path) -> Result<(), DatapathError> {
    syscall::detach_pinned_link(path).map_err(|source| DatapathError::pin(path, source))?;
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(DatapathError::pin(path, source)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn remove_tree(path: &Path) -> Result<(), DatapathError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(DatapathError::pin(path, source)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What lies in a directory; nothing where there is no directory.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, DatapathError> {
    let list = match fs::read_dir(directory) {
        Ok(list) => list,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(DatapathError::pin(directory, source)),
    };
    list.map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|source| DatapathError::pin(directory, source))
}

/// A name that bpffs takes: it refuses dots, and a slash would leave the directory. Other names stay readable.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("_{byte:02x}"));
        }
    }
    escaped
}

fn create_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn ensure_bpffs(directory: &Path) -> io::Result<()> {
    create_private(directory)?;
    let target = CString::new(directory.as_os_str().as_bytes())?;
    if is_bpffs(&target)? {
        return Ok(());
    }
    // SAFETY: every string is NUL-terminated and outlives the call.
    let status = unsafe {
        libc::mount(c"bpf".as_ptr(), target.as_ptr(), c"bpf".as_ptr(), 0, c"mode=0700".as_ptr().cast())
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn is_bpffs(directory: &CString) -> io::Result<bool> {
    let mut info = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the path is NUL-terminated, and `info` is large enough to be written.
    if unsafe { libc::statfs(directory.as_ptr(), info.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed before and filled by the call; every bit pattern is valid.
    let info = unsafe { info.assume_init() };
    Ok(info.f_type == libc::BPF_FS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_name_has_no_dot_and_no_slash_and_differs_where_the_names_do() {
        assert_eq!(escape("eth0"), "eth0");
        assert_eq!(escape("eth0.100"), "eth0_2e100");
        assert_eq!(escape("../x"), "_2e_2e_2fx");
        assert_ne!(escape("a_2e"), escape("a."));
    }
}
