//! What the controller counts: each datagram that it dropped by its reason, and its traffic.
//!
//! Names are those of the metrics and never change their meaning.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Counter { $($(#[$doc])* $variant,)+ }

        impl Counter {
            /// Every one, in a fixed order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in `status` and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

counters! {
    /// Datagrams sent.
    Sent = "controller_sent",
    /// Their bytes.
    SentBytes = "controller_sent_bytes",
    /// Datagrams that the socket did not take.
    SendFailed = "controller_send_failed",
    /// Datagrams that were accepted.
    Accepted = "controller_accepted",
    /// Own records sent again for want of an acknowledgement.
    Retransmitted = "controller_retransmitted",
    /// Own records that were refreshed without a change.
    Refreshed = "controller_refreshed",
    /// Digests that differed from a peer's.
    DigestDiffered = "controller_digest_differed",

    /// Dropped: shorter than any message, or longer than any.
    Size = "controller_size",
    /// Dropped: not `AFD1`.
    Magic = "controller_magic",
    /// Dropped: of another cluster.
    Cluster = "controller_cluster",
    /// Dropped: for another node's number.
    NotForUs = "controller_not_for_us",
    /// Dropped: in this node's own name.
    OwnName = "controller_own_name",
    /// Dropped: in the name of no node.
    Sender = "controller_sender",
    /// Dropped: not from the address of the node that it is said to be from.
    Address = "controller_address",
    /// Dropped: under a key id that is not live.
    Key = "controller_key",
    /// Dropped: forged, damaged, or under another secret.
    Seal = "controller_seal",
    /// Dropped: of an earlier life of this node, or of a session of the sender that it has not proven yet.
    Session = "controller_session",
    /// Dropped: seen before, or too old to tell.
    Replayed = "controller_replayed",
    /// Dropped: authentic, but no message of this version.
    Undecodable = "controller_undecodable",
    /// Dropped: a Hello beyond the rate at which one peer's are answered.
    HelloRate = "controller_hello_rate",
    /// Part of an accepted message ignored: a record that no node can truly give.
    Absurd = "controller_absurd",
    /// Part of an accepted message ignored: a record of a node that is not in the configuration.
    UnknownNode = "controller_unknown_node",
    /// Part of an accepted message ignored: a record as old as those that are removed.
    Aged = "controller_aged",
    /// A command not taken, because too many of its sender's are under way.
    CommandRefused = "controller_command_refused",
}

/// Counts, shared with whoever reads them.
#[derive(Debug)]
pub struct Counters([AtomicU64; Counter::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    /// How often.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }

    /// Every name and its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Counter::ALL.iter().map(|&counter| (counter.name(), self.get(counter)))
    }

    pub(super) fn add(&self, counter: Counter, count: u64) {
        self.0[counter as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }
}
