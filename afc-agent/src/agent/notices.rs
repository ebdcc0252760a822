//! What the fast path reports: to the log, to the events, and to the disk.

use std::time::SystemTime;

use afc_ebpf::identity::{OwnerWord, ServiceId};
use anyhow::Result;
use tracing::{error, info, warn};

use super::start::Agent;
use crate::{
    clock,
    events::{EventKind, Happening, describe},
    heartbeat::mailbox::{Mailbox, Notice, Order},
};

/// Whether the fast path goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Running,
    Stopped,
}

impl Agent {
    /// Carries every notice that waits.
    pub(super) fn carry(&mut self, notices: &Mailbox<Notice>) -> Result<Outcome> {
        notices.bell().silence();
        while let Some(notice) = notices.take() {
            match notice {
                Notice::Report { at_ns, report } => {
                    let happening = describe(&report, &self.config);
                    info!(kind = happening.kind.name(), "{}", happening.text);
                    self.events.push(at_ns, wall_clock_of(at_ns), happening);
                }
                Notice::ReserveFloor { service, counter } => self.reserve(service, counter),
                Notice::Stopped => return Ok(Outcome::Stopped),
                Notice::Failed(reason) => {
                    error!(reason, "the fast path failed");
                    return Err(anyhow::anyhow!(reason));
                }
            }
        }
        Ok(Outcome::Running)
    }

    /// Adds an event that happens now.
    pub(super) fn report(&self, happening: Happening) {
        if matches!(happening.kind, EventKind::Fault | EventKind::Doubt) {
            warn!("{}", happening.text);
        } else {
            info!("{}", happening.text);
        }
        self.events.push(clock::boottime_ns(), SystemTime::now(), happening);
    }

    /// Makes a floor safe on disk, then lets the fast path use it. A failing disk leaves the floor where it is: this node
    /// then grants and claims only what the floor covers.
    fn reserve(&mut self, service: ServiceId, counter: u32) {
        match self.state.floors.reserve(service, counter) {
            Ok(()) => {
                // The queue holds more orders than there are services, each with one reservation under way.
                if self.orders.put(Order::FloorReserved { service, counter }).is_err() {
                    error!(service = service.0, counter, "the fast path does not take its floor");
                }
            }
            Err(failure) => {
                self.report(Happening::new(EventKind::Fault, failure.to_string()));
                self.failed_floors.insert(service, counter);
            }
        }
    }

    /// Tries the floors again that the disk did not take.
    pub(super) fn retry_floors(&mut self) {
        for (service, counter) in std::mem::take(&mut self.failed_floors) {
            self.reserve(service, counter);
        }
    }

    /// After a clean stop the floors are known exactly: nothing is granted or held any more. One that was lost with its
    /// disk and was not reserved since stays unknown.
    pub(super) fn save_floors(&mut self) {
        let floors: Vec<_> = (0..)
            .zip(&self.config.services)
            .map(|(index, service)| (service.id, OwnerWord(self.maps.record(index).floor)))
            .filter(|(service, word)| !word.is_none() || self.state.floors.get(*service).is_some())
            .collect();
        if let Err(failure) = self.state.floors.save_exact(floors) {
            warn!(%failure, "floors stay as reserved; owners will raise their epochs once");
        }
    }

    pub(super) fn report_stopping(&self) {
        self.report(Happening::new(EventKind::Stopping, "told to stop: releasing every service"));
    }
}

/// The wall clock when BOOTTIME was `at_ns`.
fn wall_clock_of(at_ns: u64) -> SystemTime {
    let ago = std::time::Duration::from_nanos(clock::boottime_ns().saturating_sub(at_ns));
    SystemTime::now().checked_sub(ago).unwrap_or_else(SystemTime::now)
}
