//! The maps that change when the configuration does, written by system call.

use std::{
    collections::BTreeMap,
    mem::offset_of,
    sync::atomic::Ordering::{AcqRel, Acquire, Release},
};

use afc_ebpf::{
    identity::{NodeId, ServiceId},
    layout::{Heard, Interface, Peer, Settings, name, role},
    mac::Mac,
};
use aya::{
    Pod,
    maps::{Array, HashMap, MapData, MapError, xdp::DevMapHash},
};

use super::{DatapathError, View, object::Object};

/// The maps of the slow half.
pub(super) struct Maps {
    settings: Array<MapData, Settings>,
    services: HashMap<MapData, u32, u32>,
    addresses: HashMap<MapData, u32, u32>,
    peers: Array<MapData, Peer>,
    members: HashMap<MapData, u64, u32>,
    interfaces: HashMap<MapData, u32, Interface>,
    devices: DevMapHash<MapData>,
}

impl Maps {
    pub(super) fn take(object: &mut Object) -> Result<Self, DatapathError> {
        Ok(Self {
            settings: object.take(name::SETTINGS)?,
            services: object.take(name::SERVICES)?,
            addresses: object.take(name::ADDRESSES)?,
            peers: object.take(name::PEERS)?,
            members: object.take(name::MEMBERS)?,
            interfaces: object.take(name::INTERFACES)?,
            devices: object.take(name::DEVICES)?,
        })
    }

    pub(super) fn settings(&self) -> Result<Settings, DatapathError> {
        self.settings.get(&0, 0).map_err(|source| DatapathError::map(name::SETTINGS, source))
    }

    pub(super) fn set_settings(&mut self, settings: &Settings) -> Result<(), DatapathError> {
        self.settings.set(0, settings, 0).map_err(|source| DatapathError::map(name::SETTINGS, source))
    }

    pub(super) fn set_services(
        &mut self,
        view: &View,
        wanted: &BTreeMap<u32, u32>,
    ) -> Result<(), DatapathError> {
        synchronise(&mut self.services, wanted, |services| view.shared.services.fill(services))
            .map_err(|source| DatapathError::map(name::SERVICES, source))
    }

    pub(super) fn services(&self) -> Result<BTreeMap<ServiceId, u32>, DatapathError> {
        let entries =
            self.services.iter().map(|entry| entry.map(|(service, index)| (ServiceId(service), index)));
        entries.collect::<Result<_, _>>().map_err(|source| DatapathError::map(name::SERVICES, source))
    }

    pub(super) fn set_addresses(
        &mut self,
        view: &View,
        wanted: &BTreeMap<u32, u32>,
    ) -> Result<(), DatapathError> {
        synchronise(&mut self.addresses, wanted, |addresses| view.shared.addresses.fill(addresses))
            .map_err(|source| DatapathError::map(name::ADDRESSES, source))
    }

    pub(super) fn set_interfaces(
        &mut self,
        view: &View,
        wanted: &BTreeMap<u32, Mac>,
    ) -> Result<(), DatapathError> {
        let values = wanted.iter().map(|(ifindex, mac)| (*ifindex, Interface { mac: mac.0 })).collect();
        synchronise(&mut self.interfaces, &values, |interfaces| {
            view.shared.interfaces.fill_interfaces(interfaces);
        })
        .map_err(|source| DatapathError::map(name::INTERFACES, source))?;
        self.set_devices(wanted).map_err(|source| DatapathError::map(name::DEVICES, source))
    }

    fn set_devices(&mut self, wanted: &BTreeMap<u32, Mac>) -> Result<(), MapError> {
        let stale = self.devices.keys().collect::<Result<Vec<u32>, _>>()?;
        for ifindex in stale.into_iter().filter(|ifindex| !wanted.contains_key(ifindex)) {
            self.devices.remove(ifindex)?;
        }
        for ifindex in wanted.keys() {
            self.devices
                .insert(*ifindex, *ifindex, None, 0)
                .map_err(|error| MapError::IoError(std::io::Error::other(error)))?;
        }
        Ok(())
    }

    pub(super) fn set_peers(&mut self, wanted: &[(NodeId, Peer)]) -> Result<(), DatapathError> {
        let failed = |source| DatapathError::map(name::PEERS, source);
        let wanted: BTreeMap<u32, Peer> =
            wanted.iter().map(|(node, peer)| (u32::from(node.0), *peer)).collect();
        for index in 0..self.peers.len() {
            let before = self.peers.get(&index, 0).map_err(failed)?;
            match wanted.get(&index) {
                Some(peer) => self.peers.set(index, peer, 0).map_err(failed)?,
                None if before.address != 0 => self.peers.set(index, Peer::default(), 0).map_err(failed)?,
                None => {}
            }
        }
        self.forget_members(|node| wanted.get(&node).is_some_and(|peer| peer.role == role::MEMBER))
            .map_err(|source| DatapathError::map(name::MEMBERS, source))
    }

    /// Removes the link addresses of nodes that are no members any more: their packets may be sent on again.
    fn forget_members(&mut self, is_member: impl Fn(u32) -> bool) -> Result<(), MapError> {
        let known = self.members.iter().collect::<Result<Vec<(u64, u32)>, _>>()?;
        for (mac, _node) in known.into_iter().filter(|(_mac, node)| !is_member(*node)) {
            self.members.remove(&mac)?;
        }
        Ok(())
    }

    pub(super) fn seed_neighbour(
        &mut self,
        view: &View,
        node: NodeId,
        mac: Mac,
        ifindex: u32,
    ) -> Result<(), DatapathError> {
        let index = u32::from(node.0);
        let heard = &view.shared.heard;
        if heard.word(index, offset_of!(Heard, mac)).load(Acquire) != 0 {
            return Ok(());
        }
        let peer = self.peers.get(&index, 0).map_err(|source| DatapathError::map(name::PEERS, source))?;
        if peer.role == role::MEMBER {
            let inserted = self.members.insert(mac.0, index, 0);
            inserted.map_err(|source| DatapathError::map(name::MEMBERS, source))?;
        }
        heard.half(index, offset_of!(Heard, ifindex)).store(ifindex, Release);
        // Lost against the kernel, which heard the node just now and knows better.
        let _kernel_was_faster =
            heard.word(index, offset_of!(Heard, mac)).compare_exchange(0, mac.0, AcqRel, Acquire);
        Ok(())
    }
}

/// Makes a map hold `wanted` and nothing else, and `fill`s its near table with the same, without ever missing what they
/// keep. The table knows no key that the map does not: first it forgets what goes, last it learns what comes.
fn synchronise<V: Pod>(
    map: &mut HashMap<MapData, u32, V>,
    wanted: &BTreeMap<u32, V>,
    fill: impl Fn(&BTreeMap<u32, V>),
) -> Result<(), MapError> {
    let (kept, stale): (Vec<u32>, Vec<u32>) =
        map.keys().collect::<Result<Vec<u32>, _>>()?.into_iter().partition(|key| wanted.contains_key(key));
    for key in &kept {
        map.insert(key, wanted[key], 0)?;
    }
    fill(&kept.iter().map(|key| (*key, wanted[key])).collect());
    for key in stale {
        map.remove(&key)?;
    }
    for (key, value) in wanted {
        map.insert(key, value, 0)?;
    }
    fill(wanted);
    Ok(())
}
