//! Replaces a small file so that a crash or a power cut leaves the old content or the new, never a mixture.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Which step of replacing a file failed.
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

/// Makes `text` the content of `dir`/`name`; it is on the disk when this returns.
pub(super) fn replace(dir: &Path, name: &str, text: &str) -> Result<(), WriteError> {
    let path = dir.join(name);
    let temporary = dir.join(format!("{name}.new"));
    let step = |step, path: &Path| {
        let path = path.to_owned();
        move |source| WriteError { step, path, source }
    };
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(step("create", &temporary))?;
    file.write_all(text.as_bytes()).map_err(step("write", &temporary))?;
    file.sync_all().map_err(step("write", &temporary))?;
    fs::rename(&temporary, &path).map_err(step("replace", &path))?;
    // The rename is safe only with its directory.
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
    fn a_replaced_file_has_the_new_content_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["one", "a longer one", ""] {
            replace(dir.path(), "f", text).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), text);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_crash_left_behind_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f.new"), "half a fi").unwrap();
        replace(dir.path(), "f", "whole").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "whole");
    }

    #[test]
    fn a_failed_step_is_named_with_its_fix() {
        let error = replace(Path::new("/proc"), "f", "x").unwrap_err();
        assert_eq!((error.step, error.path.as_path()), ("create", Path::new("/proc/f.new")));
        for (code, wanted) in
            [(libc::ENOSPC, "make room"), (libc::EROFS, "mount it writable"), (libc::EIO, "check the")]
        {
            let error =
                WriteError { step: "write", path: "/x".into(), source: io::Error::from_raw_os_error(code) };
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
}
