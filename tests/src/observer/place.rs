//! Where the observer stands: a copy of its program with its own ring, on the wires of one namespace.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    os::fd::{AsFd, OwnedFd},
};

use afc_observer::{ADDRESSES, COUNTERS, PROGRAM, SIGHTINGS, Sighting, counter};
use anyhow::{Context, Result};
use aya::{
    Ebpf, include_bytes_aligned,
    maps::{HashMap, MapData, PerCpuArray, RingBuf},
    programs::Xdp,
};

use super::Client;
use crate::{Lab, interface, netns::Netns, xdp_pass};

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/afc-observe"));

/// Programs with one ring.
pub(super) struct Place {
    ebpf: Ebpf,
    ring: RingBuf<MapData>,
    counters: PerCpuArray<MapData, u64>,
    seats: BTreeMap<u32, Seat>,
    /// Links that are the observer's own.
    _links: Vec<OwnedFd>,
}

/// An interface that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// The switch's end of the wire to a node of this number; 0 is no node.
    Port(u16),
    /// Where a client receives.
    Client(Client),
}

/// A sighting, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) seat: Seat,
    pub(super) address: Ipv4Addr,
    pub(super) kind: u32,
    pub(super) arrived_ns: u64,
    /// A time before the frame left its node, if it carries one.
    pub(super) stamp_ns: Option<u64>,
    /// Which question of its client an echo answers.
    pub(super) sequence: u32,
}

impl Place {
    /// Loads a program that looks for answers of these addresses.
    pub(super) fn new(addresses: &[Ipv4Addr]) -> Result<Self> {
        let mut ebpf = Ebpf::load(OBJECT).context("loading the observer")?;
        let map = |ebpf: &mut Ebpf, name| ebpf.take_map(name).with_context(|| format!("no map {name}"));
        let mut watched: HashMap<_, u32, u32> = HashMap::try_from(map(&mut ebpf, ADDRESSES)?)?;
        for address in addresses {
            watched.insert(u32::from_ne_bytes(address.octets()), 1, 0)?;
        }
        let ring = RingBuf::try_from(map(&mut ebpf, SIGHTINGS)?)?;
        let counters = PerCpuArray::try_from(map(&mut ebpf, COUNTERS)?)?;
        program(&mut ebpf)?.load().context("loading the observer")?;
        Ok(Self { ebpf, ring, counters, seats: BTreeMap::new(), _links: Vec::new() })
    }

    /// Stands at the lab's end of a wire, in the place of the program that is there.
    pub(super) fn take_over(&mut self, lab: &Lab, machine: &str, interface: &str, seat: Seat) -> Result<()> {
        let link = lab.far_end(machine, interface).with_context(|| format!("no wire ends at {interface}"))?;
        xdp_pass::replace(link, program(&mut self.ebpf)?.fd()?.as_fd())
            .with_context(|| format!("the observer on {interface} of {machine}"))?;
        self.sit_down(lab.machine(machine), interface, seat)
    }

    /// Stands at an interface, on a link that is kept here.
    pub(super) fn stand_at(
        &mut self,
        namespace: &Netns,
        interface: &str,
        link: OwnedFd,
        seat: Seat,
    ) -> Result<()> {
        xdp_pass::replace(link.as_fd(), program(&mut self.ebpf)?.fd()?.as_fd())
            .with_context(|| format!("the observer on {interface} of {}", namespace.name()))?;
        self._links.push(link);
        self.sit_down(namespace, interface, seat)
    }

    /// Takes what was seen since the last time.
    pub(super) fn read(&mut self, seen: &mut Vec<Seen>) {
        while let Some(item) = self.ring.next() {
            let Some(sighting) = parse(&item) else { continue };
            let Some(&seat) = self.seats.get(&sighting.ifindex) else { continue };
            seen.push(Seen {
                seat,
                address: Ipv4Addr::from(sighting.address.to_ne_bytes()),
                kind: sighting.kind,
                arrived_ns: sighting.arrived_ns,
                stamp_ns: (sighting.stamp_ns != 0).then_some(sighting.stamp_ns),
                sequence: sighting.sequence,
            });
        }
    }

    /// Frames so far, and sightings that were lost.
    pub(super) fn counted(&self) -> (u64, u64) {
        let sum = |which| {
            let counted = self.counters.get(&which, 0);
            counted.map_or(0, |each| each.iter().sum::<u64>())
        };
        (sum(counter::FRAMES), sum(counter::LOST))
    }

    fn sit_down(&mut self, namespace: &Netns, interface: &str, seat: Seat) -> Result<()> {
        let index = namespace.enter(|| interface::index(interface))?;
        self.seats.insert(index.with_context(|| format!("the index of {interface}"))?, seat);
        Ok(())
    }
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Xdp> {
    let program = ebpf.program_mut(PROGRAM).with_context(|| format!("no program {PROGRAM}"))?;
    Ok(program.try_into()?)
}

fn parse(bytes: &[u8]) -> Option<Sighting> {
    let bytes = bytes.get(..size_of::<Sighting>())?;
    // SAFETY: as many bytes as a sighting has, which is integers, valid for any bytes.
    Some(unsafe { bytes.as_ptr().cast::<Sighting>().read_unaligned() })
}
