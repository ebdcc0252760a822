//! The commands that ask the agent and print what it says.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde::Serialize;

use super::{AgentAddress, CliError, Reading, printed_or_unread};
use crate::{
    config::Config,
    control::{DEFAULT_SOCKET, Duty, client::Client},
    events::EventBatch,
    lists::ListMatrix,
};

/// `afc status`.
pub(super) fn status(reading: &Reading, out: &mut impl Write) -> Result<(), CliError> {
    let status = Client::connect(&socket(&reading.agent)?)?.status()?;
    let printed = if reading.json { writeln!(out, "{}", json(&status)) } else { write!(out, "{status}") };
    printed_or_unread(printed)
}

/// How much of what changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// As it is.
    Now,
    /// And each new version.
    Follow,
}

/// Which events.
pub(super) struct From {
    /// Only those with a greater id.
    pub(super) after: u64,
    /// Go on with each new one.
    pub(super) follow: bool,
}

/// `afc events`.
pub(super) fn events(reading: &Reading, from: From, out: &mut impl Write) -> Result<(), CliError> {
    let client = Client::connect(&socket(&reading.agent)?)?;
    let mut show = |batch: &EventBatch| -> io::Result<()> {
        if batch.missed > 0 {
            eprintln!("afc: {} earlier events are no longer kept; see the system's log", batch.missed);
        }
        for event in &batch.events {
            if reading.json { writeln!(out, "{}", json(event))? } else { writeln!(out, "{event}")? }
        }
        out.flush()
    };
    if from.follow {
        return Ok(client.follow_events(from.after, show)?);
    }
    printed_or_unread(show(&client.events(from.after)?))
}

/// `afc lists`.
pub(super) fn lists(reading: &Reading, span: Span, out: &mut impl Write) -> Result<(), CliError> {
    let client = Client::connect(&socket(&reading.agent)?)?;
    let mut show = |lists: &ListMatrix| -> io::Result<()> {
        if reading.json {
            writeln!(out, "{}", json(lists))?
        } else {
            writeln!(out, "{lists}")?
        }
        out.flush()
    };
    match span {
        Span::Now => printed_or_unread(show(&client.lists()?)),
        Span::Follow => Ok(client.follow_lists(show)?),
    }
}

/// `afc explain`.
pub(super) fn explain(reading: &Reading, service: &str, out: &mut impl Write) -> Result<(), CliError> {
    let explanation = Client::connect(&socket(&reading.agent)?)?.explain(service)?;
    printed_or_unread(if reading.json {
        writeln!(out, "{}", json(&explanation))
    } else {
        write!(out, "{explanation}")
    })
}

/// `afc drain` and `afc undrain`.
pub(super) fn set_duty(
    reading: &Reading,
    node: &str,
    duty: Duty,
    out: &mut impl Write,
) -> Result<(), CliError> {
    show_done(reading, &Client::connect(&socket(&reading.agent)?)?.set_duty(node, duty)?, out)
}

/// `afc move`.
pub(super) fn move_service(
    reading: &Reading,
    service: &str,
    node: &str,
    out: &mut impl Write,
) -> Result<(), CliError> {
    show_done(reading, &Client::connect(&socket(&reading.agent)?)?.move_service(service, node)?, out)
}

fn show_done(reading: &Reading, done: &str, out: &mut impl Write) -> Result<(), CliError> {
    printed_or_unread(if reading.json {
        writeln!(out, "{}", json(&serde_json::json!({ "done": done })))
    } else {
        writeln!(out, "{done}")
    })
}

/// The control socket of an agent.
pub(super) fn socket(agent: &AgentAddress) -> Result<PathBuf, CliError> {
    Ok(match (&agent.socket, &agent.config) {
        (Some(socket), _) => socket.clone(),
        (None, Some(file)) => Config::load(file)?.agent.control_socket,
        (None, None) => PathBuf::from(DEFAULT_SOCKET),
    })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("what the agent said was JSON")
}
