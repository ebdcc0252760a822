//! What is acknowledged survives, what is older never wins, and what fails is told once.

mod damage;
mod disk;

use std::fs;

use afc_ebpf::identity::{Epoch, NodeId};

use super::*;
use crate::{
    cluster::record::{Limits, NodeState, Utilization},
    events::{self, EventKind, Happening},
};

const WEB: ServiceId = ServiceId(0x5f3a_9c01);
const MAIL: ServiceId = ServiceId(7);

/// The repository of a directory in which an agent ran before.
fn reopen(dir: &Path) -> (Repository, Opened) {
    Repository::open(dir, History::UsedBefore).unwrap()
}

/// A repository of a new directory.
fn new() -> (tempfile::TempDir, Repository, Opened) {
    let dir = tempfile::tempdir().unwrap();
    let (repository, opened) = Repository::open(dir.path(), History::FirstStart).unwrap();
    assert_eq!(opened.found, Found::FirstStart);
    (dir, repository, opened)
}

fn record(node: u16, incarnation: u64, sequence: u64) -> NodeRecord {
    let utilization = Utilization {
        cpu: 0.1 + sequence as f64 / 3e5,
        memory_available_bytes: u64::MAX - sequence,
        memory_total_bytes: u64::MAX,
        iops: 310,
        load: 0.8,
        pressure: None,
    };
    let state = NodeState {
        utilization: Some(utilization),
        limits: Limits { cpu: Some(0.85), ..Limits::default() },
        holdings: vec![(WEB, Epoch::claim(sequence as u32, NodeId(node)).owned_by(NodeId(node)))],
        ..NodeState::default()
    };
    NodeRecord { node: NodeId(node), version: Version { incarnation, sequence }, state }
}

fn event(id: u64) -> Arc<EventRecord> {
    let happening = Happening {
        service: Some("web-1".to_owned()),
        ..Happening::new(EventKind::Served, format!("event {id}"))
    };
    Arc::new(EventRecord { id, at: "2023-11-14T22:13:20.000001Z".to_owned(), boot_ns: id * 10, happening })
}

/// Everything that a repository holds, as readers see it.
fn everything(repository: &Repository) -> Arc<Contents> {
    repository.shared.contents()
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_a_restart() {
    let (dir, repository, _opened) = new();
    repository.reserve_all([(WEB, 64), (MAIL, 5)]).await.unwrap();
    repository.drain().await.unwrap();
    repository.put_record(record(1, 3, 9));
    repository.put_record(record(2, 1, 1));
    repository.put_lists(Document { digest: [7; 32], bytes: vec![0, 255, 1] });
    repository.put_configuration("[cluster]\nname = \"edge\"\n");
    repository.put_event(event(1));
    repository.put_event(event(2));
    repository.flush().await.unwrap();
    let before = everything(&repository);
    drop(repository);
    let (repository, opened) = reopen(dir.path());
    assert_eq!((opened.found, opened.set_aside), (Found::Known, vec![]));
    assert_eq!(everything(&repository), before);
    assert_eq!(opened.events, [event(1), event(2)]);
    assert_eq!(repository.floors().get(WEB), Some(Floor::Reserved(64)));
    assert!(repository.drained());
    assert_eq!(repository.records().iter().map(|record| record.node.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(repository.lists().unwrap().bytes, [0, 255, 1]);
    let configuration = repository.configuration().unwrap();
    assert_eq!(configuration.digest, *blake3::hash(&configuration.bytes).as_bytes());
}

#[tokio::test]
async fn what_nobody_waits_for_is_written_soon_and_at_the_end() {
    let (dir, repository, _opened) = new();
    repository.put_event(event(1));
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while everything(&repository).events.is_empty() {
        assert!(std::time::Instant::now() < deadline, "the event is not written");
        tokio::task::yield_now().await;
    }
    repository.put_event(event(2));
    repository.close();
    assert!(matches!(repository.flush().await, Err(PutError::Closed)));
    drop(repository);
    assert_eq!(reopen(dir.path()).1.events, [event(1), event(2)]);
}

#[tokio::test]
async fn an_older_record_never_overwrites_a_newer_one() {
    let (dir, repository, _opened) = new();
    let table = [
        (record(1, 2, 5), 5, 0),
        (record(1, 2, 4), 5, 1),
        (record(1, 1, 9), 5, 2),
        (NodeRecord { state: NodeState::default(), ..record(1, 2, 5) }, 5, 3),
        (record(1, 2, 6), 6, 3),
        (record(1, 3, 1), 1, 3),
    ];
    for (put, sequence, older) in table {
        repository.put_record(put);
        repository.flush().await.unwrap();
        assert_eq!(repository.records()[0].version.sequence, sequence);
        assert_eq!(repository.stats().older_records, older);
    }
    repository.forget_record(NodeId(1), Version { incarnation: 2, sequence: 100 });
    repository.flush().await.unwrap();
    assert_eq!(repository.records().len(), 1);
    repository.forget_record(NodeId(1), Version { incarnation: 3, sequence: 1 });
    repository.flush().await.unwrap();
    drop(repository);
    assert!(reopen(dir.path()).0.records().is_empty());
}

#[tokio::test]
async fn a_record_of_improper_numbers_is_counted_and_not_stored() {
    let (_dir, repository, _opened) = new();
    let mut absurd = record(1, 1, 1);
    for load in [f64::NAN, f64::INFINITY] {
        absurd.version.sequence += 1;
        absurd.state.limits.load = Some(load);
        repository.put_record(absurd.clone());
        repository.flush().await.unwrap();
    }
    assert!(repository.records().is_empty());
    assert_eq!(repository.stats().unstorable_records, 2);
}

#[tokio::test]
async fn a_clean_stop_leaves_exact_floors() {
    let (dir, repository, _opened) = new();
    repository.reserve_all([(WEB, 64), (MAIL, 64)]).await.unwrap();
    let word = Epoch::claim(9, NodeId(3)).owned_by(NodeId(3));
    repository.save_exact([(WEB, word)]).await.unwrap();
    drop(repository);
    let (repository, _) = reopen(dir.path());
    let released = Epoch::claim(9, NodeId(3)).owned_by(NodeId::NONE);
    assert_eq!(repository.floors().get(WEB), Some(Floor::Exact(released)));
    assert_eq!(repository.floors().get(MAIL), Some(Floor::Reserved(64)));
}

#[tokio::test]
async fn floors_of_a_lost_file_are_unknown_over_restarts_until_they_are_reserved() {
    let (dir, repository, _opened) = new();
    assert_eq!(repository.floors().get(WEB), Some(Floor::Exact(OwnerWord::NONE)));
    drop(repository);
    fs::remove_file(dir.path().join("repository.redb")).unwrap();
    let (repository, opened) = reopen(dir.path());
    assert_eq!((opened.found, repository.floors().get(WEB)), (Found::Lost, None));
    drop(repository);
    let (repository, opened) = reopen(dir.path());
    assert_eq!((opened.found, repository.floors().get(WEB)), (Found::Known, None));
    repository.reserve(WEB, 100).await.unwrap();
    drop(repository);
    let floors = reopen(dir.path()).0.floors();
    assert_eq!((floors.get(WEB), floors.get(MAIL)), (Some(Floor::Reserved(100)), None));
}

#[tokio::test]
async fn the_oldest_event_goes_and_ids_have_no_holes() {
    let (dir, repository, _opened) = new();
    let count = events::CAPACITY as u64 + 300;
    for id in 1..=count {
        repository.put_event(event(id));
        if id % 97 == 0 {
            repository.flush().await.unwrap();
        }
    }
    drop(repository);
    let ids: Vec<_> = reopen(dir.path()).1.events.iter().map(|event| event.id).collect();
    assert_eq!(ids, Vec::from_iter(301..=count));
}

#[tokio::test]
async fn writes_that_wait_share_a_transaction() {
    let (_dir, repository, _opened) = new();
    let writes = (0..2000).map(|n| repository.reserve(ServiceId(n), n));
    let results = futures_util::future::join_all(writes).await;
    assert!(results.iter().all(Result::is_ok));
    let stats = repository.stats();
    println!("{stats:?}");
    assert!(stats.commits < 200, "{stats:?}");
    assert!(stats.file_bytes > 0 && stats.syncs >= 2 && stats.worst_sync >= stats.last_sync, "{stats:?}");
}

#[tokio::test]
async fn a_row_that_can_not_be_read_is_put_aside_and_the_rest_stays() {
    let (dir, repository, _opened) = new();
    repository.reserve_all([(WEB, 64), (MAIL, 5)]).await.unwrap();
    repository.put_record(record(1, 1, 1));
    repository.put_record(record(2, 1, 1));
    drop(repository);
    let place = Place::new(dir.path(), Arc::default());
    let Look::Good(store, _) = place.look().unwrap() else { panic!("it was closed well") };
    let bad = [
        ((store::Table::Floors, WEB.0.into()), vec![9, 1]),
        ((store::Table::Records, 1), b"\x01{\"node\":".to_vec()),
        ((store::Table::Records, 1 << 40), codec::encode(&record(2, 1, 1))),
        (contents::Single::Drained.key(), vec![]),
    ];
    store.write(&bad.iter().map(|(key, value)| (*key, Some(value.clone()))).collect()).unwrap();
    drop(store);
    let (repository, opened) = reopen(dir.path());
    assert_eq!(opened.found, Found::Known);
    let why: Vec<_> = opened.set_aside.iter().map(|row| (row.table.as_str(), row.why.as_str())).collect();
    assert_eq!(why.len(), 4, "{why:?}");
    assert_eq!(why[0], ("single", "it is too short"));
    assert_eq!(why[1], ("floors", "its version is 9, and this afc knows 1"));
    assert_eq!(why[3], ("records", "its key is out of range"));
    assert_eq!(repository.stats().set_aside, 4);
    let floors = repository.floors();
    assert_eq!((floors.get(WEB), floors.get(MAIL)), (None, Some(Floor::Reserved(5))));
    assert_eq!(repository.records().len(), 1);
    drop(repository);
    let (repository, opened) = reopen(dir.path());
    assert_eq!(opened.set_aside, []);
    assert_eq!(repository.floors().get(WEB), None);
    drop(repository);
    let Look::Good(_, image) = place.look().unwrap() else { panic!("it was closed well") };
    assert_eq!(image.keys().filter(|key| key.0 == store::Table::Aside).count(), 4);
}
