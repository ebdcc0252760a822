//! The process that is killed: threads that write all the time, and say what was acknowledged.

use std::{io::Write, panic, path::Path, process, sync::Arc, thread};

use afc_agent::{
    cluster::record::{NodeRecord, NodeState, Version},
    events::{EventKind, EventRecord, Happening},
    repository::{Document, Floor, Found, Repository},
    state::History,
};
use afc_ebpf::identity::{NodeId, ServiceId};

/// What a line begins with that tells of an acknowledged write, and what it ends with: one that was cut off by the kill
/// does not count.
pub(crate) const MARK: &str = "+";
pub(crate) const END: &str = ";";
/// Services of each thread that reserves floors.
const SERVICES: u32 = 4;
/// Nodes whose records are written.
const NODES: u16 = 6;
/// Bytes of the lists: several pages, so that half of a write would be seen.
pub(crate) const LISTS_BYTES: usize = 20_000;

/// Writes for ever.
pub(crate) fn write_until_killed(dir: &Path) -> ! {
    // Before the first acknowledgement there may be no file; after it there must be one.
    let history = if dir.join("acknowledged").exists() { History::UsedBefore } else { History::FirstStart };
    let (repository, opened) = super::open(dir, history);
    assert!(matches!(opened.found, Found::Known | Found::FirstStart), "{:?}", opened.found);
    std::fs::write(dir.join("acknowledged"), "").unwrap();
    let repository = Arc::new(repository);
    let last_event = opened.events.last().map_or(0, |event| event.id);
    // A thread that fails ends the process, which the parent then sees as an end without a signal.
    panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        process::exit(3);
    }));
    let on_thread = |work: Box<dyn FnOnce(&Repository) + Send>| {
        let repository = Arc::clone(&repository);
        thread::spawn(move || work(&repository));
    };
    on_thread(Box::new(|repository| reserve_floors(repository, 0)));
    on_thread(Box::new(|repository| reserve_floors(repository, SERVICES)));
    on_thread(Box::new(|repository| put_records(repository)));
    on_thread(Box::new(move |repository| put_events(repository, last_event)));
    put_lists(&repository)
}

/// Runs a write to its acknowledgement.
fn wait<F: Future>(write: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(write)
}

/// Says that something is safe. Not with `println!`, which the test harness keeps to itself.
fn say(line: &str) {
    writeln!(std::io::stdout().lock(), "{MARK}{line}{END}").unwrap();
}

fn reserve_floors(repository: &Repository, first: u32) -> ! {
    for round in 0_u32.. {
        let service = ServiceId(first + round % SERVICES);
        let before = match repository.floors().get(service) {
            Some(Floor::Reserved(counter)) => counter,
            Some(Floor::Exact(_)) | None => 0,
        };
        wait(repository.reserve(service, before + 1)).unwrap();
        say(&format!("floor {} {}", service.0, before + 1));
    }
    unreachable!("it counts on")
}

fn put_records(repository: &Repository) -> ! {
    let record = |node: u16, sequence: u64| NodeRecord {
        node: NodeId(node),
        version: Version { incarnation: 1, sequence },
        state: NodeState { capacity: sequence as u32, ..NodeState::default() },
    };
    let last = repository.records().iter().map(|record| record.version.sequence).max();
    for sequence in last.unwrap_or(0) + 1.. {
        for node in 1..=NODES {
            repository.put_record(record(node, sequence));
            // Older than what is there: must not win.
            repository.put_record(record(node, sequence.saturating_sub(3)));
        }
        wait(repository.flush()).unwrap();
        for node in 1..=NODES {
            say(&format!("record {node} {sequence}"));
            repository.put_record(record(node, sequence - 1));
        }
    }
    unreachable!("it counts on")
}

fn put_events(repository: &Repository, last: u64) -> ! {
    for id in last + 1.. {
        let happening = Happening::new(EventKind::Served, format!("event {id}"));
        let at = "2023-11-14T22:13:20.000001Z".to_owned();
        repository.put_event(Arc::new(EventRecord { id, at, boot_ns: id, happening }));
        if id % 7 == 0 {
            wait(repository.flush()).unwrap();
            say(&format!("event {id}"));
        }
    }
    unreachable!("it counts on")
}

fn put_lists(repository: &Repository) -> ! {
    let was_drained = repository.drained();
    let turned = async { if was_drained { repository.undrain().await } else { repository.drain().await } };
    wait(turned).unwrap();
    say(&format!("drained {}", !was_drained));
    let last = repository.lists().map_or(0, |lists| lists.bytes[0]);
    for round in 1_u64.. {
        let number = last.wrapping_add(round as u8);
        repository.put_lists(Document::of(vec![number; LISTS_BYTES]));
        repository.put_configuration(&format!("round {round}"));
        wait(repository.flush()).unwrap();
        say("lists");
    }
    unreachable!("it counts on")
}
