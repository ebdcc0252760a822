//! Starts this agent's recording where one is wanted, and sees to it that it is complete on disk in the end.
//!
//! A node serves whether or not it can be recorded: what goes wrong with a recording is told, and no more.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use afc_engine::{
    Restored, Setup,
    recording::{Header, Names, VERSION},
};
use tokio::time::timeout;
use tracing::warn;

use super::{notices::report, start::Agent};
use crate::{
    config::Config,
    events::{EventKind, Happening},
    recorder::{self, Incident, Recorder},
};

/// How long an agent that ends waits for its recording.
const FINISH_LIMIT: Duration = Duration::from_secs(3);

impl Agent {
    /// Records an engine that is about to be made of this.
    pub(super) fn start_recording(&mut self, setup: &Setup, restored: &Restored) -> Option<Recorder> {
        let path = self.config.agent.record.clone()?;
        let limit_bytes = self.config.agent.record_limit_bytes;
        let header = header(&self.config, setup.clone(), restored.clone());
        let events = Arc::clone(&self.events);
        let file = path.clone();
        let tell = move |incident| report(&events, happening(&file, &incident));
        match recorder::start(&path, limit_bytes, header, tell) {
            Ok((recorder, thread)) => {
                self.recording = Some(thread);
                let text = format!("records to {}, {limit_bytes} bytes at most", path.display());
                self.report(Happening::new(EventKind::Recording, text));
                Some(recorder)
            }
            Err(error) => {
                self.report(happening(&path, &Incident::Failed(error)));
                None
            }
        }
    }

    /// Waits until the recording is complete; the fast path has ended, or never will.
    pub(super) async fn finish_recording(&mut self) {
        let Some(thread) = self.recording.take() else {
            return;
        };
        let mut looks = tokio::time::interval(Duration::from_millis(1));
        let ended = timeout(FINISH_LIMIT, async {
            while !thread.is_finished() {
                looks.tick().await;
            }
        });
        if ended.await.is_err() {
            warn!("the recording is not complete");
        } else if thread.join().is_err() {
            warn!("the recording is not complete: its writer panicked");
        }
    }
}

fn header(config: &Config, setup: Setup, restored: Restored) -> Header {
    Header {
        version: VERSION,
        afc: env!("CARGO_PKG_VERSION").to_owned(),
        at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        names: Names {
            nodes: config.nodes.iter().map(|node| (node.id, node.name.clone())).collect(),
            services: config.services.iter().map(|service| (service.id, service.name.clone())).collect(),
        },
        setup,
        restored,
    }
}

fn happening(path: &Path, incident: &Incident) -> Happening {
    let path = path.display();
    match incident {
        Incident::Gap { lost } => {
            let text = format!(
                "the recording {path} has a gap: its writer was too slow for {lost} events and effects, and it \
                 replays up to there"
            );
            Happening::new(EventKind::Fault, text)
        }
        Incident::SizeLimit => Happening::new(
            EventKind::Recording,
            format!("the recording {path} has reached its limit and ends"),
        ),
        Incident::Failed(error) => {
            Happening::new(EventKind::Fault, format!("nothing is recorded: cannot write {path}: {error}"))
        }
    }
}
