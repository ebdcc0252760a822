//! Asks the agents for their status, all the time, beside the thread that draws.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use afc_lab::Lab;
use serde_json::Value;

/// Between two rounds. Each asks every agent with a process of its own, so this is what keeps the view light.
const PAUSE: Duration = Duration::from_millis(500);

/// The agents' latest answers, by node.
pub(super) type Statuses = BTreeMap<String, Value>;

/// Asked by one thread, read by another.
#[derive(Debug, Default)]
pub(super) struct Poller {
    statuses: Mutex<Statuses>,
    ended: AtomicBool,
}

impl Poller {
    /// Asks until somebody drops [`Self::end_on_drop`].
    pub(super) fn poll(&self, lab: &Lab) {
        while !self.ended.load(Ordering::Relaxed) {
            let nodes = lab.running();
            let statuses = nodes.into_iter().filter_map(|node| Some((node.clone(), lab.status(&node).ok()?)));
            let statuses = statuses.collect();
            *self.statuses.lock().expect("nobody panics with the statuses") = statuses;
            thread::sleep(PAUSE);
        }
    }

    /// Ends the polling thread, after its round, when it is dropped: also when the thread that draws panics.
    pub(super) const fn end_on_drop(&self) -> EndOnDrop<'_> {
        EndOnDrop(self)
    }

    /// The latest answers. An agent that does not run has none.
    pub(super) fn statuses(&self) -> Statuses {
        self.statuses.lock().expect("nobody panics with the statuses").clone()
    }
}

/// See [`Poller::end_on_drop`].
pub(super) struct EndOnDrop<'a>(&'a Poller);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}
