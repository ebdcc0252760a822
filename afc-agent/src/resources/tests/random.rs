//! Random figures at random times: what holds whatever they are.

use super::*;

const RUNS: u64 = 400;
const SAMPLES: usize = 300;

fn sometimes<T>(random: &mut fastrand::Rng, figure: T) -> Option<T> {
    (random.u8(0..10) > 0).then_some(figure)
}

/// Figures around the thresholds, some of them unknown.
fn figures(random: &mut fastrand::Rng, badness: f64) -> Known {
    let mut around =
        |threshold: f64, spread: f64| (threshold * (1.0 + (random.f64() - 0.5) * spread + badness)).max(0.0);
    let (cpu, iops, load) = (around(0.76, 0.2), around(95.0, 0.2), around(9.5, 0.2));
    let available_bytes = (1050.0 * (1.0 - badness) + random.f64() * 200.0 - 100.0).max(0.0) as u64;
    Known {
        memory: sometimes(random, Memory { available_bytes, total_bytes: 10_000 }),
        cpu: sometimes(random, cpu.min(1.0)),
        iops: sometimes(random, iops),
        load: sometimes(random, load),
    }
}

/// Whether a figure lies where it speaks for the change that was made.
fn agrees(known: &Known, reason: UnavailableReason, is_short: bool) -> bool {
    let of = |figure: Option<f64>, enter: f64, leave: f64| {
        figure.is_some_and(|figure| if is_short { figure > enter } else { figure <= leave })
    };
    match reason {
        UnavailableReason::Memory => {
            of(known.memory.map(|memory| -(memory.available_bytes as f64)), -1000.0, -1100.0)
        }
        UnavailableReason::Cpu => of(known.cpu, 0.8, 0.72),
        UnavailableReason::Iops => of(known.iops, 100.0, 90.0),
        UnavailableReason::Load => of(known.load, 10.0, 9.0),
        UnavailableReason::Serving
        | UnavailableReason::Drained
        | UnavailableReason::Unhealthy
        | UnavailableReason::Dead => false,
    }
}

#[test]
fn no_reason_and_no_headroom_changes_twice_within_for_nor_against_its_figures() {
    let lasting = 2 * SECOND;
    let mut changes = 0;
    for seed in 0..RUNS {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut judge = Judge::new(thresholds());
        let mut now = random.u64(0..SECOND);
        let mut badness: f64 = 0.0;
        let mut seen: Vec<(u64, Known)> = Vec::new();
        let mut before = Judgement::default();
        let mut changed_at: BTreeMap<UnavailableReason, u64> = BTreeMap::new();
        let mut headroom_changed_at = None;
        for _ in 0..SAMPLES {
            now += if random.u8(0..50) == 0 { random.u64(0..9 * SECOND) } else { random.u64(1..SECOND) };
            badness = if random.u8(0..12) == 0 { (random.f64() - 0.5) * 0.8 } else { badness };
            let known = figures(&mut random, badness);
            seen.push((now, known));
            let judgement = judge.judge(&known, now);
            assert_eq!(judgement.reasons, judgement.since.keys().copied().collect(), "seed {seed}");
            for reason in UnavailableReason::ALL {
                let is_short = judgement.reasons.contains(reason);
                if is_short == before.reasons.contains(reason) {
                    assert_eq!(judgement.since.get(&reason), before.since.get(&reason), "seed {seed}");
                    continue;
                }
                changes += 1;
                let earlier = changed_at.insert(reason, now);
                assert!(earlier.is_none_or(|at| now - at > lasting), "seed {seed}: {reason:?} at {now}");
                let first = seen.iter().rposition(|&(at, _)| now - at >= lasting);
                let window = &seen[first.unwrap_or_else(|| panic!("seed {seed}: {reason:?} too early"))..];
                assert!(
                    window.iter().all(|(_, known)| agrees(known, reason, is_short)),
                    "seed {seed} {reason:?}"
                );
                assert!(window.is_sorted_by(|a, b| b.0 - a.0 <= lasting), "seed {seed}: within a gap");
            }
            if judgement.headroom != before.headroom {
                let earlier = headroom_changed_at.replace(now);
                assert!(earlier.is_none_or(|at| now - at > lasting), "seed {seed}: headroom at {now}");
            }
            before = judgement;
        }
    }
    assert!(changes > RUNS, "only {changes} changes: the figures are too tame to show anything");
    println!("{changes} changes of reasons in {RUNS} runs of {SAMPLES} samples");
}
