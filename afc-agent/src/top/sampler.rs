//! Asks the agent, again and again. Knows nothing of what is shown.
//!
//! [`Sampler::run`] is a thread of its own, because asking blocks: an agent that is stopped keeps it waiting for as long as
//! the client's patience lasts, and the screen goes on meanwhile. It ends when nobody takes what it says any more; ending
//! it earlier loses nothing.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use crate::{
    control::client::{Client, ClientError},
    events::EventBatch,
    lists::ListMatrix,
    status::Status,
};

/// Lists are asked for when something happened, and at least this often: those of a big cluster are long.
const LISTS_AGE: Duration = Duration::from_secs(5);

/// What the agent said at one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// When.
    pub(super) at: Instant,
    /// Its view of the cluster.
    pub(super) status: Status,
    /// What happened since the sample before, or all that the agent remembers if that was another agent.
    pub(super) events: EventBatch,
    /// Every node's backups, if they may have changed.
    pub(super) lists: Option<ListMatrix>,
}

/// Remembers what it has already been told.
#[derive(Debug)]
pub(super) struct Sampler {
    socket: PathBuf,
    session: Option<String>,
    newest_event: u64,
    listed: Option<Instant>,
}

impl Sampler {
    /// Asks the agent at this socket.
    pub(super) const fn new(socket: PathBuf) -> Self {
        Self { socket, session: None, newest_event: 0, listed: None }
    }

    /// Asks once. Each question is a connection, so that a viewer does not keep one from others.
    ///
    /// # Errors
    /// The agent does not answer, or something else.
    pub(super) fn sample(&mut self) -> Result<Sample, ClientError> {
        let status = Client::connect(&self.socket)?.status()?;
        if self.session.as_ref() != Some(&status.session) {
            self.newest_event = 0;
            self.listed = None;
        }
        let events = Client::connect(&self.socket)?.events(self.newest_event)?;
        let is_due = self.listed.is_none_or(|listed| listed.elapsed() >= LISTS_AGE);
        let lists = if is_due || !events.events.is_empty() {
            Some(Client::connect(&self.socket)?.lists()?)
        } else {
            None
        };
        // Only now that nothing failed: what a failed sample was told is asked for again.
        let at = Instant::now();
        self.session = Some(status.session.clone());
        self.newest_event = events.events.last().map_or(self.newest_event, |event| event.id);
        self.listed = if lists.is_some() { Some(at) } else { self.listed };
        Ok(Sample { at, status, events, lists })
    }

    /// Asks each `interval` and says what came, until `say` does not want more.
    pub(super) fn run(mut self, interval: Duration, say: impl Fn(Result<Sample, ClientError>) -> Wanted) {
        loop {
            thread::sleep(interval);
            match say(self.sample()) {
                Wanted::More => {}
                Wanted::NoMore => return,
            }
        }
    }
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Yes.
    More,
    /// No.
    NoMore,
}
