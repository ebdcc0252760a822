//! The BPF object that the build script made, and how it is loaded: every map adopted from its pin, or created and
//! pinned, and the two programs.

use std::error::Error;

use afc_ebpf::layout::name;
use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::Map,
    programs::{ProgramError, ProgramFd, ProgramInfo, SchedClassifier, Xdp},
};

use super::{DatapathError, attach::system_error, pins::Pins};

/// Names the pin directory: maps of another shape are never adopted.
pub const LAYOUT_HASH: &str = env!("AFC_LAYOUT_HASH");

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/afc-datapath"));

/// Every map of the layout. The log ring of the feature `trace` is not among them: nobody adopts it.
const MAPS: [&str; 18] = [
    name::SETTINGS,
    name::CONTROL,
    name::SERVING,
    name::HOLDINGS,
    name::HELD,
    name::RECORDS,
    name::SERVICES,
    name::ADDRESSES,
    name::SERVICES_NEAR,
    name::ADDRESSES_NEAR,
    name::INTERFACES_NEAR,
    name::PEERS,
    name::HEARD,
    name::MEMBERS,
    name::INTERFACES,
    name::DEVICES,
    name::COUNTERS,
    name::EVENTS,
];

/// The loaded object.
pub(super) struct Object(Ebpf);

impl Object {
    /// Creates or adopts the maps. The programs come with [`load_programs`](Self::load_programs).
    pub(super) fn open(pins: &Pins) -> Result<Self, DatapathError> {
        let mut loader = EbpfLoader::new();
        for name in MAPS {
            loader.map_pin_path(name, pins.map(name));
        }
        loader.load(OBJECT).map(Self).map_err(refused_maps)
    }

    /// Has the kernel verify the programs.
    pub(super) fn load_programs(&mut self) -> Result<(), DatapathError> {
        self.xdp()?.load().map_err(|error| refused(name::XDP_PROGRAM, error))?;
        self.egress()?.load().map_err(|error| refused(name::EGRESS_PROGRAM, error))
    }

    /// Takes a map out of the object, as what it is to be used as.
    pub(super) fn take<M>(&mut self, name: &'static str) -> Result<M, DatapathError>
    where
        M: TryFrom<Map, Error = aya::maps::MapError>,
    {
        let map = self.0.take_map(name).expect("the object has every map, each is taken once");
        map.try_into().map_err(|source| DatapathError::map(name, source))
    }

    /// The XDP program.
    pub(super) fn xdp(&mut self) -> Result<&mut Xdp, DatapathError> {
        let program = self.0.program_mut(name::XDP_PROGRAM).expect("the object has it");
        program.try_into().map_err(|error| refused(name::XDP_PROGRAM, error))
    }

    /// The tc egress program.
    pub(super) fn egress(&mut self) -> Result<&mut SchedClassifier, DatapathError> {
        let program = self.0.program_mut(name::EGRESS_PROGRAM).expect("the object has it");
        program.try_into().map_err(|error| refused(name::EGRESS_PROGRAM, error))
    }

    /// The kernel's number of a loaded program.
    pub(super) fn id(&self, name: &'static str) -> Result<u32, DatapathError> {
        self.info(name).map(|info| info.id())
    }

    /// What the kernel says of a loaded program.
    pub(super) fn info(&self, name: &'static str) -> Result<ProgramInfo, DatapathError> {
        let program = self.0.program(name).expect("the object has it");
        program.info().map_err(|error| refused(name, error))
    }

    /// What reads the kernel's traces into this process's log.
    #[cfg(feature = "trace")]
    pub(super) fn tracer(&mut self) -> Result<super::Tracer, DatapathError> {
        aya_log::EbpfLogger::init(&mut self.0).map_err(DatapathError::Trace)
    }

    /// A loaded program's descriptor.
    pub(super) fn program(&self, name: &'static str) -> Result<&ProgramFd, DatapathError> {
        let program = self.0.program(name).expect("the object has it");
        program.fd().map_err(|error| refused(name, error))
    }
}

fn refused(name: &'static str, error: ProgramError) -> DatapathError {
    DatapathError::Program { name, source: Box::new(error) }
}

fn refused_maps(error: EbpfError) -> DatapathError {
    let permission = [libc::EPERM, libc::EACCES];
    match system_error(&error as &(dyn Error + 'static)) {
        Some(number) if permission.contains(&number) => {
            DatapathError::NoPermission { what: "create BPF maps" }
        }
        _ => DatapathError::Load(Box::new(error)),
    }
}
