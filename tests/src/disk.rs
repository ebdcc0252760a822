//! Disks that the nodes of a lab can fill: each node's state lies on a small file system of its own, and a file of the lab's
//! takes what is left of it.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{Lab, config, spec::DiskSpec};

/// The file that fills a disk.
const FILLER: &str = "filler";
const CHUNK: [u8; 4096] = [1; 4096];

/// Mounts a disk of a node's own; the lab's janitor undoes it.
pub(crate) fn mount(spec: &DiskSpec, directory: &Path) -> Result<()> {
    let target = CString::new(directory.display().to_string())?;
    let options = CString::new(format!("size={}m,mode=0700", spec.total_mib))?;
    // SAFETY: all four strings live through the call.
    let status = unsafe {
        let options = options.as_ptr().cast();
        libc::mount(c"tmpfs".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), 0, options)
    };
    ensure!(status == 0, "mounting a tmpfs at {}: {}", directory.display(), io::Error::last_os_error());
    Ok(())
}

impl Lab {
    /// Takes all that is left of a node's disk.
    ///
    /// # Errors
    /// When the lab's nodes have no disks of their own, or writing fails for another reason than a full disk.
    pub fn fill_disk(&self, node: &str) -> Result<()> {
        let path = self.filler(node)?;
        let mut file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        loop {
            match file.write(&CHUNK) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => bail!("writing {}: {error}", path.display()),
            }
        }
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When the lab's nodes have no disks of their own.
    pub fn free_disk(&self, node: &str) -> Result<()> {
        let path = self.filler(node)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn filler(&self, node: &str) -> Result<PathBuf> {
        ensure!(self.spec().disk.is_some(), "the nodes of this lab have no disks of their own");
        Ok(self.directory().join(node).join(config::STATE).join(FILLER))
    }
}
