//! Tables of figures over time, and what they make of a node.

use super::*;

/// Samples of one step each; the steps at which anything changed, and to what.
fn changes(judge: &mut Judge, samples: &[Known], step_ns: u64) -> Vec<(usize, Reasons, Headroom)> {
    let mut changes = Vec::new();
    let mut before = (Reasons::NONE, Headroom::Ample);
    for (step, known) in samples.iter().enumerate() {
        let Judgement { reasons, headroom, .. } = judge.judge(known, step as u64 * step_ns);
        if before != (reasons, headroom) {
            changes.push((step, reasons, headroom));
            before = (reasons, headroom);
        }
    }
    changes
}

/// The steps of 500 ms at which CPU became and ceased to be a reason.
fn cpu_changes(shares: &[Option<f64>]) -> Vec<usize> {
    let samples: Vec<_> = shares.iter().map(|&cpu| Known { cpu, ..idle() }).collect();
    let mut judge = Judge::new(Thresholds { memory_available: None, iops: None, load: None, ..thresholds() });
    let mut before = Reasons::NONE;
    let mut steps = Vec::new();
    for (step, reasons, _) in changes(&mut judge, &samples, SECOND / 2) {
        if reasons != before {
            steps.push(step);
            before = reasons;
        }
    }
    steps
}

/// A run of equal shares.
fn run(share: f64, times: usize) -> Vec<Option<f64>> {
    vec![Some(share); times]
}

#[test]
fn a_reason_comes_and_goes_after_it_has_lasted() {
    let (over, between, under) = (0.9, 0.76, 0.7);
    let unknown = || vec![None];
    for (what, shares, steps) in [
        ("2 s over it", run(over, 5), vec![4]),
        ("1.5 s over it", run(over, 4), vec![]),
        ("at it is not over it", run(0.8, 20), vec![]),
        ("flapping around entering", [over, between].repeat(20).into_iter().map(Some).collect(), vec![]),
        ("once interrupted", [run(over, 4), run(0.8, 1), run(over, 4)].concat(), vec![]),
        ("once unknown", [run(over, 4), unknown(), run(over, 4)].concat(), vec![]),
        ("between both it stays", [run(over, 5), run(between, 20)].concat(), vec![4]),
        ("2 s under leaving", [run(over, 5), run(under, 5)].concat(), vec![4, 9]),
        ("1.5 s under leaving", [run(over, 5), run(under, 4), run(between, 5)].concat(), vec![4]),
        ("at leaving is enough", [run(over, 5), run(0.72, 5)].concat(), vec![4, 9]),
        (
            "leaving, once interrupted",
            [run(over, 5), run(under, 4), run(over, 1), run(under, 4)].concat(),
            vec![4],
        ),
        ("leaving, once unknown", [run(over, 5), run(under, 4), unknown(), run(under, 4)].concat(), vec![4]),
        ("unknown for long, it stays", [run(over, 5), vec![None; 30]].concat(), vec![4]),
        (
            "flapping around leaving",
            [run(over, 5), [under, between].repeat(20).into_iter().map(Some).collect()].concat(),
            vec![4],
        ),
    ] {
        assert_eq!(cpu_changes(&shares), steps, "{what}");
    }
}

#[test]
fn each_resource_has_a_reason_of_its_own_and_says_since_when() {
    let memory = |available_bytes| Some(Memory { available_bytes, total_bytes: 10_000 });
    for (known, reason) in [
        (Known { memory: memory(999), ..idle() }, UnavailableReason::Memory),
        (Known { cpu: Some(0.81), ..idle() }, UnavailableReason::Cpu),
        (Known { iops: Some(100.5), ..idle() }, UnavailableReason::Iops),
        (Known { load: Some(10.01), ..idle() }, UnavailableReason::Load),
    ] {
        let mut judge = Judge::new(thresholds());
        assert_eq!(judge.judge(&known, 0), Judgement::default());
        assert_eq!(judge.judge(&known, 2 * SECOND - 1).reasons, Reasons::NONE);
        for now in [2 * SECOND, 3 * SECOND] {
            let judgement = judge.judge(&known, now);
            assert_eq!(judgement.reasons, Reasons::NONE.with(reason));
            assert_eq!(judgement.since, BTreeMap::from([(reason, 2 * SECOND)]));
            assert_eq!(judgement.headroom, Headroom::Tight);
        }
    }
    let mut judge = Judge::new(thresholds());
    let all = Known { memory: memory(0), cpu: Some(1.0), iops: Some(1e6), load: Some(1e3) };
    judge.judge(&all, 0);
    assert_eq!(judge.judge(&all, 2 * SECOND).reasons.iter().count(), 4);
}

#[test]
fn memory_is_enough_again_from_leaving_on() {
    let memory =
        |available_bytes| Known { memory: Some(Memory { available_bytes, total_bytes: 10_000 }), ..idle() };
    let mut judge = Judge::new(thresholds());
    judge.judge(&memory(999), 0);
    assert!(!judge.judge(&memory(999), 2 * SECOND).reasons.is_available());
    for second in 3..10 {
        assert!(!judge.judge(&memory(1099), second * SECOND).reasons.is_available());
    }
    judge.judge(&memory(1100), 10 * SECOND);
    assert!(judge.judge(&memory(1100), 12 * SECOND).reasons.is_available());
}

#[test]
fn headroom_has_a_hysteresis_of_its_own() {
    // Of a threshold of 100 operations: tight above 80, ample again below 70.
    let iops = |rates: &[(f64, usize)]| {
        let samples: Vec<_> = rates
            .iter()
            .flat_map(|&(rate, times)| vec![Known { iops: Some(rate), ..Known::default() }; times])
            .collect();
        let only = Thresholds { memory_available: None, cpu: None, load: None, ..thresholds() };
        let found = changes(&mut Judge::new(only), &samples, SECOND);
        found.into_iter().map(|(step, _, headroom)| (step, headroom)).collect::<Vec<_>>()
    };
    use Headroom::{Ample, Tight};
    assert_eq!(iops(&[(80.0, 9)]), []);
    assert_eq!(iops(&[(80.5, 2), (80.0, 1), (80.5, 2)]), []);
    assert_eq!(iops(&[(80.5, 3)]), [(2, Tight)]);
    assert_eq!(iops(&[(80.5, 3), (70.0, 9)]), [(2, Tight)]);
    assert_eq!(iops(&[(80.5, 3), (69.5, 2), (75.0, 1), (69.5, 2)]), [(2, Tight)]);
    assert_eq!(iops(&[(80.5, 3), (69.5, 3)]), [(2, Tight), (5, Ample)]);
}

#[test]
fn headroom_is_that_of_the_nearest_threshold_and_ample_only_where_all_are_known() {
    let mut judge = Judge::new(thresholds());
    let near = Known { load: Some(8.5), ..idle() };
    judge.judge(&near, 0);
    assert_eq!(judge.judge(&near, 2 * SECOND).headroom, Headroom::Tight);
    let blind = Known { cpu: None, ..idle() };
    for second in 3..8 {
        assert_eq!(judge.judge(&blind, second * SECOND).headroom, Headroom::Tight);
    }
    judge.judge(&idle(), 8 * SECOND);
    assert_eq!(judge.judge(&idle(), 10 * SECOND).headroom, Headroom::Ample);
    let none = Thresholds { memory_available: None, cpu: None, iops: None, load: None, ..thresholds() };
    let mut judge = Judge::new(none);
    let busy = Known { cpu: Some(1.0), load: Some(99.0), ..Known::default() };
    judge.judge(&busy, 0);
    assert_eq!(judge.judge(&busy, 9 * SECOND), Judgement::default());
}

#[test]
fn a_share_of_memory_is_one_of_all_memory() {
    let share =
        |enter, leave| Threshold { enter: Amount::Share(Ratio(enter)), leave: Amount::Share(Ratio(leave)) };
    let mut judge = Judge::new(Thresholds { memory_available: Some(share(0.9, 0.91)), ..thresholds() });
    assert_eq!(judge.limits().memory_available_bytes, None);
    let memory =
        |available_bytes| Known { memory: Some(Memory { available_bytes, total_bytes: 10_000 }), ..idle() };
    judge.judge(&memory(8999), 0);
    let judgement = judge.judge(&memory(8999), 2 * SECOND);
    assert_eq!(judgement.reasons, Reasons::NONE.with(UnavailableReason::Memory));
    assert_eq!(judgement.headroom, Headroom::Tight);
    let limits =
        Limits { memory_available_bytes: Some(9000), cpu: Some(0.8), iops: Some(100), load: Some(10.0) };
    assert_eq!(judge.limits(), limits);
    // Of a threshold that leaves a tenth of memory, 40 % of that tenth is ample.
    judge.judge(&memory(9400), 3 * SECOND);
    let judgement = judge.judge(&memory(9400), 5 * SECOND);
    assert_eq!((judgement.reasons, judgement.headroom), (Reasons::NONE, Headroom::Ample));
    judge.judge(&Known { memory: None, ..idle() }, 6 * SECOND);
    assert_eq!(judge.limits(), limits, "the total that was known last");
}

#[test]
fn time_without_figures_proves_nothing() {
    let over = Known { cpu: Some(0.9), ..idle() };
    for (gap, is_short) in [(2 * SECOND, true), (2 * SECOND + 1, false), (3600 * SECOND, false)] {
        let mut judge = Judge::new(thresholds());
        judge.judge(&over, SECOND);
        assert_eq!(!judge.judge(&over, SECOND + gap).reasons.is_available(), is_short, "{gap}");
    }
    let mut judge = Judge::new(thresholds());
    judge.judge(&over, 3600 * SECOND);
    judge.judge(&over, SECOND);
    assert!(judge.judge(&over, 3 * SECOND - 1).reasons.is_available(), "a clock that went back is a gap too");
    assert!(!judge.judge(&over, 3 * SECOND).reasons.is_available());
    // An interval as long as `for` comes a little late each time, which is no gap.
    let slow = Thresholds { interval: Duration::from_secs(2), ..thresholds() };
    let mut judge = Judge::new(slow);
    judge.judge(&over, 0);
    assert!(!judge.judge(&over, 2 * SECOND + 50).reasons.is_available());
}
