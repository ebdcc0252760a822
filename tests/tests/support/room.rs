//! A small file system of one test, in the place of a directory: to fill it, or to make it read-only.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// What fills it.
const FILLER: &str = "filler";

/// The file system. Only this thread, and what it starts, sees it, so it goes with them.
pub(crate) struct Room {
    path: PathBuf,
}

impl Room {
    /// Mounts one of some KiB on a directory. Fails loudly without root.
    pub(crate) fn mount(path: &Path, kib: u32) -> Self {
        // SAFETY: unshare takes no pointers; other threads keep their own view of mounts.
        let status = unsafe { libc::unshare(libc::CLONE_NEWNS) };
        assert_eq!(status, 0, "this test needs root: {}", io::Error::last_os_error());
        mount("none", Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE);
        mount("tmpfs", path, Some(&format!("size={kib}k,mode=0700")), 0);
        Self { path: path.to_owned() }
    }

    /// Leaves no room.
    pub(crate) fn fill(&self) {
        let mut filler = File::create(self.path.join(FILLER)).unwrap();
        for size in [4096, 1] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
    }

    /// Makes room again.
    pub(crate) fn empty(&self) {
        fs::remove_file(self.path.join(FILLER)).unwrap();
    }
}

/// Mounts a file system, or changes a mounted one, for this thread and what it starts.
pub(crate) fn mount(source: &str, target: &Path, options: Option<&str>, flags: libc::c_ulong) {
    let text = |text: &str| CString::new(text).unwrap();
    let (source, target) = (text(source), CString::new(target.as_os_str().as_encoded_bytes()).unwrap());
    let options = options.map(text);
    let data = options.as_ref().map_or(std::ptr::null(), |options| options.as_ptr());
    // SAFETY: all strings live through the call and end with a zero byte; tmpfs takes a string or nothing.
    let status =
        unsafe { libc::mount(source.as_ptr(), target.as_ptr(), source.as_ptr(), flags, data.cast()) };
    assert_eq!(status, 0, "mounting on {target:?}: {}", io::Error::last_os_error());
}
