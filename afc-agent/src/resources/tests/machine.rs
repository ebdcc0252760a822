//! This machine itself: its figures, and what they cost.

use std::sync::mpsc;

use super::*;
use crate::clock;

const SAMPLES: u32 = 200;
/// 0.1 % of a core at the default interval of 500 ms.
const MAX_COST: Duration = Duration::from_micros(500);
/// Samples with a pause before each.
const PAUSES: u32 = 20;
/// The cost may be so many times as high while tests and builds run beside and empty the caches.
const BUSY: u32 = 2;

fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec, which lives through the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn this_machine_s_figures_are_plausible() {
    let mut sampler = Sampler::new(Sources { proc_root: "/proc".into(), cgroup: None });
    let start = clock::boottime_ns();
    let mut sample = sampler.sample(start);
    // Until a tick of CPU time has passed.
    while matches!(sample.cpu, Ok(None)) && clock::boottime_ns() < start + 10 * SECOND {
        std::thread::yield_now();
        sample = sampler.sample(clock::boottime_ns());
    }
    assert_eq!(sample.errors().count(), 0, "{sample:?}");
    let Known { memory, cpu, iops, load } = Known::of(&sample);
    let memory = memory.unwrap();
    assert!(memory.total_bytes > 1 << 20 && memory.available_bytes <= memory.total_bytes, "{memory:?}");
    assert!((0.0..=1.0).contains(&cpu.unwrap()), "{cpu:?}");
    assert!(iops.unwrap() >= 0.0 && load.unwrap() >= 0.0, "{sample:?}");
}

#[test]
fn sampling_costs_less_than_a_thousandth_of_a_core() {
    let files = Machine::new();
    let machine = Sampler::new(Sources { proc_root: "/proc".into(), cgroup: None });
    for (what, mut sampler) in [("/proc", machine), ("a cgroup of files", files.cgroup_sampler())] {
        let mut judge = Judge::new(thresholds());
        let before = thread_cpu_time();
        for _ in 0..SAMPLES {
            let sample = sampler.sample(clock::boottime_ns());
            judge.judge(&Known::of(&sample), sample.at_ns);
        }
        let cost = (thread_cpu_time() - before) / SAMPLES;
        println!("a sample of {what}, one after the other, costs {cost:?} of CPU time: {}", share(cost));
        assert!(cost < MAX_COST, "{what}: {cost:?}");
    }
}

#[tokio::test]
async fn sampling_costs_as_little_after_a_pause() {
    let mut sampler = Sampler::new(Sources { proc_root: "/proc".into(), cgroup: None });
    let (cost_of, costs) = mpsc::channel();
    let take = move |at_ns| {
        let before = thread_cpu_time();
        let sample = sampler.sample(at_ns);
        cost_of.send(thread_cpu_time() - before).unwrap();
        sample
    };
    let interval = Duration::from_millis(50);
    let (task, mut published) = ResourcesTask::with(Box::new(take), Judge::new(thresholds()), interval);
    let task = tokio::spawn(task.run());
    for _ in 0..PAUSES {
        published.changed().await.unwrap();
    }
    task.abort();
    let mut costs: Vec<Duration> = costs.try_iter().collect();
    costs.sort_unstable();
    let median = costs[costs.len() / 2];
    println!("a sample of /proc after a pause costs {median:?} of CPU time: {}", share(median));
    assert!(median < BUSY * MAX_COST, "{costs:?}");
}

/// What a cost is at the default interval.
fn share(cost: Duration) -> String {
    format!("{:.4} % of a core every 500 ms", cost.as_secs_f64() / 0.5 * 100.0)
}
