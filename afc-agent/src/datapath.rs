//! The data path as the agent sees it: loads the kernel programs, pins and attaches them, and fills their maps.
//!
//! [`Datapath`] is the slow half: files, netlink, settings. [`FastMaps`] is the fast path's half, [`View`] reads from
//! anywhere. A process that ends without [`Datapath::detach`] leaves everything pinned and running; the next one adopts
//! it, and nothing is detached in between. No decision about who serves is made here.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf, sync::Arc};

use afc_ebpf::{
    identity::{NodeId, ServiceId},
    layout::{Peer, Settings, name},
    mac::Mac,
};
use aya::{
    maps::MapData,
    programs::{ProgramFd, ProgramInfo},
};
use tracing::info;

pub use attach::{Mode, WantedMode};
pub use counters::Counters;
pub use egress::EgressHook;
pub use error::DatapathError;
pub use fast::{Claim, FastError, FastMaps};
pub use object::LAYOUT_HASH;
pub use view::{HeardSnapshot, View};

use link::Link;
use object::Object;
use pins::{Hook, Pins};

mod attach;
mod counters;
mod egress;
mod error;
mod fast;
mod link;
mod mapped;
mod near;
mod object;
mod pins;
mod requirement;
mod settings;
mod syscall;
mod view;

/// What to open, and where.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory of pins; a bpffs is mounted on it if it is none.
    pub bpf_dir: PathBuf,
    /// The cluster's name.
    pub cluster: String,
    /// This node's name.
    pub node: String,
    /// The interfaces to attach to.
    pub interfaces: Vec<String>,
    /// How to attach XDP to them.
    pub xdp_mode: WantedMode,
    /// How to attach the fence of what leaves.
    pub egress: EgressHook,
}

/// How XDP is attached to one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceMode {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// Its link address.
    pub mac: Mac,
    /// The mode.
    pub mode: Mode,
}

/// What an earlier agent of this node left in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Adopted {
    /// Its settings, with its session.
    pub settings: Settings,
    /// Until when the kernel speaks for it, ns.
    pub agent_until_ns: u64,
}

/// The loaded data path.
pub struct Datapath {
    options: Options,
    pins: Pins,
    object: Object,
    maps: settings::Maps,
    counters: Arc<Counters>,
    view: View,
    fast: Option<FastMaps>,
    modes: Vec<InterfaceMode>,
    adopted: Option<Adopted>,
}

/// Reads the kernel's traces into this process's log: poll its descriptor, then call `flush`.
#[cfg(feature = "trace")]
pub type Tracer = aya_log::EbpfLogger<&'static dyn log::Log>;

impl Datapath {
    /// Loads and attaches: [`load`](Self::load), then [`attach`](Self::attach). On a failure nothing new is left.
    ///
    /// # Errors
    /// See [`DatapathError`]; each says what to do.
    pub fn open(options: &Options) -> Result<Self, DatapathError> {
        let mut datapath = Self::load(options)?;
        datapath.attach()?;
        Ok(datapath)
    }

    /// Loads the programs and adopts or creates their maps, and attaches nothing; on a failure no new pin is left. To fill the maps before the first packet,
    /// so that no virtual IP goes unfenced meanwhile, call this, the setters, and then [`attach`](Self::attach).
    ///
    /// # Errors
    /// See [`DatapathError`].
    pub fn load(options: &Options) -> Result<Self, DatapathError> {
        requirement::check()?;
        let pins = Pins::open(&options.bpf_dir, &options.cluster, &options.node, object::LAYOUT_HASH)?;
        let is_first = pins.is_empty()?;
        let loaded = Self::load_into(pins.clone(), options);
        if loaded.is_err() && is_first {
            pins.remove_layout()?;
        }
        loaded
    }

    fn load_into(pins: Pins, options: &Options) -> Result<Self, DatapathError> {
        let mut object = Object::open(&pins)?;
        let view = View { shared: Arc::new(view::Shared::new(&|name| open_pinned(&pins, name))?) };
        let fast = FastMaps::new(view.clone(), object.take(name::HOLDINGS)?, object.take(name::EVENTS)?);
        let maps = settings::Maps::take(&mut object)?;
        let counters = Arc::new(Counters::take(&mut object)?);
        object.load_programs()?;
        let adopted = adopted(&maps, &view)?;
        let options = options.clone();
        Ok(Self { options, pins, object, maps, counters, view, fast: Some(fast), modes: Vec::new(), adopted })
    }

    /// Attaches to every interface, replacing the programs of an earlier agent in one step each, and removes what that
    /// one left on other interfaces and under other layouts. On a failure takes off again what is new.
    ///
    /// # Errors
    /// See [`DatapathError`].
    pub fn attach(&mut self) -> Result<(), DatapathError> {
        let mut new = Vec::new();
        let attached = self.attach_all(&mut new);
        if attached.is_err() {
            self.take_off(&new);
        }
        attached
    }

    /// What an earlier agent left, if it had set itself up.
    pub const fn adopted(&self) -> Option<Adopted> {
        self.adopted
    }

    /// How XDP is attached, for each interface.
    pub fn modes(&self) -> &[InterfaceMode] {
        &self.modes
    }

    /// A reader for any thread.
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// The fast path's half, once.
    ///
    /// # Errors
    /// [`DatapathError::FastTaken`] the second time.
    pub fn take_fast(&mut self) -> Result<FastMaps, DatapathError> {
        self.fast.take().ok_or(DatapathError::FastTaken)
    }

    /// Says what this node is. With the session set, the kernel starts to answer.
    ///
    /// # Errors
    /// The map's error.
    pub fn set_settings(&mut self, settings: &Settings) -> Result<(), DatapathError> {
        self.maps.set_settings(settings)
    }

    /// Makes these, and no others, the services and their indices.
    ///
    /// # Errors
    /// The map's error.
    pub fn set_services(&mut self, services: &[(ServiceId, u32)]) -> Result<(), DatapathError> {
        let wanted: BTreeMap<u32, u32> =
            services.iter().map(|(service, index)| (service.0, *index)).collect();
        self.maps.set_services(&self.view, &wanted)
    }

    /// The services and their indices, as they stand in the map.
    ///
    /// # Errors
    /// The map's error.
    pub fn services(&self) -> Result<BTreeMap<ServiceId, u32>, DatapathError> {
        self.maps.services()
    }

    /// Makes these, and no others, the virtual IPs and the indices of their services.
    ///
    /// # Errors
    /// The map's error.
    pub fn set_addresses(&mut self, addresses: &[(Ipv4Addr, u32)]) -> Result<(), DatapathError> {
        let wanted: BTreeMap<u32, u32> =
            addresses.iter().map(|(address, index)| (address_key(*address), *index)).collect();
        self.maps.set_addresses(&self.view, &wanted)
    }

    /// Makes these, and no others, the nodes of the cluster, this one included.
    ///
    /// # Errors
    /// The map's error.
    pub fn set_peers(&mut self, peers: &[(NodeId, Peer)]) -> Result<(), DatapathError> {
        self.maps.set_peers(peers)
    }

    /// Tells the kernel where a node is, unless it has heard the node itself.
    ///
    /// # Errors
    /// The map's error.
    pub fn seed_neighbour(&mut self, node: NodeId, mac: Mac, ifindex: u32) -> Result<(), DatapathError> {
        self.maps.seed_neighbour(&self.view, node, mac, ifindex)
    }

    /// Reads the link addresses of the interfaces again.
    ///
    /// # Errors
    /// An interface is gone, or the map's error.
    pub fn refresh_interfaces(&mut self) -> Result<(), DatapathError> {
        for interface in &mut self.modes {
            let link = Link::find(&interface.name)?;
            interface.mac = link.mac;
        }
        self.maps
            .set_interfaces(&self.view, &self.modes.iter().map(|mode| (mode.ifindex, mode.mac)).collect())
    }

    /// A reader of the counters for any thread.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Makes sure that every interface still has our programs.
    ///
    /// # Errors
    /// The interface is gone, or has another program or none: nothing fences it any more.
    pub fn check_attached(&self) -> Result<(), DatapathError> {
        let xdp_id = self.object.id(name::XDP_PROGRAM)?;
        let egress_id = self.object.id(name::EGRESS_PROGRAM)?;
        for interface in &self.modes {
            let link = Link::find(&interface.name)?;
            let has_xdp = link.xdp.is_some_and(|xdp| xdp.program_id == xdp_id);
            let has_fence = egress::is_attached(&link, self.options.egress, egress_id)?;
            if link.ifindex != interface.ifindex || !has_xdp || !has_fence {
                return Err(DatapathError::Detached { name: interface.name.clone() });
            }
        }
        Ok(())
    }

    /// What reads the kernel's traces of state changes into this process's log.
    ///
    /// # Errors
    /// Its ring could not be mapped.
    #[cfg(feature = "trace")]
    pub fn tracer(&mut self) -> Result<Tracer, DatapathError> {
        self.object.tracer()
    }

    /// The loaded XDP program, for tests that run it.
    ///
    /// # Errors
    /// It is not loaded.
    pub fn xdp_program(&self) -> Result<&ProgramFd, DatapathError> {
        self.object.program(name::XDP_PROGRAM)
    }

    /// The loaded tc program, for tests that run it.
    ///
    /// # Errors
    /// It is not loaded.
    pub fn egress_program(&self) -> Result<&ProgramFd, DatapathError> {
        self.object.program(name::EGRESS_PROGRAM)
    }

    /// What the kernel says of the loaded programs: what the verifier walked, how long the code is.
    ///
    /// # Errors
    /// They are not loaded.
    pub fn program_info(&self) -> Result<[(&'static str, ProgramInfo); 2], DatapathError> {
        let info = |name| self.object.info(name).map(|info| (name, info));
        Ok([info(name::XDP_PROGRAM)?, info(name::EGRESS_PROGRAM)?])
    }

    /// A clean stop: detaches the programs and removes every pin.
    ///
    /// # Errors
    /// A pin could not be removed.
    pub fn detach(self) -> Result<(), DatapathError> {
        for interface in &self.modes {
            if let Ok(link) = Link::find(&interface.name) {
                egress::detach_clsact(&link);
            }
        }
        self.pins.remove_all()
    }

    fn attach_all(&mut self, new: &mut Vec<(Hook, Link)>) -> Result<(), DatapathError> {
        let names = self.options.interfaces.clone();
        let links = names.iter().map(|name| Link::find(name)).collect::<Result<Vec<_>, _>>()?;
        self.maps.set_interfaces(&self.view, &links.iter().map(|link| (link.ifindex, link.mac)).collect())?;
        self.pins.move_links_from_other_layouts()?;
        let mut kept = Vec::new();
        for link in links {
            let (xdp_pin, egress_pin) =
                (self.pins.link(Hook::Xdp, &link.name), self.pins.link(Hook::Egress, &link.name));
            let (wanted, hook) = (self.options.xdp_mode, self.options.egress);
            // The fence first: what is not fenced must not be received either.
            if egress::attach(self.object.egress()?, &link, hook, &egress_pin)? {
                new.push((Hook::Egress, link.clone()));
            }
            let attachment = attach::attach(self.object.xdp()?, &link, wanted, &xdp_pin)?;
            if attachment.is_new {
                new.push((Hook::Xdp, link.clone()));
            }
            info!(interface = %link.name, mode = attachment.mode.name(), is_new = attachment.is_new, "XDP attached");
            let Link { name, ifindex, mac, xdp: _, peer: _ } = link;
            self.modes.push(InterfaceMode { name, ifindex, mac, mode: attachment.mode });
            kept.extend([xdp_pin, egress_pin]);
        }
        self.pins.remove_links_except(&kept)?;
        self.pins.remove_other_layouts()
    }

    /// Undoes what a failed [`attach`](Self::attach) did, as far as it goes: its own error is the one to be told.
    fn take_off(&mut self, new: &[(Hook, Link)]) {
        self.modes.clear();
        for (hook, link) in new {
            if *hook == Hook::Egress {
                egress::detach_clsact(link);
            }
            if let Err(error) = pins::remove_link(&self.pins.link(*hook, &link.name)) {
                tracing::warn!(interface = %link.name, %error, "left attached");
            }
        }
        if self.adopted.is_none()
            && let Err(error) = self.pins.remove_all()
        {
            tracing::warn!(%error, "pins left");
        }
    }
}

/// An address as the kernel finds it in a packet.
fn address_key(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}

/// The address of a [`Peer`], as the kernel compares it.
pub fn peer_address(address: Ipv4Addr) -> u32 {
    address_key(address)
}

fn open_pinned(pins: &Pins, name: &'static str) -> Result<MapData, DatapathError> {
    MapData::from_pin(pins.map(name)).map_err(|source| DatapathError::map(name, source))
}

fn adopted(maps: &settings::Maps, view: &View) -> Result<Option<Adopted>, DatapathError> {
    let settings = maps.settings()?;
    Ok((settings.session != 0).then(|| Adopted { settings, agent_until_ns: view.agent_until() }))
}

/// The slow half may move between the runtime's threads, the fast half to its own thread, and anybody may read.
const _: () = {
    const fn is_send<T: Send>() {}
    const fn is_shared<T: Send + Sync>() {}
    is_send::<Datapath>();
    is_send::<FastMaps>();
    is_shared::<View>();
};
