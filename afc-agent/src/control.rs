//! The control socket: how `afc status` and others talk to the agent on the same machine.
//!
//! A Unix-domain stream socket, one JSON line a request, one JSON line a response; a follower of events gets lines
//! until it hangs up. Whoever may open the socket (mode 0660) may ask.

pub mod client;
pub mod server;

use serde::{Deserialize, Serialize};

use crate::{
    events::EventBatch,
    lists::{Explanation, ListMatrix},
    status::Status,
};

/// Where the socket is by default.
pub const DEFAULT_SOCKET: &str = "/run/afc/afc.sock";
/// Bytes of a request line, at most; a longer one is answered with an error.
pub const MAX_REQUEST_BYTES: usize = 4096;

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// The agent's view of the cluster.
    Status,
    /// What happened.
    Events {
        /// Only events with a greater id.
        #[serde(default)]
        after: u64,
        /// Go on with each new event until the client hangs up.
        #[serde(default)]
        follow: bool,
    },
    /// Every node's backups.
    Lists {
        /// Go on with each new version until the client hangs up.
        #[serde(default)]
        follow: bool,
    },
    /// Why each candidate of a service stands where it stands.
    Explain {
        /// The service.
        service: String,
    },
    /// Let a node take nothing over any more, and give away what it serves.
    Drain {
        /// The node.
        node: String,
    },
    /// Let it take over again.
    Undrain {
        /// The node.
        node: String,
    },
    /// Let a node take a service from its owner, without a gap.
    Move {
        /// The service.
        service: String,
        /// The node.
        node: String,
    },
}

/// What an operator asks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// To take services over.
    InService,
    /// To take nothing over, and to give away what it serves.
    Drained,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Events`].
    Events(EventBatch),
    /// To [`Request::Lists`].
    Lists(Box<ListMatrix>),
    /// To [`Request::Explain`].
    Explanation(Box<Explanation>),
    /// What was asked for is done; what that means.
    Done(String),
    /// The request was refused; why, and what to do.
    Error(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_documented_and_others_are_refused() {
        for (text, request) in [
            (r#"{"command":"status"}"#, Some(Request::Status)),
            (r#"{"command":"events","after":5}"#, Some(Request::Events { after: 5, follow: false })),
            (r#"{"command":"events","follow":true}"#, Some(Request::Events { after: 0, follow: true })),
            (r#"{"command":"events","since":5}"#, None),
            (r#"{"command":"events","after":-1}"#, None),
            (r#"{"command":"lists"}"#, Some(Request::Lists { follow: false })),
            (r#"{"command":"lists","follow":true}"#, Some(Request::Lists { follow: true })),
            (
                r#"{"command":"explain","service":"web-1"}"#,
                Some(Request::Explain { service: "web-1".to_owned() }),
            ),
            (r#"{"command":"explain"}"#, None),
            (r#"{"command":"drain","node":"n4"}"#, Some(Request::Drain { node: "n4".to_owned() })),
            (r#"{"command":"undrain","node":"n4"}"#, Some(Request::Undrain { node: "n4".to_owned() })),
            (
                r#"{"command":"move","service":"web-1","node":"n4"}"#,
                Some(Request::Move { service: "web-1".to_owned(), node: "n4".to_owned() }),
            ),
            (r#"{"command":"move","service":"web-1"}"#, None),
            (r#"{"command":"reboot"}"#, None),
            ("", None),
        ] {
            assert_eq!(serde_json::from_str(text).ok(), request, "{text}");
        }
    }
}
