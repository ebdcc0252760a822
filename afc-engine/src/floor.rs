//! The block of epochs that is safe on disk, kept ahead of use: "no fsync on the failover path".

use afc_ebpf::identity::{OwnerWord, ServiceId};

use super::{Effect, Engine, table::ServiceAt};

/// Counters reserved with one write. A crash skips at most as many.
const BLOCK: u32 = 1024;

impl Engine {
    pub(super) fn handle_floor_reserved(&mut self, service: ServiceId, counter: u32) {
        let Some(at) = self.services.find(service) else {
            self.counters.unknown_service += 1;
            return;
        };
        let service = &mut self.services[at];
        service.reserved = service.reserved.max(counter);
        service.reserve_asked = service.reserve_asked.max(counter);
        self.reconsider = true;
    }

    /// Asks for the next block when half of this one is used, or never was one.
    pub(super) fn reserve_ahead(&mut self, at: ServiceAt) {
        let service = &self.services[at];
        let used = OwnerWord(service.record.floor).epoch().counter();
        if self.is_voter(at) && service.reserved.saturating_sub(used) < BLOCK / 2 {
            self.reserve(at, used);
        }
    }

    /// Asks, once, for a block that covers `counter`.
    pub(super) fn reserve(&mut self, at: ServiceAt, counter: u32) {
        let id = self.services.key(at);
        let service = &mut self.services[at];
        // Half a block stays ahead of what was asked for, so that the next claims need no write of their own.
        if service.reserve_asked >= counter.saturating_add(BLOCK / 2) {
            return;
        }
        let counter = counter.saturating_add(BLOCK);
        service.reserve_asked = counter;
        self.outbox.push(Effect::ReserveFloor { service: id, counter });
    }
}
