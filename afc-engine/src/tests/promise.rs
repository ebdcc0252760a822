//! The promise, and whatever else must hold in a simulated cluster.
//!
//! | holds | breach |
//! |---|---|
//! | after every step: at most one node serves a service | [`Breach::TwoServers`] |
//! | after every step: the epochs served never go back, while no disk was lost with its floors | [`Breach::EpochWentBack`] |
//! | after every step: a kernel takes at a HANDOVER only what its agent's vote allows | [`Breach::AsksAgainstItsVote`] |
//! | after every step, unless a plan makes nodes claim what they should not: no node holds more services of others than its capacity | [`Breach::OverCapacity`] |
//! | whenever a node computes lists: they are complete, available backups come first, and no two services share a primary needlessly | [`Breach::BadLists`] |
//! | whenever a node computes lists: equal inputs gave equal lists on every node before | [`Breach::ListsDiffer`] |
//! | once settled: every service is served | [`Breach::NotServed`] |
//! | once settled: nothing moves any more | [`Breach::MovesOn`] |
//! | once settled: every node has the same lists, whose owners are those that serve | [`Breach::ListsNotAgreed`] |
//! | two nodes that fail at once in a settled cluster: nobody takes both of their services over while another backup of the one that it took last is available and free | [`Breach::SharedBackup`] |
//!
//! That a step is looked at where it happened is enough: a node begins to serve, or to hold, only by what happens to itself;
//! time alone only ends leases.

use afc_ebpf::identity::{Epoch, NodeId};

use super::machine::Machine;

/// How something that must hold did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    TwoServers { at_ns: u64, service: usize, nodes: [u16; 2] },
    EpochWentBack { at_ns: u64, service: usize, from: Epoch, to: Epoch },
    AsksAgainstItsVote { at_ns: u64, service: usize, node: u16 },
    OverCapacity { at_ns: u64, node: u16, held: usize },
    BadLists { node: u16, why: String },
    ListsDiffer { node: u16 },
    NotServed { service: usize },
    MovesOn { times: u64 },
    ListsNotAgreed { node: u16, why: String },
    SharedBackup { node: u16, free: u16 },
    Panicked { why: String },
}

impl Breach {
    /// Whether two runs fail for the same reason, whatever the place and time.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Looks at the promise after every step.
pub(super) struct Promise {
    highest_served: Vec<Epoch>,
    last_server: Vec<NodeId>,
    /// How often a service came to another node.
    pub(super) moves: u64,
    /// A disk was lost with its floors: epochs may go back, if no majority remembers.
    pub(super) forgives_epochs: bool,
    /// Nodes are made to claim whatever they like.
    pub(super) forgives_capacity: bool,
    /// In best effort two owners are no breach.
    pub(super) forgives_two: bool,
}

impl Promise {
    pub(super) fn new(services: usize) -> Self {
        Self {
            highest_served: vec![Epoch::ZERO; services],
            last_server: vec![NodeId::NONE; services],
            moves: 0,
            forgives_epochs: false,
            forgives_capacity: false,
            forgives_two: false,
        }
    }

    /// Looks at the machine that something happened to.
    pub(super) fn look(&mut self, machines: &[Machine], place: usize, at_ns: u64) -> Result<(), Breach> {
        let machine = &machines[place];
        for service in machine.kernel.servable() {
            let Some(epoch) = machine.serves(service, at_ns) else {
                continue;
            };
            let candidates = &machine.setup.services[service].candidates;
            let others = candidates.iter().filter(|node| **node != machine.id());
            let mut others = others.map(|node| &machines[usize::from(node.0) - 1]);
            let also = others.find(|other| other.serves(service, at_ns).is_some());
            if let Some(other) = also.filter(|_| !self.forgives_two) {
                return Err(Breach::TwoServers { at_ns, service, nodes: [machine.id().0, other.id().0] });
            }
            let highest = &mut self.highest_served[service];
            if epoch < *highest && !self.forgives_epochs && !self.forgives_two {
                return Err(Breach::EpochWentBack { at_ns, service, from: *highest, to: epoch });
            }
            *highest = epoch.max(*highest);
            let before = std::mem::replace(&mut self.last_server[service], machine.id());
            self.moves += u64::from(before.is_some() && before != machine.id());
        }
        if let Some(service) = machine.kernel.asks_against_its_vote() {
            return Err(Breach::AsksAgainstItsVote { at_ns, service, node: machine.id().0 });
        }
        if self.forgives_capacity {
            return Ok(());
        }
        let held = machine.held_of_others();
        if held > machine.setup.capacity as usize {
            return Err(Breach::OverCapacity { at_ns, node: machine.id().0, held });
        }
        Ok(())
    }
}
