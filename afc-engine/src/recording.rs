//! A recording: what one engine was made of, every event it was handed and every effect it asked for, so that the same
//! engine does the same again (`docs/recording.md`).
//!
//! JSON, one [`Line`] a line: a header, the start, a step for each event, and an end if there was time to say so. Pure:
//! who records and who reads files is the runtime's.

mod decoder;
mod player;
#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Flaw, ReadError};
pub use player::{Difference, Played, Player, Replayed};

use afc_ebpf::identity::{NodeId, ServiceId};
use serde::{Deserialize, Serialize};

use super::{Effect, Event, Restored, Setup};

/// The version of the form. A recording in another one is refused.
pub const VERSION: u32 = 1;

/// Bytes of a line, at most: a header with 1024 services, each with its record, takes a tenth.
pub const LINE_BYTES_MAX: usize = 4 << 20;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// The first line.
    Header(Box<Header>),
    /// One event and what came of it. The first has no event: it is the engine's making.
    Step(Step),
    /// Whoever wrote was too slow: what was handed in and came out here is not known.
    Gap {
        /// Events and effects that are not here.
        lost: u64,
    },
    /// The recording ends, though the agent may go on.
    End(End),
}

/// What a recording starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// The version of afc that recorded.
    pub afc: String,
    /// When, by the wall clock (RFC 3339, UTC): for people only.
    pub at: String,
    /// What people call the numbers.
    pub names: Names,
    /// What the engine was made of,
    pub setup: Setup,
    /// and what survived from before.
    pub restored: Restored,
}

/// Names of what an engine knows by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Of nodes.
    pub nodes: Vec<(NodeId, String)>,
    /// Of services.
    pub services: Vec<(ServiceId, String)>,
}

/// One event and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, `CLOCK_BOOTTIME` ns.
    pub at_ns: u64,
    /// What was handed in; none at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// What the engine asked for, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
}

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The fast path ended, after a stop or by itself.
    Stopped,
    /// It reached its size limit.
    SizeLimit,
}

impl Line {
    /// The line as it is written, with its newline.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("numbers, names and lists of them become JSON");
        text.push('\n');
        text
    }
}
