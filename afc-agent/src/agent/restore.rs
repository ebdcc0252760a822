//! What an engine starts from: the maps of the agent before, or the disk.

use std::collections::BTreeMap;

use afc_ebpf::identity::{OwnerWord, ServiceId};
use afc_engine::{Adopted, Floor, Restored};

use crate::{
    config::Config,
    datapath::FastMaps,
    repository::{self, Floors},
};

/// The words of the maps that this agent goes on with, as after a long pause.
pub(super) fn adopted(config: &Config, maps: &FastMaps, floors: &Floors) -> Result<Restored, std::io::Error> {
    let mut adopted = Vec::with_capacity(config.services.len());
    for (index, service) in config.services.iter().enumerate() {
        let index = index as u32;
        let holding = maps.holding(index).map_err(std::io::Error::other)?;
        let (owner, _) = maps.serving(index);
        adopted.push(Adopted {
            service: service.id,
            record: maps.record(index),
            holding: OwnerWord(holding.word),
            window_until_ns: holding.window_until_ns,
            owner,
        });
    }
    let exact = adopted.iter().map(|adopted| (adopted.service, OwnerWord(adopted.record.floor))).collect();
    Ok(Restored { floors: floors_of(config, floors, &exact), adopted: Some(adopted) })
}

/// Only the floors; everything else is forgotten. `kept` are exact floors of maps that outlived their agent.
pub(super) fn forgotten(config: &Config, floors: &Floors, kept: &BTreeMap<ServiceId, OwnerWord>) -> Restored {
    Restored { floors: floors_of(config, floors, kept), adopted: None }
}

/// The exact floors in the kernel's maps, which are still those of this boot.
pub(super) fn kept_floors(config: &Config, maps: &FastMaps) -> BTreeMap<ServiceId, OwnerWord> {
    let word = |(index, _): (usize, _)| OwnerWord(maps.record(index as u32).floor);
    config.services.iter().enumerate().map(|(index, service)| (service.id, word((index, ())))).collect()
}

fn floors_of(config: &Config, floors: &Floors, exact: &BTreeMap<ServiceId, OwnerWord>) -> Vec<Floor> {
    let floor = |service: ServiceId| {
        let kept = exact.get(&service).copied().filter(|word| !word.is_none());
        let (word, reserved) = match (kept, floors.get(service)) {
            (Some(word), Some(repository::Floor::Reserved(counter))) => (word, counter),
            (Some(word), Some(repository::Floor::Exact(_)) | None) => (word, word.epoch().counter()),
            (None, Some(floor @ repository::Floor::Reserved(counter))) => (floor.word(), counter),
            (None, Some(floor @ repository::Floor::Exact(_))) => {
                (floor.word(), floor.word().epoch().counter())
            }
            // Lost with its disk, and reported: the quarantine and the majority's records have to do.
            (None, None) => (OwnerWord::NONE, 0),
        };
        Floor { service, epoch: word.epoch(), reserved }
    };
    config.services.iter().map(|service| floor(service.id)).collect()
}
