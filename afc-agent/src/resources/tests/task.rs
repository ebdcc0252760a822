//! The task from its files to what it publishes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

use tokio::{sync::watch, time::timeout};

use super::*;

const QUICK: Duration = Duration::from_millis(50);
/// Generous: builds may run beside.
const PATIENCE: Duration = Duration::from_secs(20);

/// Thresholds that only memory can cross, quickly.
fn judge() -> Judge {
    let enter = Amount::Share(Ratio(0.5));
    let leave = Amount::Share(Ratio(0.55));
    Judge::new(Thresholds {
        memory_available: Some(Threshold { enter, leave }),
        cpu: None,
        iops: None,
        load: None,
        lasting: QUICK,
        interval: QUICK,
    })
}

async fn wait_for(
    published: &mut watch::Receiver<Measured>,
    what: &str,
    is_there: impl Fn(&Measured) -> bool,
) -> Measured {
    let found = timeout(PATIENCE, published.wait_for(|measured| is_there(measured))).await;
    found.unwrap_or_else(|_| panic!("{what} did not come")).unwrap().clone()
}

#[tokio::test]
async fn shortage_of_memory_is_published_and_its_end_too() {
    let machine = Machine::new();
    let mut sampler = machine.sampler();
    let (task, mut published) = ResourcesTask::with(Box::new(move |at| sampler.sample(at)), judge(), QUICK);
    assert_eq!(*published.borrow(), Measured::default());
    let task = tokio::spawn(task.run());
    let first = wait_for(&mut published, "utilisation", |measured| measured.utilization.is_some()).await;
    assert!(first.reasons.is_available() && first.problems.is_empty(), "{first:?}");
    assert_eq!(first.limits.memory_available_bytes, Some(24_684_084 * 1024 / 2));
    machine.replace("proc/meminfo", "MemAvailable:   24261760", "MemAvailable:    4261760");
    let short = wait_for(&mut published, "the shortage", |measured| !measured.reasons.is_available()).await;
    assert_eq!(short.reasons, Reasons::NONE.with(UnavailableReason::Memory));
    assert_eq!(short.since.keys().collect::<Vec<_>>(), [&UnavailableReason::Memory]);
    assert_eq!(short.utilization.unwrap().memory_available_bytes, 4_261_760 * 1024);
    machine.remove("proc/meminfo");
    let blind = wait_for(&mut published, "the problem", |measured| !measured.problems.is_empty()).await;
    assert_eq!(blind.problems[0].resource, Resource::Memory);
    assert_eq!(blind.reasons, short.reasons, "what is unknown changes nothing");
    assert_eq!(
        blind.utilization.unwrap().memory_available_bytes,
        4_261_760 * 1024,
        "the last that was known"
    );
    machine.write("proc/meminfo", MEMINFO_6_18);
    let over = wait_for(&mut published, "the end", |measured| measured.reasons.is_available()).await;
    assert!(over.problems.is_empty() && over.since.is_empty(), "{over:?}");
    drop(published);
    timeout(PATIENCE, task).await.expect("nobody listens, so it ends").unwrap();
}

#[tokio::test]
async fn what_can_never_be_measured_is_named_and_hides_nothing() {
    let machine = Machine::new();
    machine.remove("proc/diskstats");
    let mut sampler = machine.sampler();
    let (task, mut published) = ResourcesTask::with(Box::new(move |at| sampler.sample(at)), judge(), QUICK);
    let task = tokio::spawn(task.run());
    let measured = wait_for(&mut published, "utilisation", |measured| measured.utilization.is_some()).await;
    assert_eq!(
        measured.problems.iter().map(|problem| problem.resource).collect::<Vec<_>>(),
        [Resource::Iops]
    );
    assert_eq!(measured.utilization.unwrap().iops, 0);
    assert_eq!(measured.utilization.unwrap().memory_total_bytes, 24_684_084 * 1024);
    task.abort();
}

#[tokio::test]
async fn a_stuck_file_system_and_a_panic_are_problems_and_then_it_goes_on() {
    let machine = Machine::new();
    let mut sampler = machine.sampler();
    let (unblock, blocked) = mpsc::channel::<()>();
    let panics = Arc::new(AtomicBool::new(false));
    let mut calls = 0;
    let take = {
        let panics = panics.clone();
        move |at| {
            calls += 1;
            if calls == 2 {
                blocked.recv().unwrap();
            }
            assert!(!panics.load(Ordering::Relaxed), "this panic is a test's");
            sampler.sample(at)
        }
    };
    let (task, mut published) = ResourcesTask::with(Box::new(take), judge(), QUICK);
    let task = tokio::spawn(task.stalling_after(QUICK).run());
    let says = |part: &'static str| {
        move |measured: &Measured| {
            measured.problems.iter().filter(|problem| problem.message.contains(part)).count() == 5
        }
    };
    wait_for(&mut published, "the stall", says("takes longer than 0.05 s")).await;
    unblock.send(()).unwrap();
    wait_for(&mut published, "its end", |measured| measured.problems.is_empty()).await;
    panics.store(true, Ordering::Relaxed);
    wait_for(&mut published, "the panic", says("panicked")).await;
    panics.store(false, Ordering::Relaxed);
    wait_for(&mut published, "its end", |measured| measured.problems.is_empty()).await;
    task.abort();
}
