//! Processors that somebody else takes: threads of a real-time class that leave the normal ones almost nothing, for a short
//! time.
//!
//! They stand above everything normal, the kernel's own softirq threads too, and below the lab's measuring threads, so that a
//! client without a processor is not taken for one without a service. The machine may have other users: each hog works
//! [`DUTY_PERCENT`] of the time, for [`LONGEST`] at most, and ends by itself.

use std::{io, mem, thread, thread::JoinHandle, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::clock::{now_ns, sleep_until};

/// How long a hog may work at most.
pub const LONGEST: Duration = Duration::from_secs(2);
/// How much of the time it works.
pub const DUTY_PERCENT: u64 = 80;
/// One round of work and rest.
const ROUND_NS: u64 = 50_000_000;
/// Below the measuring threads, see [`crate::clock`].
const PRIORITY: libc::c_int = 3;

/// A hog on each processor. Dropping it waits for their end.
#[derive(Debug)]
pub struct Starvation {
    hogs: Vec<JoinHandle<()>>,
}

impl Starvation {
    /// Starts them.
    ///
    /// # Errors
    /// When they would work too long, or without the right to real-time classes.
    pub fn start(lasting: Duration) -> Result<Self> {
        ensure!(lasting <= LONGEST, "a hog works for {LONGEST:?} at most");
        let end_ns = now_ns() + lasting.as_nanos() as u64;
        let mut hogs = Vec::new();
        for processor in 0..thread::available_parallelism()?.get() {
            let name = format!("hog-{processor}");
            let (told, outcome) = std::sync::mpsc::channel();
            let work = move || {
                let ready = settle_on(processor);
                let may = ready.is_ok();
                if told.send(ready).is_ok() && may {
                    take_the_processor_until(end_ns);
                }
            };
            hogs.push(thread::Builder::new().name(name).spawn(work)?);
            outcome.recv()?.with_context(|| format!("a hog on processor {processor}"))?;
        }
        Ok(Self { hogs })
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

/// Binds the calling thread to one processor, in front of every normal thread.
fn settle_on(processor: usize) -> io::Result<()> {
    // SAFETY: cpu_set_t is made of integers, for which all zero is valid, and CPU_SET writes inside of it.
    let processors = unsafe {
        let mut processors: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(processor, &mut processors);
        processors
    };
    let parameter = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: both arguments are valid for the whole calls and of the sizes stated; 0 is the calling thread.
    let done = unsafe {
        libc::sched_setaffinity(0, size_of_val(&processors), &processors) == 0
            && libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn take_the_processor_until(end_ns: u64) {
    loop {
        let round_ns = now_ns();
        while now_ns() < (round_ns + ROUND_NS * DUTY_PERCENT / 100).min(end_ns) {
            std::hint::spin_loop();
        }
        if now_ns() >= end_ns {
            return;
        }
        sleep_until(round_ns + ROUND_NS);
    }
}
