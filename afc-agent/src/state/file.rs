//! Writes a file of one fixed length over itself: an agent must be able to start on a full disk.
//!
//! It stays within one sector. A power cut that tears even that leaves damage, which its reader has to bear.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Which step of writing a file failed.
#[derive(Debug, Error)]
#[error("cannot {step} {}: {source}; {}", path.display(), fix(source))]
pub struct WriteError {
    /// The step.
    pub step: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Makes `text` the content of `dir`/`name`; it is on the disk when this returns. Where the file is there already and as
/// long, that takes no room.
pub(super) fn overwrite(dir: &Path, name: &str, text: &str) -> Result<(), WriteError> {
    let path = dir.join(name);
    let step = |step, path: &Path| {
        let path = path.to_owned();
        move |source| WriteError { step, path, source }
    };
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(step("create", &path))?;
    file.write_all_at(text.as_bytes(), 0).map_err(step("write", &path))?;
    file.set_len(text.len() as u64).map_err(step("write", &path))?;
    file.sync_all().map_err(step("write", &path))?;
    // A new file is safe only with its directory.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(step("sync", dir))
}

/// What people can do about an error of the state directory's disk.
pub(crate) fn fix(error: &io::Error) -> &'static str {
    const FIXES: [(io::ErrorKind, &str); 4] = [
        (io::ErrorKind::StorageFull, "make room on its file system"),
        (io::ErrorKind::QuotaExceeded, "make room on its file system"),
        (io::ErrorKind::ReadOnlyFilesystem, "mount it writable, or name another state_dir in [agent]"),
        (io::ErrorKind::PermissionDenied, "let afc's user write there, or name another state_dir in [agent]"),
    ];
    let known = FIXES.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or("check the file system, or name another state_dir in [agent]", |(_, fix)| fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_new_content_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["one", "a longer one", "x", ""] {
            overwrite(dir.path(), "f", text).unwrap();
            assert_eq!(std::fs::read_to_string(dir.path().join("f")).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_step_is_named_with_its_fix() {
        let error = overwrite(Path::new("/proc"), "f", "x").unwrap_err();
        assert_eq!((error.step, error.path.as_path()), ("create", Path::new("/proc/f")));
        for (code, wanted) in
            [(libc::ENOSPC, "make room"), (libc::EROFS, "mount it writable"), (libc::EIO, "check the")]
        {
            let error =
                WriteError { step: "write", path: "/x".into(), source: io::Error::from_raw_os_error(code) };
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
}
