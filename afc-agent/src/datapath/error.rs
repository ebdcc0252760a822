//! What can go wrong between the agent and the kernel programs. Each text ends with what to do about it.

use std::{io, path::PathBuf};

use aya::{EbpfError, maps::MapError, programs::ProgramError};
use thiserror::Error;

/// Why the data path could not be opened, set or taken down.
#[derive(Debug, Error)]
pub enum DatapathError {
    /// The kernel lacks helpers that the programs use.
    #[error("the kernel is Linux {found}, afc needs 5.15 or newer: upgrade the kernel")]
    KernelTooOld {
        /// What runs.
        found: String,
    },
    /// The process may not use BPF.
    #[error(
        "no permission to {what}: run afc as root, or with CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN"
    )]
    NoPermission {
        /// What was refused.
        what: &'static str,
    },
    /// The directory for pins can't be had.
    #[error("{}: {source}: name a directory that afc may create and mount a bpffs on, with bpf_dir under [agent]", path.display())]
    BpfDirectory {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A pin could not be read, made, moved or removed.
    #[error("pin {}: {source}: stop every other afc of this node and remove the pin", path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The object or its maps were refused.
    #[error("the kernel refused the data path: {0}: please report it with the output of `uname -r`")]
    Load(#[source] Box<EbpfError>),
    /// A program was refused.
    #[error(
        "the kernel refused the program {name}: {source}: please report it with the output of `uname -r`"
    )]
    Program {
        /// The program.
        name: &'static str,
        /// aya's error.
        source: Box<ProgramError>,
    },
    /// A map could not be read or written.
    #[error("map {name}: {source}: restart afc")]
    Map {
        /// The map.
        name: &'static str,
        /// aya's error.
        source: Box<MapError>,
    },
    /// A map could not be mapped into memory.
    #[error("map {name} can't be mapped into memory: {source}: raise the limit of locked memory")]
    Mapping {
        /// The map.
        name: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// There is no such interface.
    #[error("there is no interface {name}: correct interfaces under [agent], or create it")]
    UnknownInterface {
        /// Its name.
        name: String,
    },
    /// The kernel could not be asked about an interface.
    #[error("interface {name} can't be looked at over netlink: {source}: check that afc may use netlink")]
    Netlink {
        /// Its name.
        name: String,
        /// The system's error.
        source: io::Error,
    },
    /// Somebody else's XDP program is in place.
    #[error("interface {name} already has another XDP program ({program}): remove it with `{fix}`")]
    OtherProgram {
        /// The interface.
        name: String,
        /// What is known of the program.
        program: String,
        /// The command that removes it.
        fix: String,
    },
    /// The driver has no native XDP.
    #[error(
        "interface {name} refuses native XDP: {source}: set xdp_mode = \"auto\" or \"generic\" under [agent]"
    )]
    NativeRefused {
        /// The interface.
        name: String,
        /// aya's error.
        source: Box<ProgramError>,
    },
    /// Not even generic XDP.
    #[error(
        "interface {name} refuses XDP: {source}: choose an Ethernet interface that is not enslaved to one with XDP"
    )]
    XdpRefused {
        /// The interface.
        name: String,
        /// aya's error.
        source: Box<ProgramError>,
    },
    /// The program was attached, but not as a bpf_link, so it could not outlive a restart. It was taken off again.
    #[error("interface {name} takes XDP only without a bpf_link: use another driver or kernel")]
    NotALink {
        /// The interface.
        name: String,
    },
    /// One of our programs was taken off an interface while the agent ran.
    #[error(
        "interface {name} lost one of afc's programs: somebody detached it or made the interface anew; start afc again"
    )]
    Detached {
        /// The interface.
        name: String,
    },
    /// The fence of what leaves could not be attached.
    #[error("interface {name} refuses the tc egress program: {source}: the kernel needs CONFIG_NET_CLS_ACT")]
    Egress {
        /// The interface.
        name: String,
        /// aya's error.
        source: Box<ProgramError>,
    },
    /// The ring of the kernel's traces could not be read.
    #[cfg(feature = "trace")]
    #[error("the kernel's traces can't be read: {0}: build afc without the feature trace")]
    Trace(#[source] aya_log::Error),
    /// The fast half was taken before.
    #[error("the fast maps of this data path are taken: there is one fast-path thread")]
    FastTaken,
}

impl DatapathError {
    pub(super) fn map(name: &'static str, source: impl Into<MapError>) -> Self {
        Self::Map { name, source: Box::new(source.into()) }
    }

    pub(super) fn pin(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Pin { path: path.into(), source }
    }
}
