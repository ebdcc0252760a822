//! The cluster controller: how nodes learn of each other's states and utilisation (design.md section 3).
//!
//! ```text
//!   agent ── ClusterHandle ──► ClusterTask ──► Controller ──► records, window, peer
//!     ▲                          │  ▲              │
//!     └────── ClusterInbox ◄─────┘  └── UDP ◄──────┘ seal, wire
//! ```
//! [`Controller`] decides, and does no I/O; [`ClusterTask`] owns the socket and the clock. docs/discovery.md describes
//! the messages and why they are as they are.

pub mod assessment;
mod change;
mod controller;
mod counter;
mod peer;
mod pieces;
pub mod record;
mod records;
mod seal;
mod snapshot;
mod task;
#[cfg(test)]
mod tests;
mod window;
mod wire;

pub use change::{Change, Command, CommandError, IncomingCommand, ListsDigest, Outcome};
pub use controller::{Controller, LISTS_GRACE_NS, Output, Randomness, Setup, TooManyCommands};
pub use counter::{Counter, Counters};
pub use records::MAX_AGE_NS;
pub use snapshot::{BUCKET_BOUNDS_MS, Discovery, KnownRecord, LastChange, Snapshot};
pub use task::{BindError, ClusterHandle, ClusterInbox, ClusterTask};
pub use wire::{MAX_DATAGRAM_BYTES, Session};
