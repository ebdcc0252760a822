//! Whether a directory forgets when the machine restarts: floors of epochs must not.

use std::{ffi::CString, io, mem::MaybeUninit, os::unix::ffi::OsStrExt, path::Path};

/// File systems in memory (`linux/magic.h`).
const IN_MEMORY: [i64; 2] = [0x0102_1994 /* tmpfs */, 0x8584_58f6 /* ramfs */];

/// Whether `path`, or the nearest directory above it that exists, is in memory.
///
/// # Errors
/// The kernel does not say.
pub fn is_volatile(path: &Path) -> io::Result<bool> {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let name = CString::new(existing.as_os_str().as_bytes())?;
    let mut statistics = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `name` ends with a zero byte and `statistics` has room for what the kernel writes.
    if unsafe { libc::statfs(name.as_ptr(), statistics.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statfs filled it, for it returned 0.
    let statistics = unsafe { statistics.assume_init() };
    Ok(IN_MEMORY.contains(&statistics.f_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_volatile_and_not_every_file_system_is() {
        assert!(is_volatile(Path::new("/dev/shm/none/of/this/exists")).unwrap());
        assert!(!is_volatile(Path::new("/proc")).unwrap());
    }
}
