//! The socket's file: made with its mode, taken over from a dead agent, never from a living one, removed at the end.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;
use tracing::warn;

/// The owner and the group may ask.
const MODE: u32 = 0o660;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// Why the agent cannot listen.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another agent answers there.
    #[error("another afc listens at {}; stop it, or name another control_socket in [agent]", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{} is there and is no socket; move it away, or name another control_socket in [agent]", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Its directory could not be made.
    #[error("cannot make the directory {}: {source}; make it, or name another control_socket in [agent]", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket could not be made.
    #[error("cannot listen at {}: {source}; let afc's user write there, or name another control_socket in [agent]", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The file, while it is ours. Dropping it removes it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another agent may have put its own in place of ours.
    identity: (u64, u64),
}

/// Listens at `path`.
pub(super) fn bind(path: &Path) -> Result<(UnixListener, SocketFile), BindError> {
    if let Some(dir) = path.parent() {
        let made = fs::create_dir_all(dir);
        made.map_err(|source| BindError::Directory { path: dir.to_owned(), source })?;
    }
    clear(path)?;
    let bound = listen(path).and_then(|listener| Ok((listener, identity(path)?)));
    let (listener, identity) = bound.map_err(|source| BindError::Listen { path: path.to_owned(), source })?;
    Ok((listener, SocketFile { path: path.to_owned(), identity }))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).ok() != Some(self.identity) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            warn!(path = %self.path.display(), %error, "cannot remove the control socket");
        }
    }
}

/// Removes the file of an agent that is gone.
fn clear(path: &Path) -> Result<(), BindError> {
    let listen = |source| BindError::Listen { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(listen(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        // Nobody listens any more.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(listen)
        }
        Err(error) => Err(listen(error)),
        Ok(_) => Err(BindError::InUse { path: path.to_owned() }),
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The mode of an unbound socket limits that of its file, so that nobody connects before the next line but one.
    let socket = File::from(OwnedFd::from(socket));
    socket.set_permissions(Permissions::from_mode(MODE))?;
    let socket = Socket::from(OwnedFd::from(socket));
    socket.bind(&SockAddr::unix(path)?)?;
    // The umask may have taken more away than that.
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(UnixListener::from(OwnedFd::from(socket)))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
