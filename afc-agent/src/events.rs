//! What happened on this node, for `afc events`: a ring of the last state changes, each with an id that grows by one.
//!
//! Only state changes come here, never packets. The ring is bounded: when it is full the oldest event goes, and a
//! reader that is too far behind is told how many it missed. It starts with what the repository kept of the agents
//! before, and hands each event on to be kept; a SIGKILL loses those of the last moment, which are in the system's log.

mod describe;
mod tally;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use describe::{Naming, describe};
pub(crate) use describe::{cause_name, offer_name, refusal_name};
pub use tally::Tally;

/// Events that are kept; the oldest goes when there are more.
pub const CAPACITY: usize = 1024;

/// One event, as in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its number, from 1, without gaps, going on over restarts of the agent.
    pub id: u64,
    /// When, by the wall clock (RFC 3339, UTC): for people only.
    pub at: String,
    /// When, by `CLOCK_BOOTTIME`, ns.
    pub boot_ns: u64,
    /// What happened, to whom.
    #[serde(flatten)]
    pub happening: Happening,
}

/// What happened, to whom. What does not apply is `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// What.
    pub kind: EventKind,
    /// The service that it is about.
    pub service: Option<String>,
    /// The node that it is about.
    pub node: Option<String>,
    /// The owner before.
    pub from: Option<String>,
    /// The owner after.
    pub to: Option<String>,
    /// The counter of the epoch.
    pub epoch: Option<u32>,
    /// Why, in one word.
    pub reason: Option<String>,
    /// The whole of it for people.
    pub text: String,
}

impl Happening {
    /// Something that is about no service and no node.
    pub fn new(kind: EventKind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind, service: None, node: None, from: None, to: None, epoch: None, reason: None, text }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The agent is ready.
    Started,
    /// The agent adopted the programs and maps of the one before it.
    Adopted,
    /// The agent was told to stop.
    Stopping,
    /// A node is suspected dead.
    Suspected,
    /// A node answers, again or for the first time.
    Alive,
    /// This node claims a service.
    Claimed,
    /// This node serves a service.
    Served,
    /// This node no longer holds a service.
    Dropped,
    /// Another node serves a service.
    OwnerChanged,
    /// Two nodes announced one service.
    TwoAnnouncers,
    /// A voter refused this node.
    Refused,
    /// The owner did not hand a service over that this node asked for.
    NotHandedOver,
    /// A node became available as a backup, or ceased to be.
    Availability,
    /// The backups of a service stand in another order, or one became available or ceased to be.
    Lists,
    /// An interface came up or went down, or XDP was attached to it.
    Interface,
    /// The clock jumped or the machine was suspended: all leases were given up.
    Doubt,
    /// Something that the agent needs failed.
    Fault,
    /// What had failed works again.
    Recovered,
    /// A recording began or ended.
    Recording,
}

impl EventKind {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Started,
        Self::Adopted,
        Self::Stopping,
        Self::Suspected,
        Self::Alive,
        Self::Claimed,
        Self::Served,
        Self::Dropped,
        Self::OwnerChanged,
        Self::TwoAnnouncers,
        Self::Refused,
        Self::NotHandedOver,
        Self::Availability,
        Self::Lists,
        Self::Interface,
        Self::Doubt,
        Self::Fault,
        Self::Recovered,
        Self::Recording,
    ];

    /// Its name in JSON and text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Adopted => "adopted",
            Self::Stopping => "stopping",
            Self::Suspected => "suspected",
            Self::Alive => "alive",
            Self::Claimed => "claimed",
            Self::Served => "served",
            Self::Dropped => "dropped",
            Self::OwnerChanged => "owner_changed",
            Self::TwoAnnouncers => "two_announcers",
            Self::Refused => "refused",
            Self::NotHandedOver => "not_handed_over",
            Self::Availability => "availability",
            Self::Lists => "lists",
            Self::Interface => "interface",
            Self::Doubt => "doubt",
            Self::Fault => "fault",
            Self::Recovered => "recovered",
            Self::Recording => "recording",
        }
    }
}

impl fmt::Display for EventRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}  {}  {:<14}  {}", self.id, self.at, self.happening.kind.name(), self.happening.text)
    }
}

/// Events behind one id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBatch {
    /// In the order in which they happened.
    pub events: Vec<EventRecord>,
    /// How many before them are no longer kept.
    pub missed: u64,
}

/// The last [`CAPACITY`] events. Shared by whoever reports and whoever reads.
pub struct EventLog {
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
    keep: Box<dyn Fn(Arc<EventRecord>) + Send + Sync>,
}

struct Kept {
    ring: VecDeque<Arc<EventRecord>>,
    tally: Tally,
}

impl Default for EventLog {
    fn default() -> Self {
        Self::going_on(Vec::new(), drop)
    }
}

impl EventLog {
    /// Goes on after `past`, oldest first; each new event is handed to `keep`, in their order, which must not block.
    pub fn going_on(
        past: Vec<Arc<EventRecord>>,
        keep: impl Fn(Arc<EventRecord>) + Send + Sync + 'static,
    ) -> Self {
        let newest = watch::Sender::new(past.last().map_or(0, |event| event.id));
        let mut ring = VecDeque::with_capacity(CAPACITY);
        ring.extend(past.into_iter().rev().take(CAPACITY));
        ring.make_contiguous().reverse();
        Self { kept: Mutex::new(Kept { ring, tally: Tally::default() }), newest, keep: Box::new(keep) }
    }

    /// Adds an event that happened at `boot_ns` by `CLOCK_BOOTTIME` and `at` by the wall clock; returns its id.
    pub fn push(&self, boot_ns: u64, at: SystemTime, happening: Happening) -> u64 {
        let mut kept = self.kept();
        kept.tally.count(&happening);
        if kept.ring.len() == CAPACITY {
            kept.ring.pop_front();
        }
        let id = *self.newest.borrow() + 1;
        let at = humantime::format_rfc3339_micros(at).to_string();
        let event = Arc::new(EventRecord { id, at, boot_ns, happening });
        kept.ring.push_back(Arc::clone(&event));
        // Under the lock, so that ids are in order; waiting readers find the event.
        (self.keep)(event);
        self.newest.send_replace(id);
        id
    }

    /// The events with a greater id than `after`.
    pub fn after(&self, after: u64) -> EventBatch {
        let ring = &self.kept().ring;
        let first = ring.front().map_or(0, |event| event.id);
        let missed = first.saturating_sub(after.saturating_add(1));
        let known = ring.partition_point(|event| event.id <= after);
        EventBatch { events: ring.range(known..).map(|event| EventRecord::clone(event)).collect(), missed }
    }

    /// Wakes whoever waits for an id greater than the last it saw.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// How often what happened since the start of this agent.
    pub fn tally(&self) -> Tally {
        self.kept().tally.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Every change is a count and one push behind one pop, so a panic elsewhere left nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn filled(count: u64) -> EventLog {
        let log = EventLog::default();
        for n in 1..=count {
            let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_000 + n);
            assert_eq!(log.push(n * 10, at, Happening::new(EventKind::Started, format!("event {n}"))), n);
        }
        log
    }

    fn ids(batch: &EventBatch) -> Vec<u64> {
        batch.events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn a_reader_gets_what_is_behind_its_id() {
        let log = filled(5);
        assert_eq!(ids(&log.after(0)), [1, 2, 3, 4, 5]);
        assert_eq!(ids(&log.after(3)), [4, 5]);
        assert_eq!(log.after(5), EventBatch::default());
        assert_eq!(log.after(u64::MAX), EventBatch::default());
        assert_eq!(EventLog::default().after(0), EventBatch::default());
    }

    #[test]
    fn a_full_ring_loses_the_oldest_and_says_so() {
        let log = filled(CAPACITY as u64 + 10);
        let batch = log.after(0);
        assert_eq!((batch.events.len(), batch.missed), (CAPACITY, 10));
        assert_eq!(batch.events[0].id, 11);
        assert_eq!(log.after(9).missed, 1);
        assert_eq!(log.after(10).missed, 0);
    }

    #[test]
    fn a_subscriber_is_woken_by_each_new_event() {
        let log = filled(1);
        let mut newest = log.subscribe();
        assert_eq!(*newest.borrow_and_update(), 1);
        assert!(!newest.has_changed().unwrap());
        log.push(0, SystemTime::UNIX_EPOCH, Happening::new(EventKind::Doubt, "x"));
        assert!(newest.has_changed().unwrap());
    }

    #[test]
    fn ids_go_on_after_those_of_the_agent_before_and_each_event_is_handed_on() {
        let past: Vec<_> = filled(CAPACITY as u64).after(0).events.into_iter().map(Arc::new).collect();
        let (sender, kept) = std::sync::mpsc::channel();
        let log = EventLog::going_on(past[4..].to_vec(), move |event| sender.send(event.id).unwrap());
        assert_eq!(*log.subscribe().borrow(), CAPACITY as u64);
        let event = |text: &str| Happening::new(EventKind::Recovered, text);
        for n in 1..=6 {
            assert_eq!(log.push(0, SystemTime::UNIX_EPOCH, event("x")), CAPACITY as u64 + n);
        }
        let batch = log.after(0);
        assert_eq!((batch.events.len(), batch.missed, batch.events[0].id), (CAPACITY, 6, 7));
        assert_eq!(kept.try_iter().collect::<Vec<_>>(), Vec::from_iter(1025..=1030));
    }

    #[test]
    fn an_event_reads_well_as_text_and_as_json() {
        let event = filled(1).after(0).events.remove(0);
        assert_eq!(event.to_string(), "    1  2023-11-14T22:13:20.000001Z  started         event 1");
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["kind"], "started");
        assert_eq!(json["boot_ns"], 10);
        assert!(json["service"].is_null());
        assert_eq!(serde_json::from_value::<EventRecord>(json).unwrap(), event);
    }
}
