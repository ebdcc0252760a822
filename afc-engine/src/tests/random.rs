//! Random plans against the promise: many seeds on all cores, as long as told. A plan that fails is made small and printed
//! as text that replays.
//!
//! | variable | |
//! |---|---|
//! | `AFC_SEED` | that seed alone |
//! | `AFC_PLAN` | the plan in that file, with its story |
//! | `AFC_SMALL=no` | a plan that fails is printed as it is, at once |
//! | `AFC_FAMILY` | plans of that [`Family`] only |
//! | `AFC_SEEDS`, `AFC_STEPS`, `AFC_SECONDS` | how long: the first that is set counts |

use std::{
    env, fs,
    path::Path,
    str::FromStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    generate::{self, Family},
    minimise::minimise,
    plan::Plan,
    play::{Outcome, play},
    shape::MS,
};

/// Steps of the short form.
const SHORT_STEPS: u64 = 12_000_000;
/// How often a long run says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// When enough was played.
#[derive(Clone, Copy, Debug)]
enum Enough {
    Seeds(u64),
    Steps(u64),
    Time(Duration),
}

impl Enough {
    fn told() -> Self {
        if let Some(seeds) = variable("AFC_SEEDS") {
            return Self::Seeds(seeds);
        }
        if let Some(seconds) = variable("AFC_SECONDS") {
            return Self::Time(Duration::from_secs(seconds));
        }
        Self::Steps(variable("AFC_STEPS").unwrap_or(SHORT_STEPS))
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok().and_then(|value| value.parse().ok())
}

/// The plan of a seed, in the family that was told or the one whose turn it is.
fn plan(seed: u64) -> Plan {
    generate::plan(variable("AFC_FAMILY").unwrap_or(Family::of(seed)), seed)
}

/// What all threads did together.
struct Campaign {
    enough: Enough,
    started: Instant,
    next_seed: AtomicU64,
    steps: AtomicU64,
    moves: AtomicU64,
    shown: Mutex<Instant>,
    failed: Mutex<Option<(u64, Outcome)>>,
}

impl Campaign {
    fn new(enough: Enough) -> Self {
        let started = Instant::now();
        Self {
            enough,
            started,
            next_seed: AtomicU64::new(0),
            steps: AtomicU64::new(0),
            moves: AtomicU64::new(0),
            shown: Mutex::new(started),
            failed: Mutex::new(None),
        }
    }

    /// Plays seed after seed until enough was played or one fails.
    fn run(&self) {
        loop {
            let seed = self.next_seed.fetch_add(1, Relaxed);
            let is_enough = match self.enough {
                Enough::Seeds(seeds) => seed >= seeds,
                Enough::Steps(steps) => self.steps.load(Relaxed) >= steps,
                Enough::Time(time) => self.started.elapsed() >= time,
            };
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            if is_enough || failed.is_some() {
                self.next_seed.fetch_sub(1, Relaxed);
                return;
            }
            drop(failed);
            let outcome = play(&plan(seed));
            self.steps.fetch_add(outcome.steps, Relaxed);
            self.moves.fetch_add(outcome.moves, Relaxed);
            if outcome.breach.is_some() {
                failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert((seed, outcome));
                return;
            }
            self.show_progress();
        }
    }

    fn show_progress(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.elapsed() >= PROGRESS {
            *shown = Instant::now();
            println!("{}", self.tally());
        }
    }

    fn tally(&self) -> String {
        let (seeds, steps) = (self.next_seed.load(Relaxed), self.steps.load(Relaxed));
        let seconds = self.started.elapsed().as_secs_f64();
        let moves = self.moves.load(Relaxed);
        format!(
            "seeds 0..{seeds}: {:.1} M steps, {moves} moves, {seconds:.1} s, {:.2} M steps a second",
            steps as f64 / 1e6,
            steps as f64 / 1e6 / seconds
        )
    }
}

/// Fails, with the plan made small, if it has a breach.
fn report(plan: &Plan, outcome: &Outcome) {
    let Some(breach) = &outcome.breach else { return };
    let is_wanted = variable::<String>("AFC_SMALL").is_none_or(|wanted| wanted != "no");
    let small = if is_wanted { minimise(plan, breach) } else { plan.clone() };
    let told = play(&small);
    let remark = format!("Found with seed {}: {:?}", plan.seed, told.breach);
    println!("{}\nReplay with AFC_PLAN=file:\n{}", told.story, small.text(&remark));
    panic!("{breach:?}, seed {}", plan.seed);
}

#[test]
fn the_promise_and_the_lists_hold_under_random_faults() {
    if let Some(file) = variable::<String>("AFC_PLAN") {
        let text = std::fs::read_to_string(&file).expect("the plan can be read");
        let outcome = play(&Plan::parse(&text).expect("a plan"));
        println!("{}", outcome.story);
        assert_eq!(outcome.breach, None, "{file}");
        return;
    }
    if let Some(seed) = variable("AFC_SEED") {
        let plan = self::plan(seed);
        return report(&plan, &play(&plan));
    }
    let campaign = Campaign::new(Enough::told());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| campaign.run());
        }
    });
    println!("{}", campaign.tally());
    let failed = campaign.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((seed, outcome)) = failed {
        report(&plan(seed), &outcome);
    }
    let (seeds, moves) = (campaign.next_seed.load(Relaxed), campaign.moves.load(Relaxed));
    assert!(seeds < 100 || moves > seeds, "the faults moved too little: {moves}");
}

#[test]
fn a_seed_is_always_the_same_plan_with_the_same_outcome_and_its_text_replays_it() {
    for seed in 0..40 {
        let plan = self::plan(seed);
        assert!(plan.faults.is_sorted_by_key(|fault| fault.at_ns) && plan.ends_ns < 10_000 * MS);
        let read = Plan::parse(&plan.text("Any remark\nof two lines")).expect("its own text");
        assert_eq!((&read, &read), (&plan, &self::plan(seed)), "seed {seed}");
        assert_eq!(play(&plan), play(&read), "seed {seed}");
    }
}

/// Plans that once failed, each made small when it was found.
#[test]
fn every_plan_that_once_failed_passes() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/plans");
    let files: Vec<_> =
        fs::read_dir(directory).expect("the plans").map(|file| file.expect("a plan").path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let plan = Plan::parse(&fs::read_to_string(&file).expect("text")).expect("a plan");
        let outcome = play(&plan);
        assert_eq!(outcome.breach, None, "{}\n{}", file.display(), outcome.story);
    }
}
