//! Everything that the repository holds, in memory as on the disk, and what a change does to it. Pure.
//!
//! A change is taken into a copy, its rows are committed, then the copy becomes what readers see: they never see what is
//! not safe, nor half of it. Parts are shared between copies, so a copy costs little.

use std::{collections::BTreeMap, sync::Arc};

use afc_ebpf::identity::{NodeId, OwnerWord, ServiceId};
use serde::de::DeserializeOwned;

use super::{
    codec::{self, Document, SetAside, Unreadable},
    floors::{Floors, Unlisted},
    store::{Changes, Image, Key, Table},
};
use crate::{
    cluster::record::{NodeRecord, Version},
    events::{self, EventRecord},
};

/// Rows that are kept aside; the oldest goes when there are more.
const MAX_ASIDE: usize = 64;

/// Keys in [`Table::Single`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Single {
    Unlisted = 1,
    Drained = 2,
    Lists = 3,
    Configuration = 4,
}

impl Single {
    pub(super) const fn key(self) -> Key {
        (Table::Single, self as u64)
    }
}

/// What is asked of the repository.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Nothing, but that everything before is safe.
    Flush,
    ReserveFloors(Vec<(ServiceId, u32)>),
    SaveExact(Vec<(ServiceId, OwnerWord)>),
    SetDrained(bool),
    Record(NodeId, RecordChange),
    Lists(Arc<Document>),
    Configuration(Arc<Document>),
    Event(Arc<EventRecord>),
}

/// What is asked about a node's record.
#[derive(Clone, Debug)]
pub(super) enum RecordChange {
    /// Keep it, if it is newer.
    Put(Arc<NodeRecord>),
    /// Remove it, unless there is a newer one by now.
    Forget(Version),
}

impl RecordChange {
    /// Whether this is to be done and not the other: the arbitration between writers.
    pub(super) fn prevails_over(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Put(new), Self::Put(old)) => new.version > old.version,
            (Self::Put(new), Self::Forget(old)) => new.version > *old,
            (Self::Forget(new), Self::Put(old)) => *new >= old.version,
            (Self::Forget(new), Self::Forget(old)) => new >= old,
        }
    }
}

/// How a batch of changes went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Records that did not win.
    pub(super) older: u64,
    /// Records that hold what cannot be stored, such as numbers that are none.
    pub(super) unstorable: u64,
}

/// Everything that the repository holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) floors: Arc<Floors>,
    pub(super) records: Arc<BTreeMap<NodeId, Arc<NodeRecord>>>,
    pub(super) events: Arc<BTreeMap<u64, Arc<EventRecord>>>,
    pub(super) drained: bool,
    pub(super) lists: Option<Arc<Document>>,
    pub(super) configuration: Option<Arc<Document>>,
}

impl Contents {
    pub(super) fn new(unlisted: Unlisted) -> Self {
        Self {
            floors: Arc::new(Floors::new(unlisted)),
            records: Arc::default(),
            events: Arc::default(),
            drained: false,
            lists: None,
            configuration: None,
        }
    }

    /// What the rows say. Rows that cannot be read are not in it, and come back apart.
    pub(super) fn read(image: &Image) -> (Self, Vec<SetAside>) {
        let mut contents = Self::new(Unlisted::Unknown);
        let mut aside = Vec::new();
        for (&key, bytes) in image {
            if let Err(why) = contents.take(key, bytes) {
                if let (Table::Floors, Ok(service)) = (key.0, u32::try_from(key.1)) {
                    Arc::make_mut(&mut contents.floors).listed.insert(ServiceId(service), None);
                }
                let table = key.0.name().to_owned();
                aside.push(SetAside { table, key: key.1, why: why.to_string(), bytes: bytes.clone() });
            }
        }
        (contents, aside)
    }

    fn take(&mut self, (table, key): Key, bytes: &[u8]) -> Result<(), Unreadable> {
        match table {
            Table::Single if key == Single::Unlisted as u64 => {
                Arc::make_mut(&mut self.floors).unlisted = codec::decode(bytes)?;
            }
            Table::Single if key == Single::Drained as u64 => self.drained = codec::decode(bytes)?,
            Table::Single if key == Single::Lists as u64 => {
                self.lists = Some(Arc::new(codec::decode_document(bytes)?));
            }
            Table::Single if key == Single::Configuration as u64 => {
                self.configuration = Some(Arc::new(codec::decode_document(bytes)?));
            }
            Table::Single => return Err(Unreadable::Key),
            Table::Floors => {
                let service = ServiceId(u32::try_from(key).map_err(|_| Unreadable::Key)?);
                let floor = codec::decode(bytes)?;
                Arc::make_mut(&mut self.floors).listed.insert(service, floor);
            }
            Table::Records => {
                let record: NodeRecord = keyed(key, bytes, |record: &NodeRecord| record.node.0.into())?;
                Arc::make_mut(&mut self.records).insert(record.node, Arc::new(record));
            }
            Table::Events => {
                let event: EventRecord = keyed(key, bytes, |event: &EventRecord| event.id)?;
                Arc::make_mut(&mut self.events).insert(key, Arc::new(event));
            }
            Table::Aside => {}
        }
        Ok(())
    }

    /// The rows that say all this.
    pub(super) fn image(&self) -> Image {
        let mut image = Image::new();
        image.insert(Single::Unlisted.key(), codec::encode(&self.floors.unlisted));
        image.insert(Single::Drained.key(), codec::encode(&self.drained));
        for (single, document) in [(Single::Lists, &self.lists), (Single::Configuration, &self.configuration)]
        {
            image.extend(document.iter().map(|document| (single.key(), codec::encode_document(document))));
        }
        let floors = self.floors.listed.iter();
        image
            .extend(floors.map(|(service, floor)| ((Table::Floors, service.0.into()), codec::encode(floor))));
        let records = self.records.values();
        image.extend(records.map(|record| (record_key(record.node), codec::encode(&**record))));
        let events = self.events.iter();
        image.extend(events.map(|(id, event)| ((Table::Events, *id), codec::encode(&**event))));
        image
    }

    /// Takes changes in, in their order, and says which rows they write.
    pub(super) fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> (Changes, Outcome) {
        let (mut rows, mut outcome) = (Changes::new(), Outcome::default());
        for change in changes {
            self.apply_one(change, &mut rows, &mut outcome);
        }
        (rows, outcome)
    }

    fn apply_one(&mut self, change: Change, rows: &mut Changes, outcome: &mut Outcome) {
        match change {
            Change::Flush => {}
            Change::ReserveFloors(wanted) => {
                let floors = Arc::make_mut(&mut self.floors);
                for (service, counter) in wanted {
                    let floor = floors.reserve(service, counter);
                    rows.extend(floor.map(|floor| floor_row(service, &Some(floor))));
                }
            }
            Change::SaveExact(words) => {
                let floors = Arc::make_mut(&mut self.floors);
                for (service, word) in words {
                    let floor = floors.save_exact(service, word);
                    rows.extend(floor.map(|floor| floor_row(service, &Some(floor))));
                }
            }
            Change::SetDrained(drained) => {
                self.drained = drained;
                rows.insert(Single::Drained.key(), Some(codec::encode(&drained)));
            }
            Change::Record(node, change) => self.apply_to_record(node, change, rows, outcome),
            Change::Lists(lists) => {
                rows.insert(Single::Lists.key(), Some(codec::encode_document(&lists)));
                self.lists = Some(lists);
            }
            Change::Configuration(text) => {
                rows.insert(Single::Configuration.key(), Some(codec::encode_document(&text)));
                self.configuration = Some(text);
            }
            Change::Event(event) => self.add_event(event, rows),
        }
    }

    fn apply_to_record(
        &mut self,
        node: NodeId,
        change: RecordChange,
        rows: &mut Changes,
        outcome: &mut Outcome,
    ) {
        let stored = self.records.get(&node).map(|record| RecordChange::Put(Arc::clone(record)));
        if stored.is_some_and(|stored| !change.prevails_over(&stored)) {
            outcome.older += 1;
            return;
        }
        match change {
            RecordChange::Put(record) => {
                let bytes = codec::encode(&*record);
                // JSON has no infinity: such a record would be unreadable, or another one, after a restart.
                if codec::decode::<NodeRecord>(&bytes).ok().as_ref() != Some(&*record) {
                    outcome.unstorable += 1;
                    return;
                }
                rows.insert(record_key(node), Some(bytes));
                Arc::make_mut(&mut self.records).insert(node, record);
            }
            RecordChange::Forget(_) => {
                rows.insert(record_key(node), None);
                Arc::make_mut(&mut self.records).remove(&node);
            }
        }
    }

    fn add_event(&mut self, event: Arc<EventRecord>, rows: &mut Changes) {
        let events = Arc::make_mut(&mut self.events);
        rows.insert((Table::Events, event.id), Some(codec::encode(&*event)));
        events.insert(event.id, event);
        while events.len() > events::CAPACITY {
            let gone = events.pop_first();
            rows.extend(gone.map(|(id, _)| ((Table::Events, id), None)));
        }
    }
}

/// The rows that put unreadable ones aside, and say that a floor which was among them is unknown.
pub(super) fn set_aside(image: &Image, contents: &Contents, aside: &[SetAside]) -> Changes {
    let mut rows: Changes = super::store::difference(image, &contents.image());
    let mut kept: Vec<u64> =
        image.range((Table::Aside, 0)..=(Table::Aside, u64::MAX)).map(|((_, number), _)| *number).collect();
    for row in aside {
        let number = kept.last().map_or(1, |last| last.saturating_add(1));
        kept.push(number);
        rows.insert((Table::Aside, number), Some(codec::encode(row)));
    }
    for number in kept.iter().rev().skip(MAX_ASIDE) {
        rows.insert((Table::Aside, *number), None);
    }
    rows
}

/// A value that says its own key.
fn keyed<T: DeserializeOwned>(key: u64, bytes: &[u8], own_key: fn(&T) -> u64) -> Result<T, Unreadable> {
    let value = codec::decode(bytes)?;
    if own_key(&value) == key { Ok(value) } else { Err(Unreadable::Key) }
}

fn record_key(node: NodeId) -> Key {
    (Table::Records, node.0.into())
}

fn floor_row(service: ServiceId, floor: &Option<super::Floor>) -> (Key, Option<Vec<u8>>) {
    ((Table::Floors, service.0.into()), Some(codec::encode(floor)))
}
