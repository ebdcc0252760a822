//! What the agent has on disk: opened before everything else, so that what is wrong there is kept even if the start fails.

use std::sync::Arc;

use anyhow::Result;
use tokio::sync::mpsc;

use super::notices::report;
use crate::{
    config::AgentConfig,
    events::{EventKind, EventLog, Happening},
    repository::{Found, Incident, Opened, Repository, SetAside},
    state::StateDir,
};

/// The state directory and what is in it.
pub(super) struct Disk {
    pub(super) incarnation: u64,
    pub(super) repository: Arc<Repository>,
    /// This node's events, kept in the repository.
    pub(super) events: Arc<EventLog>,
    /// What happens to the repository.
    pub(super) incidents: mpsc::Receiver<Incident>,
    _state: StateDir,
}

impl Drop for Disk {
    /// Others may have the repository still: it is closed before the directory's lock goes.
    fn drop(&mut self) {
        self.repository.close();
    }
}

impl Disk {
    pub(super) fn open(config: &AgentConfig) -> Result<Self> {
        let state = StateDir::open(&config.state_dir)?;
        let (repository, opened) = Repository::open(&config.state_dir, state.history)?;
        let repository = Arc::new(repository);
        let Opened { found, events, set_aside, incidents } = opened;
        let keeper = Arc::clone(&repository);
        let events = Arc::new(EventLog::going_on(events, move |event| keeper.put_event(event)));
        report_found(&events, &found);
        report_set_aside(&events, &set_aside);
        let incarnation = state.begin_incarnation()?;
        Ok(Self { incarnation, repository, events, incidents, _state: state })
    }
}

fn report_found(events: &EventLog, found: &Found) {
    let problem = match found {
        Found::FirstStart | Found::Known => return,
        Found::Lost => "the repository's file is gone".to_owned(),
        Found::Damaged { kept, damage } => {
            format!("the repository is damaged ({damage}) and kept as {}", kept.display())
        }
    };
    let text = format!(
        "{problem}: until services move on, this node trusts the other voters' memory of their epochs"
    );
    report(events, Happening::new(EventKind::Fault, text));
}

fn report_set_aside(events: &EventLog, set_aside: &[SetAside]) {
    let Some(SetAside { table, key, why, .. }) = set_aside.first() else {
        return;
    };
    let count = set_aside.len();
    let text = format!(
        "{count} unreadable rows of the repository are put aside; the first is row {key} of {table}: {why}"
    );
    report(events, Happening::new(EventKind::Fault, text));
}
