//! A disk that fails: told once, tried again, and nothing acknowledged is lost with it.

use std::sync::atomic::AtomicI32;

use super::*;

/// Has every write fail with an error, or none with 0.
fn break_disk(repository: &Repository, error: i32) {
    let fault: &AtomicI32 = &repository.shared.place.times.fault;
    fault.store(error, Ordering::Relaxed);
}

#[tokio::test]
async fn a_full_disk_is_told_once_with_the_fix_and_everything_is_written_when_there_is_room() {
    let (dir, repository, mut opened) = new();
    repository.reserve(WEB, 64).await.unwrap();
    break_disk(&repository, libc::ENOSPC);
    repository.put_event(event(1));
    repository.put_record(record(1, 1, 1));
    for _ in 0..3 {
        let refused = repository.reserve(WEB, 128).await.unwrap_err().to_string();
        assert!(refused.starts_with("cannot "), "{refused}");
        assert!(refused.ends_with("make room on its file system"), "{refused}");
    }
    assert_eq!(repository.floors().get(WEB), Some(Floor::Reserved(64)));
    let Some(Incident::Failing(failure)) = opened.incidents.recv().await else { panic!("it was not told") };
    assert!(failure.to_string().contains("repository.redb"), "{failure}");
    assert!(opened.incidents.try_recv().is_err());
    repository.put_event(event(2));
    break_disk(&repository, 0);
    // By the writer's own retry: nobody asks.
    assert!(matches!(opened.incidents.recv().await, Some(Incident::Recovered)));
    let ids: Vec<_> = everything(&repository).events.keys().copied().collect();
    assert_eq!((ids, repository.records().len()), (vec![1, 2], 1));
    repository.reserve(WEB, 128).await.unwrap();
    let before = everything(&repository);
    drop(repository);
    assert_eq!(everything(&reopen(dir.path()).0), before);
}

#[tokio::test]
async fn a_file_damaged_under_a_running_agent_is_replaced_with_the_same_content() {
    let (dir, repository, mut opened) = new();
    let file = dir.path().join("repository.redb");
    repository.reserve_all([(WEB, 64), (MAIL, 5)]).await.unwrap();
    repository.put_event(event(1));
    repository.drain().await.unwrap();
    break_disk(&repository, libc::EIO);
    repository.reserve(WEB, 128).await.unwrap_err();
    fs::write(&file, "something else").unwrap();
    break_disk(&repository, 0);
    repository.reserve(WEB, 128).await.unwrap();
    let mut told = Vec::new();
    while let Ok(incident) = opened.incidents.try_recv() {
        told.push(incident);
    }
    let [Incident::Failing(_), Incident::Rebuilt { kept, .. }, Incident::Recovered] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(fs::read_to_string(kept).unwrap(), "something else");
    let before = everything(&repository);
    drop(repository);
    let (repository, opened) = reopen(dir.path());
    assert_eq!((opened.found, opened.events), (Found::Known, vec![event(1)]));
    assert_eq!(everything(&repository), before);
    assert_eq!(repository.floors().get(WEB), Some(Floor::Reserved(128)));
}

#[tokio::test]
async fn an_end_while_the_disk_fails_does_not_wait_for_it() {
    let (dir, repository, _opened) = new();
    repository.reserve(WEB, 64).await.unwrap();
    break_disk(&repository, libc::EROFS);
    repository.put_event(event(1));
    repository.close();
    drop(repository);
    assert_eq!(reopen(dir.path()).0.floors().get(WEB), Some(Floor::Reserved(64)));
}

#[test]
fn a_directory_that_can_not_be_used_is_one_sentence_with_the_fix() {
    let (_, error) = (
        (),
        match Repository::open(Path::new("/proc"), History::FirstStart) {
            Ok(_) => panic!("a repository in /proc"),
            Err(error) => error.to_string(),
        },
    );
    assert!(error.starts_with("cannot make /proc/repository.redb: "), "{error}");
    assert!(error.contains("name another state_dir in [agent]"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("repository.redb")).unwrap();
    let Err(error) = Repository::open(dir.path(), History::UsedBefore) else { panic!("it is a directory") };
    assert!(error.to_string().contains("repository.redb: Is a directory"), "{error}");
}
