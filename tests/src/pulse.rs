//! Whether the machine itself went on: threads in the agents' own scheduling class beat each millisecond. A beat that comes
//! late tells that a processor stood still, or that its host gave it to somebody else: then no agent on it could do anything
//! either, and what a client missed is not its agents' fault alone.
//!
//! A thread of `SCHED_DEADLINE` can't be pinned. There are two for each processor, which wake at the same instants, so the
//! kernel spreads them over all. (`SCHED_FIFO` would be late by itself: the kernel gives normal tasks 50 ms of each second.)

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use afc_agent::heartbeat::scheduling::{SchedulingClass, schedule_current_thread};
use anyhow::{Context, Result, ensure};

use crate::{
    clock::{between, now_ns, sleep_until},
    worker::{Stop, Worker},
};

/// Between two beats, which fall on the same instants in all threads.
const BEAT_NS: u64 = 1_000_000;
/// A beat that is later than this is a stall: an interval of the labs' heartbeats.
const LATE: Duration = Duration::from_millis(5);
/// The threads' share of a processor is asked for as an agent's at this interval, 4 %.
const SHARE: Duration = Duration::from_millis(5);
/// So that they don't all wait on one.
const THREADS_PER_PROCESSOR: usize = 2;
/// Stalls that are kept; of more, the latest.
const STALLS: usize = 100_000;

/// Feels the machine's pulse. Dropping it ends it.
#[derive(Debug)]
pub struct Pulse {
    stalls: Arc<Mutex<VecDeque<Stall>>>,
    _workers: Vec<Worker>,
}

/// A time in which a processor ran nothing of the agents' class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// When a beat was due, ns of [`now_ns`].
    pub from_ns: u64,
    /// When it came.
    pub to_ns: u64,
}

impl Pulse {
    /// Starts.
    ///
    /// # Errors
    /// When a thread can't be started, or is refused its class.
    pub fn start() -> Result<Self> {
        let stalls = Arc::new(Mutex::new(VecDeque::new()));
        let worker = |thread| {
            let stalls = Arc::clone(&stalls);
            let (told, outcome) = std::sync::mpsc::channel();
            let worker = Worker::start(&format!("pulse-{thread}"), move |stop| {
                let class = schedule_current_thread(SHARE);
                if told.send(class).is_ok() {
                    beat(&stalls, stop);
                }
            })?;
            let class = outcome.recv().context("a pulse's thread ended")?;
            ensure!(class == SchedulingClass::Deadline, "a pulse needs SCHED_DEADLINE, it was given {class}");
            Ok(worker)
        };
        let threads = THREADS_PER_PROCESSOR * thread::available_parallelism()?.get();
        let workers: Result<Vec<_>> = (0..threads).map(worker).collect();
        Ok(Self { stalls: Arc::clone(&stalls), _workers: workers? })
    }

    /// The stalls of a time.
    pub fn stalls(&self, window: &Range<u64>) -> Vec<Stall> {
        let is_in = |stall: &&Stall| stall.from_ns < window.end && stall.to_ns > window.start;
        locked(&self.stalls).iter().filter(is_in).copied().collect()
    }
}

impl Stall {
    /// How long it lasted.
    pub fn length(&self) -> Duration {
        between(self.from_ns, self.to_ns)
    }
}

fn beat(stalls: &Mutex<VecDeque<Stall>>, stop: &Stop) {
    while !stop.is_asked() {
        let due_ns = (now_ns() / BEAT_NS + 1) * BEAT_NS;
        sleep_until(due_ns);
        let stall = Stall { from_ns: due_ns, to_ns: now_ns() };
        if stall.length() > LATE {
            let mut stalls = locked(stalls);
            if stalls.len() == STALLS {
                stalls.pop_front();
            }
            stalls.push_back(stall);
        }
    }
}

fn locked(stalls: &Mutex<VecDeque<Stall>>) -> MutexGuard<'_, VecDeque<Stall>> {
    stalls.lock().unwrap_or_else(PoisonError::into_inner)
}
