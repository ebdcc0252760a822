//! The fast path's scheduling class on the real kernel. Needs root.

use std::{thread, time::Duration};

use afc_agent::heartbeat::scheduling::{SchedulingClass, schedule_current_thread};
use afc_lab::clock::{between, now_ns, sleep_until, thread_ns};

const INTERVAL: Duration = Duration::from_millis(5);
/// Five times what is reserved in each interval: a takeover with a recording.
const BURST: Duration = Duration::from_millis(1);
/// The best of these counts: the machine has other users.
const BURSTS: usize = 50;

/// How long a burst of work took that began when the thread woke.
fn burst() -> Duration {
    sleep_until(now_ns() + 2 * INTERVAL.as_nanos() as u64);
    let (from_ns, worked_ns) = (now_ns(), thread_ns());
    while thread_ns() - worked_ns < BURST.as_nanos() as u64 {}
    between(from_ns, now_ns())
}

#[test]
fn a_burst_of_work_does_not_wait_for_the_next_interval() {
    let bursts = || {
        assert_eq!(schedule_current_thread(INTERVAL), SchedulingClass::Deadline);
        (0..BURSTS).map(|_| burst()).min().unwrap()
    };
    let best = thread::spawn(bursts).join().unwrap();
    assert!(best < INTERVAL, "a burst of {BURST:?} took {best:?}");
}
