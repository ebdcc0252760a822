//! The BPF object that the build script made, and how it is loaded: every map adopted from its pin, or created and pinned.

use std::error::Error;

use afc_ebpf::layout::name;
use aya::{Ebpf, EbpfError, EbpfLoader};

use super::{DatapathError, attach::system_error, pins::Pins};

/// Names the pin directory: maps of another shape are never adopted.
pub(super) const LAYOUT_HASH: &str = env!("AFC_LAYOUT_HASH");

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/afc-datapath"));

/// Every map of the layout. The log ring of the feature `trace` is not among them: nobody adopts it.
const MAPS: [&str; 15] = [
    name::SETTINGS,
    name::CONTROL,
    name::SERVING,
    name::HOLDINGS,
    name::HELD,
    name::RECORDS,
    name::SERVICES,
    name::ADDRESSES,
    name::PEERS,
    name::HEARD,
    name::MEMBERS,
    name::INTERFACES,
    name::DEVICES,
    name::COUNTERS,
    name::EVENTS,
];

/// Creates or adopts the maps. The programs are not loaded yet.
pub(super) fn load(pins: &Pins) -> Result<Ebpf, DatapathError> {
    let mut loader = EbpfLoader::new();
    for name in MAPS {
        loader.map_pin_path(name, pins.map(name));
    }
    loader.load(OBJECT).map_err(refused)
}

fn refused(error: EbpfError) -> DatapathError {
    let permission = [libc::EPERM, libc::EACCES];
    match system_error(&error as &(dyn Error + 'static)) {
        Some(number) if permission.contains(&number) => DatapathError::NoPermission {
            what: "create BPF maps",
        },
        _ => DatapathError::Load(Box::new(error)),
    }
}
