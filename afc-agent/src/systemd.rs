//! Tells systemd how the agent is, by the protocol of sd_notify(3): one datagram to the socket that it named.
//!
//! Outside systemd nobody is told, which is no failure.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// The variable that names the socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// What systemd is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The agent does its work; `systemctl start` returns.
    Ready,
    /// The agent releases its services and ends.
    Stopping,
}

/// Whether anybody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// systemd took the message.
    Systemd,
    /// This process is not systemd's.
    Nobody,
}

/// Tells systemd, if it started this process as `Type=notify`.
///
/// # Errors
/// It named a socket that takes no message.
pub fn notify(progress: Progress) -> io::Result<Told> {
    match env::var_os(SOCKET) {
        Some(socket) => send(&socket, progress).map(|()| Told::Systemd),
        None => Ok(Told::Nobody),
    }
}

fn send(socket: &OsStr, progress: Progress) -> io::Result<()> {
    // A leading @ stands for the zero byte of an abstract name.
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let message: &[u8] = match progress {
        Progress::Ready => b"READY=1",
        Progress::Stopping => b"STOPPING=1",
    };
    UnixDatagram::unbound()?.send_to_addr(message, &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_told_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("afc-test-{}", std::process::id());
        let sockets = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).unwrap()),
            (format!("@{name}").into(), {
                UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap()
            }),
        ];
        for (socket, systemd) in sockets {
            for (progress, message) in [(Progress::Ready, "READY=1"), (Progress::Stopping, "STOPPING=1")] {
                send(&socket, progress).unwrap();
                let mut heard = [0; 32];
                let length = systemd.recv(&mut heard).unwrap();
                assert_eq!(std::str::from_utf8(&heard[..length]).unwrap(), message);
            }
        }
        assert!(send(dir.path().join("none").as_os_str(), Progress::Ready).is_err());
    }
}
