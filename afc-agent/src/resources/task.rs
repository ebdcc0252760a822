//! Owned by the agent. Wakes at each interval, samples on a thread that may block, judges, and publishes the latest.
//! Cancelling it loses what has lasted so far: the next task starts with nothing short. It ends when nobody listens.
//!
//! Sampling goes to a blocking thread because a stuck file system (of lxcfs, in a container) or a cgroup with many
//! children can hold a reader for long, and nothing else may wait for that.

use std::{
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{self, MissedTickBehavior},
};
use tracing::{info, warn};

use super::{
    Measured, Problem,
    judge::{Judge, Known},
    sample::{Sample, SampleError},
    sampler::{Sampler, Sources},
};
use crate::{
    clock,
    cluster::record::{Pressure, Utilization},
    config::Config,
};

/// A sample that takes longer is told as a problem.
const STALL: Duration = Duration::from_secs(5);

/// A rate compares two samples, so that the first one alone is no utilisation.
const SAMPLES_FOR_RATES: u64 = 2;

/// What takes a sample at a moment.
type Take = Box<dyn FnMut(u64) -> Sample + Send>;

/// Samples, judges and publishes.
pub struct ResourcesTask {
    interval: Duration,
    stall: Duration,
    take: Take,
    judge: Judge,
    latest: Latest,
    publish: watch::Sender<Measured>,
}

impl ResourcesTask {
    /// A task for this node, and what it publishes.
    pub fn new(config: &Config) -> (Self, watch::Receiver<Measured>) {
        let sources =
            Sources { proc_root: config.agent.proc_root.clone(), cgroup: config.agent.cgroup.clone() };
        let mut sampler = Sampler::new(sources);
        let take = Box::new(move |at_ns| sampler.sample(at_ns));
        Self::with(take, Judge::new(config.thresholds.clone()), config.thresholds.interval)
    }

    pub(super) fn with(take: Take, judge: Judge, interval: Duration) -> (Self, watch::Receiver<Measured>) {
        let (publish, published) = watch::channel(Measured { limits: judge.limits(), ..Measured::default() });
        (Self { interval, stall: STALL, take, judge, latest: Latest::default(), publish }, published)
    }

    /// With another patience.
    #[cfg(test)]
    pub(super) fn stalling_after(self, stall: Duration) -> Self {
        Self { stall, ..self }
    }

    /// Runs until nobody listens.
    pub async fn run(mut self) {
        let mut ticks = time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.publish.closed() => return,
            }
            let mut take = self.take;
            let mut work = spawn_blocking(move || {
                let sample = sample(&mut take);
                (take, sample)
            });
            let done = loop {
                match time::timeout(self.stall, &mut work).await {
                    Ok(done) => break done,
                    Err(_) => {
                        let seconds = self.stall.as_secs_f64();
                        let stalled =
                            Sample::failed(clock::boottime_ns(), || SampleError::Stalled { seconds });
                        handle_sample(&mut self.judge, &mut self.latest, &self.publish, &stalled);
                    }
                }
            };
            // Panics are caught in `sample`, so this is the runtime shutting down.
            let Ok((take, sample)) = done else { return };
            self.take = take;
            handle_sample(&mut self.judge, &mut self.latest, &self.publish, &sample);
        }
    }
}

fn sample(take: &mut Take) -> Sample {
    let at_ns = clock::boottime_ns();
    // A sampler holds nothing but counters to compare with; half of them old is as good as a sample missed.
    let taken = panic::catch_unwind(AssertUnwindSafe(|| take(at_ns)));
    taken.unwrap_or_else(|_| Sample::failed(at_ns, || SampleError::Panicked))
}

fn handle_sample(judge: &mut Judge, latest: &mut Latest, publish: &watch::Sender<Measured>, sample: &Sample) {
    let known = Known::of(sample);
    let judgement = judge.judge(&known, sample.at_ns);
    let utilization = latest.utilization(sample, &known);
    let problems: Vec<_> =
        sample.errors().map(|(resource, error)| Problem { resource, message: error.to_string() }).collect();
    report(&publish.borrow().problems, &problems);
    publish.send_replace(Measured {
        utilization,
        reasons: judgement.reasons,
        since: judgement.since,
        headroom: judgement.headroom,
        limits: judge.limits(),
        problems,
    });
}

/// Says what can no longer be measured, and what can be again.
fn report(before: &[Problem], now: &[Problem]) {
    let is_in = |problems: &[Problem], problem: &Problem| {
        problems.iter().any(|other| other.resource == problem.resource)
    };
    for problem in now.iter().filter(|problem| !is_in(before, problem)) {
        warn!(resource = problem.resource.name(), reason = problem.message, "cannot measure utilisation");
    }
    for problem in before.iter().filter(|problem| !is_in(now, problem)) {
        info!(resource = problem.resource.name(), "measures utilisation again");
    }
}

/// The last value of each figure.
#[derive(Debug, Default)]
struct Latest {
    known: Known,
    pressure: Option<Pressure>,
    samples: u64,
}

impl Latest {
    fn utilization(&mut self, sample: &Sample, known: &Known) -> Option<Utilization> {
        self.known = Known {
            memory: known.memory.or(self.known.memory),
            cpu: known.cpu.or(self.known.cpu),
            iops: known.iops.or(self.known.iops),
            load: known.load.or(self.known.load),
        };
        if let Ok(pressure) = sample.pressure {
            self.pressure = pressure;
        }
        self.samples += 1;
        if self.samples < SAMPLES_FOR_RATES || self.known == Known::default() {
            return None;
        }
        let Known { memory, cpu, iops, load } = self.known;
        Some(Utilization {
            cpu: cpu.unwrap_or_default(),
            memory_available_bytes: memory.map_or(0, |memory| memory.available_bytes),
            memory_total_bytes: memory.map_or(0, |memory| memory.total_bytes),
            iops: iops.unwrap_or_default().round() as u64,
            load: load.unwrap_or_default(),
            pressure: self.pressure,
        })
    }
}
