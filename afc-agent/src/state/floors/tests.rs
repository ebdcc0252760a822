//! Floors survive restarts, damage is never mistaken for zero.

use afc_ebpf::identity::{Epoch, NodeId};

use super::*;

const WEB: ServiceId = ServiceId(0x5f3a_9c01);
const MAIL: ServiceId = ServiceId(7);

fn reopen(dir: &Path) -> FloorStore {
    let (store, loaded) = FloorStore::open(dir).unwrap();
    assert_eq!(loaded, Loaded::Known);
    store
}

/// A directory in which an agent ran before.
fn used_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(incarnation::FILE), "1\n").unwrap();
    dir
}

#[test]
fn a_reserved_floor_covers_every_epoch_of_its_counter_and_no_later_one() {
    let word = Floor::Reserved(7).word();
    let mut last = Epoch::claim(7, NodeId::MAX);
    while let Some(next) = last.next_hop() {
        last = next;
    }
    assert_eq!(word, last.owned_by(NodeId::NONE));
    assert!(word.epoch() < Epoch::claim(8, NodeId(1)));
    assert!(Floor::Reserved(u32::MAX).word().epoch() >= Epoch::claim(u32::MAX, NodeId::MAX));
}

#[test]
fn what_was_reserved_is_there_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, loaded) = FloorStore::open(dir.path()).unwrap();
    assert_eq!(loaded, Loaded::FirstStart);
    assert_eq!(store.get(WEB), Some(Floor::Exact(OwnerWord::NONE)));
    store.reserve(WEB, 64).unwrap();
    store.reserve(WEB, 32).unwrap();
    drop(store);
    let store = reopen(dir.path());
    assert_eq!(store.get(WEB), Some(Floor::Reserved(64)));
    assert_eq!(store.get(MAIL), Some(Floor::Exact(OwnerWord::NONE)));
}

#[test]
fn a_clean_stop_leaves_exact_floors_and_the_next_reservation_starts_from_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = FloorStore::open(dir.path()).unwrap();
    store.reserve_all([(WEB, 64), (MAIL, 64)]).unwrap();
    let word = Epoch::claim(9, NodeId(3)).owned_by(NodeId(3));
    store.save_exact([(WEB, word)]).unwrap();
    let mut store = reopen(dir.path());
    let released = Epoch::claim(9, NodeId(3)).owned_by(NodeId::NONE);
    assert_eq!(store.get(WEB), Some(Floor::Exact(released)));
    assert_eq!(store.get(WEB).unwrap().word(), released);
    assert_eq!(store.get(MAIL), Some(Floor::Reserved(64)));
    store.reserve(WEB, 8).unwrap();
    assert_eq!(store.get(WEB), Some(Floor::Exact(released)));
    store.reserve(WEB, 9).unwrap();
    assert_eq!(reopen(dir.path()).get(WEB), Some(Floor::Reserved(9)));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed_and_kept_aside() {
    let dir = used_dir();
    let (mut store, _) = FloorStore::open(dir.path()).unwrap();
    store.reserve_all([(WEB, 64), (MAIL, 5)]).unwrap();
    let path = dir.path().join(FILE);
    let good = fs::read(&path).unwrap();
    let flips = (0..good.len()).map(|at| {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        bad
    });
    let cuts = (0..good.len()).map(|length| good[..length].to_vec());
    for bad in flips.chain(cuts) {
        assert!(format::parse(&bad).is_err(), "{}", String::from_utf8_lossy(&bad));
    }
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    let (store, loaded) = FloorStore::open(dir.path()).unwrap();
    let kept = dir.path().join(DAMAGED);
    assert_eq!(fs::read(&kept).unwrap(), &good[..good.len() / 2]);
    assert_eq!(loaded, Loaded::Damaged { kept, damage: Damage::CutOff });
    assert_eq!(store.get(WEB), None);
}

#[test]
fn unknown_floors_stay_unknown_until_they_are_reserved() {
    let dir = used_dir();
    let (store, loaded) = FloorStore::open(dir.path()).unwrap();
    assert_eq!((store.get(WEB), loaded), (None, Loaded::Lost));
    let mut store = reopen(dir.path());
    assert_eq!(store.get(WEB), None);
    store.reserve(WEB, 100).unwrap();
    let store = reopen(dir.path());
    assert_eq!((store.get(WEB), store.get(MAIL)), (Some(Floor::Reserved(100)), None));
}

#[test]
fn a_file_of_another_version_is_not_understood() {
    for (body, line) in
        [("afc floors 2\n", 1), ("afc floors 1\nunlisted one\n", 2), ("afc floors 1\nunlisted zero\nx\n", 3)]
    {
        let text = format!("{body}blake3 {}\n", blake3::hash(body.as_bytes()));
        assert_eq!(format::parse(text.as_bytes()), Err(Damage::Line { line }));
    }
}

#[test]
fn a_write_that_fails_changes_no_floor() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = FloorStore::open(dir.path()).unwrap();
    // A directory in the place of the temporary file stops root, too.
    fs::create_dir(dir.path().join("floors.new")).unwrap();
    let error = store.reserve(WEB, 9).unwrap_err().to_string();
    assert!(error.starts_with("cannot make floors safe: cannot create"), "{error}");
    assert_eq!(store.get(WEB), Some(Floor::Exact(OwnerWord::NONE)));
}
