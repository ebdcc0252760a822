//! Processors that somebody else takes: threads of a real-time class that leave the normal ones almost nothing, for a short
//! time.
//!
//! They stand above everything normal, the kernel's own softirq threads too, and below the lab's measuring threads, so that a
//! client without a processor is not taken for one without a service. The machine may have other users: each hog works
//! [`DUTY_PERCENT`] of the time, for [`LONGEST`] at most, and ends by itself. Benchmarks ask for more by [`Hogs`].

use std::{
    io, mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::clock::{now_ns, sleep_until};

/// How long a hog of [`Starvation::start`] may work at most.
pub const LONGEST: Duration = Duration::from_secs(2);
/// How much of the time it works.
pub const DUTY_PERCENT: u64 = 80;
/// How long any hog may work at most: at full duty it leaves normal threads a twentieth of the machine.
pub const LONGEST_OF_ANY: Duration = Duration::from_secs(30);
/// One round of work and rest.
const ROUND_NS: u64 = 50_000_000;
/// Below the measuring threads, see [`crate::clock`].
const PRIORITY: libc::c_int = 3;

/// What hogs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hogs {
    /// Their class.
    pub class: Class,
    /// How much of the time each works; at 100 it never rests.
    pub duty_percent: u64,
    /// How many there are on each processor.
    pub per_processor: usize,
    /// How long they work.
    pub lasting: Duration,
}

/// How a hog is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Like any other thread.
    Normal,
    /// `SCHED_FIFO` with this priority.
    Fifo(i32),
}

/// Hogs on each processor. Dropping it waits for their end.
#[derive(Debug)]
pub struct Starvation {
    hogs: Vec<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl Starvation {
    /// Starts one on each processor, above every normal thread.
    ///
    /// # Errors
    /// When they would work too long, or without the right to real-time classes.
    pub fn start(lasting: Duration) -> Result<Self> {
        ensure!(lasting <= LONGEST, "a hog works for {LONGEST:?} at most");
        let class = Class::Fifo(PRIORITY);
        Self::of(&Hogs { class, duty_percent: DUTY_PERCENT, per_processor: 1, lasting })
    }

    /// Starts these.
    ///
    /// # Errors
    /// When they would work too long, or without the right to real-time classes.
    pub fn of(hogs: &Hogs) -> Result<Self> {
        ensure!(hogs.lasting <= LONGEST_OF_ANY, "a hog works for {LONGEST_OF_ANY:?} at most");
        let is_over = Arc::new(AtomicBool::new(false));
        let work = Work {
            end_ns: now_ns() + hogs.lasting.as_nanos() as u64,
            duty_ns: ROUND_NS * hogs.duty_percent.min(100) / 100,
        };
        let mut started = Self { hogs: Vec::new(), is_over };
        let processors = thread::available_parallelism()?.get();
        for hog in 0..processors * hogs.per_processor {
            let (processor, class) = (hog % processors, hogs.class);
            let is_over = Arc::clone(&started.is_over);
            let (told, outcome) = std::sync::mpsc::channel();
            let work = move || {
                let ready = settle_on(processor, class);
                let may = ready.is_ok();
                if told.send(ready).is_ok() && may {
                    work.go_on(&is_over);
                }
            };
            started.hogs.push(thread::Builder::new().name(format!("hog-{hog}")).spawn(work)?);
            outcome.recv()?.with_context(|| format!("a hog on processor {processor}"))?;
        }
        Ok(started)
    }

    /// Ends them before their time.
    pub fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Drop for Starvation {
    fn drop(&mut self) {
        for hog in self.hogs.drain(..) {
            if hog.join().is_err() {
                eprintln!("afc-lab: a hog had panicked");
            }
        }
    }
}

/// Binds the calling thread to one processor, in its class.
fn settle_on(processor: usize, class: Class) -> io::Result<()> {
    // SAFETY: cpu_set_t is made of integers, for which all zero is valid, and CPU_SET writes inside of it.
    let processors = unsafe {
        let mut processors: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(processor, &mut processors);
        processors
    };
    let (policy, priority) = match class {
        Class::Normal => (libc::SCHED_OTHER, 0),
        Class::Fifo(priority) => (libc::SCHED_FIFO, priority),
    };
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: both arguments are valid for the whole calls and of the sizes stated; 0 is the calling thread.
    let done = unsafe {
        libc::sched_setaffinity(0, size_of_val(&processors), &processors) == 0
            && libc::sched_setscheduler(0, policy, &parameter) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What one hog does.
#[derive(Clone, Copy)]
struct Work {
    end_ns: u64,
    /// Of each round.
    duty_ns: u64,
}

impl Work {
    fn go_on(self, is_over: &AtomicBool) {
        let is_done = || now_ns() >= self.end_ns || is_over.load(Ordering::Relaxed);
        while !is_done() {
            let round_ns = now_ns();
            while now_ns() < round_ns + self.duty_ns && !is_done() {
                std::hint::spin_loop();
            }
            if self.duty_ns < ROUND_NS && !is_done() {
                sleep_until(round_ns + ROUND_NS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hogs_end_by_themselves_or_when_they_are_told_to() {
        let hogs = Hogs {
            class: Class::Normal,
            duty_percent: 1,
            per_processor: 1,
            lasting: Duration::from_millis(10),
        };
        let began_ns = now_ns();
        drop(Starvation::of(&hogs).unwrap());
        assert!(now_ns() - began_ns >= 10_000_000);
        let began_ns = now_ns();
        Starvation::of(&Hogs { lasting: LONGEST_OF_ANY, ..hogs }).unwrap().end();
        assert!(now_ns() - began_ns < LONGEST_OF_ANY.as_nanos() as u64);
        let forever = Hogs { lasting: 2 * LONGEST_OF_ANY, ..hogs };
        assert!(Starvation::of(&forever).is_err());
    }
}
