//! Reads a recording line by line. Whatever comes in, it answers with a line or with what is wrong and where.

use serde::Deserialize;
use thiserror::Error;

use super::{LINE_BYTES_MAX, Line, VERSION};

/// The longest lease that a header may name, ns: one hour, far above what a configuration may say.
const LEASE_MAX_NS: u64 = 3_600_000_000_000;
/// The latest time, ns: a century of uptime, so that no sum of times overflows.
const TIME_MAX_NS: u64 = 100 * 366 * 86_400 * 1_000_000_000;

/// Reads lines in their order.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    line: usize,
    expected: Expected,
    last_ns: u64,
}

/// What must come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Header,
    Start,
    Step,
    Nothing,
}

/// Why a recording cannot be read on.
#[derive(Debug, Error)]
#[error("line {line}: {flaw}")]
pub struct ReadError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum Flaw {
    /// It is no line of a recording.
    #[error("is no line of a recording: {0}")]
    Malformed(#[source] serde_json::Error),
    /// It is too long.
    #[error("is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Another version of the form.
    #[error(
        "the recording has form {found}, and this afc reads form {VERSION}: replay it with the afc that recorded it"
    )]
    Version {
        /// Which.
        found: u32,
    },
    /// The first line is something else.
    #[error("a recording starts with its header")]
    NoHeader,
    /// A second header.
    #[error("there is a second header; a recording holds one start of one agent")]
    SecondHeader,
    /// What comes behind the header is not a step without an event.
    #[error("behind the header comes the start, a step without an event")]
    NoStart,
    /// A step has no event.
    #[error("the step has no event; only the start has none")]
    SecondStart,
    /// A line behind the end.
    #[error("there is more behind the end of the recording")]
    BehindEnd,
    /// The time goes back.
    #[error("the time goes back by {back_ns} ns")]
    TimeGoesBack {
        /// How far.
        back_ns: u64,
    },
    /// A number that no agent records.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}

impl Decoder {
    /// Reads the next line, with or without its newline.
    ///
    /// # Errors
    /// It is none, or not one that may stand here.
    pub fn decode(&mut self, text: &[u8]) -> Result<Line, ReadError> {
        self.line += 1;
        self.read(text).map_err(|flaw| ReadError { line: self.line, flaw })
    }

    /// The number of the line read last, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    fn read(&mut self, text: &[u8]) -> Result<Line, Flaw> {
        if text.len() > LINE_BYTES_MAX {
            return Err(Flaw::TooLong);
        }
        if self.expected == Expected::Header {
            check_version(text)?;
        }
        let line = serde_json::from_slice(text).map_err(Flaw::Malformed)?;
        self.check(&line)?;
        Ok(line)
    }

    fn check(&mut self, line: &Line) -> Result<(), Flaw> {
        self.expected = match (self.expected, line) {
            (Expected::Nothing, _) => return Err(Flaw::BehindEnd),
            (Expected::Header, Line::Header(header)) => {
                let setup = &header.setup;
                if setup.lease_ns.max(setup.interval_ns).max(setup.start_grace_ns) > LEASE_MAX_NS {
                    return Err(Flaw::OutOfRange("a time of the setup"));
                }
                Expected::Start
            }
            (Expected::Header, Line::Step(_) | Line::Gap { .. } | Line::End(_)) => {
                return Err(Flaw::NoHeader);
            }
            (Expected::Start | Expected::Step, Line::Header(_)) => return Err(Flaw::SecondHeader),
            (Expected::Start, Line::Step(step)) if step.event.is_some() => return Err(Flaw::NoStart),
            (Expected::Step, Line::Step(step)) if step.event.is_none() => return Err(Flaw::SecondStart),
            (Expected::Start | Expected::Step, Line::Step(step)) => {
                self.check_time(step.at_ns)?;
                Expected::Step
            }
            (Expected::Start | Expected::Step, Line::Gap { .. }) => Expected::Step,
            (Expected::Start | Expected::Step, Line::End(_)) => Expected::Nothing,
        };
        Ok(())
    }

    fn check_time(&mut self, at_ns: u64) -> Result<(), Flaw> {
        if at_ns > TIME_MAX_NS {
            return Err(Flaw::OutOfRange("at_ns"));
        }
        if at_ns < self.last_ns {
            return Err(Flaw::TimeGoesBack { back_ns: self.last_ns - at_ns });
        }
        self.last_ns = at_ns;
        Ok(())
    }
}

/// Looks at the version alone: a header of another form may have anything else in it.
fn check_version(text: &[u8]) -> Result<(), Flaw> {
    #[derive(Deserialize)]
    struct AnyLine {
        header: Option<AnyHeader>,
    }
    #[derive(Deserialize)]
    struct AnyHeader {
        version: u32,
    }
    let line: AnyLine = serde_json::from_slice(text).map_err(Flaw::Malformed)?;
    match line.header {
        Some(AnyHeader { version: VERSION }) => Ok(()),
        Some(AnyHeader { version: found }) => Err(Flaw::Version { found }),
        None => Err(Flaw::NoHeader),
    }
}
