//! Prints what a replay goes through, as text or as JSON, and leaves out what nobody asked for.

use std::io::Write;

use afc_ebpf::identity::ServiceId;
use afc_engine::{
    Effect,
    recording::{Difference, End, Header, Replayed},
};
use serde_json::json;

use super::{
    Ending, ReplayError,
    story::{self, Story},
};
use crate::{cli::Replaying, events::Naming};

/// How far a replay got, in which everything was identical.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    steps: u64,
    effects: u64,
}

/// How a replay ends.
pub(super) enum Outcome<'d> {
    /// Everything was the same.
    Identical(Ending),
    /// This engine asks for something else.
    Differs(&'d Difference),
    /// The recording has a gap.
    Gap {
        /// Events and effects missing.
        lost: u64,
    },
}

/// Prints one replay.
pub(super) struct Teller<'h, O> {
    replaying: &'h Replaying,
    /// The service asked for.
    service: Option<ServiceId>,
    header: &'h Header,
    /// Set by the first step.
    story: Option<Story<'h>>,
    out: O,
}

impl Tally {
    pub(super) fn count(&mut self, step: &Replayed) {
        self.steps += 1;
        self.effects += step.effects.len() as u64;
    }
}

impl<'h, O: Write> Teller<'h, O> {
    /// Says what the recording is.
    pub(super) fn begin(
        replaying: &'h Replaying,
        header: &'h Header,
        mut out: O,
    ) -> Result<Self, ReplayError> {
        let service = replaying.service.as_deref().map(|name| find_service(header, name)).transpose()?;
        if !replaying.json {
            let setup = &header.setup;
            writeln!(
                out,
                "{} of {} nodes, {} services, lease {} ms; recorded {} by afc {}, {}",
                header.node_name(setup.node),
                setup.nodes.len(),
                setup.services.len(),
                setup.lease_ns as f64 / 1e6,
                header.at,
                header.afc,
                match &header.restored.adopted {
                    Some(_) => "which went on with the kernel's maps",
                    None => "with a new session",
                },
            )?;
        }
        Ok(Self { replaying, service, header, story: None, out })
    }

    /// One step and beneath it what the engine asked for.
    pub(super) fn step(&mut self, line: usize, replayed: &Replayed) -> Result<(), ReplayError> {
        let step = &replayed.step;
        let story = self.story.get_or_insert_with(|| Story::new(self.header, step.at_ns));
        let (only_reports, service) = (self.replaying.reports, self.service);
        let is_about =
            |effect: &Effect| service.is_none_or(|service| story::is_effect_about(effect, service));
        let is_wanted =
            |effect: &&Effect| is_about(effect) && (!only_reports || matches!(effect, Effect::Report(_)));
        let effects: Vec<_> = replayed.effects.iter().filter(is_wanted).collect();
        let is_event_wanted = !only_reports
            && service.is_none_or(|service| {
                step.event.as_ref().is_some_and(|event| story::is_event_about(event, service))
            });
        if effects.is_empty() && !is_event_wanted {
            return Ok(());
        }
        if self.replaying.json {
            let since_start_ns = story.since_start_ns(step.at_ns);
            let object = json!({
                "line": line, "at_ns": step.at_ns, "since_start_ns": since_start_ns, "event": step.event,
                "effects": effects,
            });
            writeln!(self.out, "{object}")?;
            return Ok(());
        }
        let seconds = story.since_start_ns(step.at_ns) as f64 / 1e9;
        let event =
            step.event.as_ref().map_or_else(|| "start".to_owned(), |event| story.event(event, step.at_ns));
        writeln!(self.out, "{seconds:>12.6}  {event}")?;
        for effect in effects {
            writeln!(self.out, "{:12}    {}", "", story.effect_at(effect, step.at_ns))?;
        }
        Ok(())
    }

    /// How it ended.
    pub(super) fn end(
        &mut self,
        tally: &Tally,
        line: usize,
        outcome: Outcome<'_>,
    ) -> Result<(), ReplayError> {
        let Tally { steps, effects } = *tally;
        if self.replaying.json {
            let mut object = json!({ "steps": steps, "effects": effects, "line": line });
            object["outcome"] = match &outcome {
                Outcome::Identical(_) => "identical".into(),
                Outcome::Differs(_) => "differs".into(),
                Outcome::Gap { .. } => "gap".into(),
            };
            match outcome {
                Outcome::Identical(ending) => object["ending"] = ending_name(ending).into(),
                Outcome::Differs(difference) => {
                    object["difference"] = json!({
                        "effect": difference.place + 1, "recorded": difference.recorded,
                        "replayed": difference.replayed,
                    });
                }
                Outcome::Gap { lost } => object["lost"] = lost.into(),
            }
            writeln!(self.out, "{object}")?;
        } else if let Outcome::Identical(ending) = outcome {
            let why = match ending {
                Ending::Said(End::Stopped) => "the agent ended",
                Ending::Said(End::SizeLimit) => "the recording reached its size limit",
                Ending::Open => "the agent was killed, or still records",
                Ending::CutOff => "the last line is cut off: the agent was killed, or still records",
            };
            writeln!(self.out, "{steps} steps and {effects} effects, all identical; {why}")?;
        }
        self.out.flush()?;
        Ok(())
    }
}

const fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Said(End::Stopped) => "stopped",
        Ending::Said(End::SizeLimit) => "size_limit",
        Ending::Open => "open",
        Ending::CutOff => "cut_off",
    }
}

fn find_service(header: &Header, wanted: &str) -> Result<ServiceId, ReplayError> {
    let ids = || header.setup.services.iter().map(|service| service.id);
    let is_wanted = |service: &ServiceId| {
        header.service_name(*service) == wanted || format!("#{:08x}", service.0) == wanted
    };
    ids().find(is_wanted).ok_or_else(|| {
        let known: Vec<_> = ids().map(|service| header.service_name(service)).collect();
        ReplayError::NoService { wanted: wanted.to_owned(), known: known.join(", ") }
    })
}
