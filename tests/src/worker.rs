//! Threads of the lab: each works until what owns it is dropped, and is waited for then.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;

use crate::netns::Netns;

/// How long a worker may wait for something before it must look whether it shall end.
pub(crate) const STOP_POLL: Duration = Duration::from_millis(20);

/// A thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// How a worker learns that it shall end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether it shall.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Worker {
    /// Starts one in the namespace of the caller.
    pub(crate) fn start(name: &str, work: impl FnOnce(&Stop) + Send + 'static) -> Result<Self> {
        let stop = Stop::default();
        let its_stop = stop.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&its_stop))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Starts one that lives inside a namespace, as whatever opens sockets again and again must.
    pub(crate) fn start_inside(
        namespace: &Netns,
        name: &str,
        work: impl FnOnce(&Stop) + Send + 'static,
    ) -> Result<Self> {
        let stop = Stop::default();
        let its_stop = stop.clone();
        let thread = namespace.spawn(name, move || work(&its_stop))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        let name = thread.thread().name().unwrap_or_default().to_owned();
        if thread.join().is_err() {
            eprintln!("afc-lab: the thread {name} had panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_worker_ends_when_it_is_dropped_and_not_before() {
        let (ended, end) = mpsc::channel();
        let worker = Worker::start("test", move |stop| {
            while !stop.is_asked() {
                thread::yield_now();
            }
            ended.send(()).unwrap();
        });
        assert!(end.try_recv().is_err());
        drop(worker.unwrap());
        assert!(end.try_recv().is_ok());
    }
}
