//! SIGKILL at any instant loses nothing that the repository acknowledged, and a disk that fails stops no cluster. Needs
//! root for the latter.
//!
//! The killed process is this very binary, started again by the test with [`WRITER`] set.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

#[path = "repository/agent.rs"]
mod agent;
#[path = "repository/expected.rs"]
mod expected;
#[path = "support/room.rs"]
mod room;
#[path = "repository/writer.rs"]
mod writer;

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use afc_agent::{repository::Repository, state::History};
use expected::Expected;

/// Kills, unless `$AFC_KILLS` says how many.
const KILLS: u32 = 200;
/// Kills of one repository; then a new one is made, under fire as well.
const KILLS_OF_ONE: u32 = 25;
/// When the process is killed, counted from its start: from before it has opened the repository to well into its work.
const KILL_AFTER_MS: std::ops::Range<u64> = 3..160;
/// Set for a process that is to be killed: the repository's directory.
const WRITER: &str = "AFC_TEST_WRITER";

#[test]
fn a_kill_at_any_instant_loses_nothing_that_was_acknowledged() {
    if let Some(dir) = env::var_os(WRITER) {
        writer::write_until_killed(Path::new(&dir));
    }
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let kills = number("AFC_KILLS").map_or(KILLS, |kills| kills as u32);
    let seed = number("AFC_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed} (AFC_SEED), {kills} kills (AFC_KILLS)");
    fastrand::seed(seed);
    let start = Instant::now();
    let (mut acknowledged, mut early, mut worst_open) = (0, 0, Duration::ZERO);
    let mut dir = tempfile::tempdir().unwrap();
    let mut expected = Expected::default();
    for kill in 0..kills {
        if kill % KILLS_OF_ONE == 0 {
            dir = tempfile::tempdir().unwrap();
            expected = Expected::default();
        }
        let lines = run_and_kill(dir.path(), Duration::from_millis(fastrand::u64(KILL_AFTER_MS)));
        early += u32::from(lines.is_empty());
        acknowledged += lines.len();
        expected.note(&lines);
        // The others are opened by the next writer as the kill left them.
        if fastrand::u8(..4) != 0 {
            let opening = Instant::now();
            expected.check(dir.path());
            worst_open = worst_open.max(opening.elapsed());
        }
    }
    println!(
        "{kills} kills, {acknowledged} writes acknowledged ({early} kills before the first); the longest opening, \
         check and closing took {worst_open:.1?}; {:.1?} in all; seed {seed}",
        start.elapsed()
    );
    assert!(acknowledged as u32 > kills, "the campaign did not get to its work");
}

/// What a writer of `dir` acknowledged before it was killed.
fn run_and_kill(dir: &Path, after: Duration) -> Vec<String> {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "a_kill_at_any_instant_loses_nothing_that_was_acknowledged", "--nocapture"]);
    let mut child = command.env(WRITER, dir).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (ended, end) = mpsc::channel::<()>();
    let reader = thread::spawn(move || {
        let _ended = ended;
        let whole = output.split(b'\n').map(|line| String::from_utf8(line.unwrap()).unwrap());
        whole.filter_map(|line| line.strip_prefix(writer::MARK).map(str::to_owned)).collect()
    });
    // Its output ends only with the writer.
    assert_eq!(end.recv_timeout(after), Err(RecvTimeoutError::Timeout), "the writer ended by itself");
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(afc_lab::agent::describe(status), "signal 9");
    reader.join().unwrap()
}

/// The repository of a directory whose writer was killed.
fn open(dir: &Path, history: History) -> (Repository, afc_agent::repository::Opened) {
    Repository::open(dir, history).unwrap_or_else(|error| panic!("it does not open: {error}"))
}
