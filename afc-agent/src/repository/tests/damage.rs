//! A file that something else wrote to is intact, or reported and kept: never a panic, never a silent loss.

use super::*;

/// Random damages of each image.
const DAMAGES: usize = 400;
/// The bytes of redb's header, with both commit slots.
const HEADER_BYTES: usize = 320;

/// A file with something in every table, after a clean stop and as a SIGKILL would leave it, and what it holds.
struct Images {
    clean: Vec<u8>,
    crashed: Vec<u8>,
    contents: Arc<Contents>,
}

/// In memory, for a sync costs nothing there.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

async fn images() -> Images {
    let dir = directory();
    let file = dir.path().join("repository.redb");
    let (repository, _opened) = Repository::open(dir.path(), History::FirstStart).unwrap();
    repository.reserve_all((1..40).map(|n| (ServiceId(n), n * 1024))).await.unwrap();
    repository.put_lists(Document::of(vec![5; 20_000]));
    repository.put_configuration("a text");
    for id in 1..=150 {
        repository.put_event(event(id));
    }
    for node in 1..=20 {
        repository.put_record(record(node, 1, 1));
        repository.flush().await.unwrap();
    }
    // Small ones last: what the commit before the last lacks must be missed.
    repository.drain().await.unwrap();
    repository.reserve(WEB, 99).await.unwrap();
    let crashed = fs::read(&file).unwrap();
    let contents = everything(&repository);
    drop(repository);
    Images { clean: fs::read(&file).unwrap(), crashed, contents }
}

/// What became of a damaged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Intact,
    Reported,
}

/// Opens a directory with `bytes` in the place of the repository, and checks that nothing was lost silently.
fn open_damaged(bytes: &[u8], contents: &Contents, what: &str) -> Fate {
    let dir = directory();
    fs::write(dir.path().join("repository.redb"), bytes).unwrap();
    let (repository, opened) =
        Repository::open(dir.path(), History::UsedBefore).unwrap_or_else(|error| panic!("{what}: {error}"));
    match opened.found {
        Found::Known => {
            assert!(opened.set_aside.is_empty(), "{what}: {:?}", opened.set_aside);
            assert!(*everything(&repository) == *contents, "{what}: lost silently");
            Fate::Intact
        }
        Found::Damaged { kept, .. } => {
            assert_eq!(kept, dir.path().join("repository.redb.damaged-1"), "{what}");
            assert_eq!(fs::metadata(kept).unwrap().len(), bytes.len() as u64, "{what}");
            assert_eq!(repository.floors().get(WEB), None, "{what}");
            Fate::Reported
        }
        Found::FirstStart | Found::Lost => panic!("{what}: taken for {:?}", opened.found),
    }
}

#[tokio::test]
async fn damage_at_random_offsets_is_harmless_or_reported() {
    let images = images().await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    println!("seed {seed}; {} bytes", images.clean.len());
    for (state, good) in [("clean", &images.clean), ("crashed", &images.crashed)] {
        assert_eq!(open_damaged(good, &images.contents, state), Fate::Intact);
        let mut fates = [0, 0];
        for round in 0..DAMAGES {
            let mut bad = good.clone();
            let at = random.usize(..bad.len());
            let what = match round % 4 {
                0 | 1 => {
                    bad[at] ^= 1 << random.u8(..8);
                    "a flipped bit"
                }
                2 => {
                    let end = (at + 512).min(bad.len());
                    random.fill(&mut bad[at..end]);
                    "a random sector"
                }
                _ => {
                    bad.truncate(at);
                    "a cut"
                }
            };
            let what = format!("seed {seed}, {state}: {what} at {at}");
            fates[open_damaged(&bad, &images.contents, &what) as usize] += 1;
        }
        println!("{state}: {} intact, {} reported", fates[0], fates[1]);
        assert!(fates[1] > DAMAGES / 4, "{fates:?}");
    }
}

#[tokio::test]
async fn every_flipped_bit_of_the_header_is_harmless_or_reported() {
    let images = images().await;
    for (state, good) in [("clean", &images.clean), ("crashed", &images.crashed)] {
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            open_damaged(&bad, &images.contents, &format!("{state}: bit {bit}"));
        }
    }
}

#[tokio::test]
async fn what_is_no_repository_at_all_is_kept_aside() {
    let images = images().await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut noise = vec![0; 70_000];
    random.fill(&mut noise);
    let mut magic_only = noise.clone();
    magic_only[..12].copy_from_slice(&images.clean[..12]);
    for (what, bytes) in [
        ("empty", &[][..]),
        ("zeros", &[0; 80_000]),
        ("text", b"afc floors 1\nunlisted zero\n"),
        ("noise", &noise),
        ("noise behind the head", &magic_only),
        ("a head alone", &images.clean[..12]),
    ] {
        assert_eq!(open_damaged(bytes, &images.contents, what), Fate::Reported, "{what}");
    }
}

#[test]
fn each_damaged_file_is_kept() {
    let dir = directory();
    for number in 1..=3 {
        fs::write(dir.path().join("repository.redb"), format!("damage {number}")).unwrap();
        let (_repository, opened) = reopen(dir.path());
        assert!(matches!(opened.found, Found::Damaged { .. }), "{:?}", opened.found);
    }
    for number in 1..=3 {
        let kept = dir.path().join(format!("repository.redb.damaged-{number}"));
        assert_eq!(fs::read_to_string(kept).unwrap(), format!("damage {number}"));
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_and_not_touched() {
    let images = images().await;
    for good in [&images.clean, &images.crashed] {
        let dir = directory();
        let file = dir.path().join("repository.redb");
        let mut newer = good.clone();
        // As a newer afc writes it: the format, and the check that covers it.
        newer[10] = store::FORMAT + 1;
        newer[11] = !(newer[9] ^ newer[10]);
        fs::write(&file, &newer).unwrap();
        let Err(error) = Repository::open(dir.path(), History::UsedBefore) else { panic!("it was opened") };
        let said = error.to_string();
        assert!(
            said.contains("has format 2, and this afc knows formats up to 1: run the newer afc"),
            "{said}"
        );
        assert_eq!(fs::read(&file).unwrap(), newer);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
