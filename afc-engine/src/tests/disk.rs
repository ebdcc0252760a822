//! The disk of one simulated machine: the floor of each service, writes under way, and what a crash or a failure does to
//! them.

use afc_ebpf::identity::ServiceId;

/// A disk.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    /// Counter reserved for each service.
    reserved: Vec<(ServiceId, u32)>,
    /// Writes that the disk has not answered.
    writing: Vec<(ServiceId, u32)>,
    /// It answers nothing until then, in world time.
    fails_until_ns: u64,
}

impl Disk {
    pub(super) fn new(services: impl Iterator<Item = ServiceId>) -> Self {
        Self {
            reserved: services.map(|service| (service, 0)).collect(),
            writing: Vec::new(),
            fails_until_ns: 0,
        }
    }

    pub(super) fn floors(&self) -> &[(ServiceId, u32)] {
        &self.reserved
    }

    pub(super) fn fails_until_ns(&self) -> u64 {
        self.fails_until_ns
    }

    pub(super) fn fail_until(&mut self, until_ns: u64) {
        self.fails_until_ns = until_ns;
    }

    pub(super) fn begin(&mut self, service: ServiceId, counter: u32) {
        self.writing.push((service, counter));
    }

    pub(super) fn finish(&mut self, service: ServiceId, counter: u32) {
        self.writing.retain(|write| *write != (service, counter));
        self.keep(service, counter);
    }

    /// Of the writes that nobody waits for any more, some got through.
    pub(super) fn crash(&mut self, rng: &mut fastrand::Rng) {
        for (service, counter) in std::mem::take(&mut self.writing) {
            if rng.bool() {
                self.keep(service, counter);
            }
        }
    }

    /// It is replaced by an empty one.
    pub(super) fn lose(&mut self) {
        self.writing.clear();
        for (_, reserved) in &mut self.reserved {
            *reserved = 0;
        }
    }

    fn keep(&mut self, service: ServiceId, counter: u32) {
        for (_, reserved) in self.reserved.iter_mut().filter(|(known, _)| *known == service) {
            *reserved = counter.max(*reserved);
        }
    }
}
