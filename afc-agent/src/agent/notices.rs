//! What the fast path reports: to the log, to the events, and to the disk.

use std::time::{Duration, SystemTime};

use afc_ebpf::identity::{OwnerWord, ServiceId};
use afc_engine::effect::Offer;
use anyhow::Result;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::start::Agent;
use crate::{
    clock,
    events::{EventKind, EventLog, Happening, Naming, describe, offer_name},
    heartbeat::mailbox::{Mailbox, Notice, Order},
    repository::Incident,
};

/// How long a clean stop waits for the disk.
const SAVE_LIMIT: Duration = Duration::from_secs(3);

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
                    let happening = describe(&report, self.config.as_ref());
                    info!(kind = happening.kind.name(), "{}", happening.text);
                    self.events.push(at_ns, wall_clock_of(at_ns), happening);
                }
                Notice::ReserveFloor { service, counter } => self.floors.want(service, counter),
                Notice::Prepare { service, offer } => self.prepare(service, offer),
                Notice::Viewed => self.discovery.viewed.notify_one(),
                Notice::Stopped => return Ok(Outcome::Stopped),
                Notice::Failed(reason) => {
                    error!(reason, "the fast path failed");
                    return Err(anyhow::anyhow!(reason));
                }
            }
        }
        Ok(Outcome::Running)
    }

    /// Nothing needs to be made ready here, so the service is asked for at once. The engine asks again if there is no room.
    fn prepare(&self, service: ServiceId, offer: Offer) {
        let name = self.config.service_name(service);
        info!("coming for {name}: {}", offer_name(offer));
        if self.orders.put(Order::Take { service, offer: Some(offer) }).is_err() {
            warn!("the fast path takes no orders just now");
        }
    }

    /// Adds an event that happens now.
    pub(super) fn report(&self, happening: Happening) {
        report(&self.events, happening);
    }

    /// What happened to the repository's file.
    pub(super) fn report_incident(&self, incident: Incident) {
        self.report(match incident {
            Incident::Failing(failure) => Happening::new(
                EventKind::Fault,
                format!(
                    "{failure}. Until then nothing new is kept, and this node grants and claims only what its floors \
                     cover"
                ),
            ),
            Incident::Recovered => {
                Happening::new(EventKind::Recovered, "the repository is written again, and holds everything")
            }
            Incident::Rebuilt { kept, damage } => Happening::new(
                EventKind::Fault,
                format!(
                    "the repository was damaged ({damage}) and is kept as {}: a new one is made with the same content",
                    kept.display()
                ),
            ),
        });
    }

    /// After a clean stop the floors are known exactly: nothing is granted or held any more. One that was lost with its
    /// disk and was not reserved since stays unknown.
    pub(super) async fn save_floors(&mut self) {
        let known = self.disk.repository.floors();
        let floors: Vec<_> = (0..)
            .zip(&self.config.services)
            .map(|(index, service)| (service.id, OwnerWord(self.maps.record(index).floor)))
            .filter(|(service, word)| !word.is_none() || known.get(*service).is_some())
            .collect();
        let failure = match timeout(SAVE_LIMIT, self.disk.repository.save_exact(floors)).await {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => format!("the disk did not answer within {SAVE_LIMIT:?}"),
        };
        warn!(failure, "floors stay as reserved; owners will raise their epochs once");
    }

    pub(super) fn report_stopping(&self) {
        self.report(Happening::new(EventKind::Stopping, "told to stop: releasing every service"));
    }
}

/// Adds an event that happens now, to the events and to the log.
pub(super) fn report(events: &EventLog, happening: Happening) {
    if matches!(happening.kind, EventKind::Fault | EventKind::Doubt) {
        warn!("{}", happening.text);
    } else {
        info!("{}", happening.text);
    }
    events.push(clock::boottime_ns(), SystemTime::now(), happening);
}

/// The wall clock when BOOTTIME was `at_ns`.
fn wall_clock_of(at_ns: u64) -> SystemTime {
    let ago = Duration::from_nanos(clock::boottime_ns().saturating_sub(at_ns));
    SystemTime::now().checked_sub(ago).unwrap_or_else(SystemTime::now)
}
