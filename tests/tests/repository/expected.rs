//! What a repository must hold after a kill.

use std::{collections::BTreeMap, path::Path};

use afc_agent::{
    events,
    repository::{Document, Floor, Found},
    state::History,
};
use afc_ebpf::identity::ServiceId;

use super::writer::{END, LISTS_BYTES};

/// Everything that was acknowledged, or seen to be there.
#[derive(Default)]
pub(crate) struct Expected {
    floors: BTreeMap<u32, u32>,
    records: BTreeMap<u16, u64>,
    event: u64,
    drained: Option<bool>,
    has_lists: bool,
}

impl Expected {
    /// Notes what one writer acknowledged.
    pub(crate) fn note(&mut self, lines: &[String]) {
        // Each writer turns it over once: without its acknowledgement nothing is known.
        self.drained = None;
        lines.iter().for_each(|line| self.note_one(line));
    }

    fn note_one(&mut self, line: &str) {
        let Some(line) = line.strip_suffix(END) else {
            return;
        };
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["floor", service, counter] => {
                raise(&mut self.floors, service.parse().unwrap(), counter.parse().unwrap());
            }
            ["record", node, sequence] => {
                raise(&mut self.records, node.parse().unwrap(), sequence.parse().unwrap());
            }
            ["event", id] => self.event = id.parse().unwrap(),
            ["drained", drained] => self.drained = Some(drained.parse().unwrap()),
            ["lists"] => self.has_lists = true,
            _ => panic!("not understood: {line}"),
        }
    }

    fn is_empty(&self) -> bool {
        self.floors.is_empty() && self.event == 0 && self.drained.is_none() && !self.has_lists
    }

    /// Opens the repository and looks for everything.
    pub(crate) fn check(&mut self, dir: &Path) {
        let history = if self.is_empty() { History::FirstStart } else { History::UsedBefore };
        let (repository, opened) = super::open(dir, history);
        match opened.found {
            Found::Known => {}
            Found::FirstStart => assert!(self.is_empty(), "the file is gone"),
            found @ (Found::Lost | Found::Damaged { .. }) => panic!("{found:?}"),
        }
        assert_eq!(opened.set_aside, []);
        let floors = repository.floors();
        for (service, acknowledged) in &mut self.floors {
            let Some(Floor::Reserved(counter)) = floors.get(ServiceId(*service)) else {
                panic!("service {service} has floor {:?}", floors.get(ServiceId(*service)));
            };
            assert!(counter >= *acknowledged, "the floor of {service}: {counter} < {acknowledged}");
            *acknowledged = counter;
        }
        let records: BTreeMap<_, _> =
            repository.records().into_iter().map(|record| (record.node.0, record)).collect();
        for (node, acknowledged) in &mut self.records {
            let record = &records[node];
            let sequence = record.version.sequence;
            assert!(sequence >= *acknowledged, "the record of {node}: {sequence} < {acknowledged}");
            assert_eq!(u64::from(record.state.capacity), sequence, "a mixture of two records");
            *acknowledged = sequence;
        }
        self.check_events(&opened.events.iter().map(|event| event.id).collect::<Vec<_>>());
        if let Some(lists) = repository.lists() {
            assert_eq!(*lists, Document::of(vec![lists.bytes[0]; LISTS_BYTES]), "a mixture of two lists");
        } else {
            assert!(!self.has_lists, "the lists are gone");
        }
        if let Some(drained) = self.drained.take() {
            assert_eq!(repository.drained(), drained);
        }
    }

    fn check_events(&mut self, ids: &[u64]) {
        let last = ids.last().copied().unwrap_or(0);
        assert!(last >= self.event, "event {} is gone: the last is {last}", self.event);
        assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "a hole in {ids:?}");
        assert_eq!(ids.len() as u64, last.min(events::CAPACITY as u64));
        self.event = last;
    }
}

fn raise<K: Ord, V: Ord + Copy>(highest: &mut BTreeMap<K, V>, key: K, value: V) {
    let entry = highest.entry(key).or_insert(value);
    *entry = value.max(*entry);
}
