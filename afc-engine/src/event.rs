//! Everything that can happen to the engine.

use afc_ebpf::identity::{NodeId, OwnerWord, ServiceId};
use serde::{Deserialize, Serialize};

use super::{effect::Offer, message::Message, ranking::Ranking};

/// One input of the engine. Times in it are `CLOCK_BOOTTIME` nanoseconds of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// An authentic message for this node arrived.
    Received(Message),
    /// What the kernel heard of a node; handed in before each [`Event::Tick`].
    Heard(Heard),
    /// How long the kernel lets this node serve; handed in before each [`Event::Tick`] for each service held.
    Lease {
        /// The service.
        service: ServiceId,
        /// The kernel's holding, [`OwnerWord::NONE`] once the kernel has dropped it.
        word: OwnerWord,
        /// `lease_until` of that holding, ns.
        until_ns: u64,
    },
    /// The kernel adopted a higher owner word from an ANNOUNCE.
    Adopted {
        /// The service.
        service: ServiceId,
        /// The word now in the kernel's map.
        word: OwnerWord,
    },
    /// The floor of a service is safe on disk up to this counter.
    FloorReserved {
        /// The service.
        service: ServiceId,
        /// Epochs with a counter up to this one may be granted and held.
        counter: u32,
    },
    /// Whether this node may take services over changed: its resources.
    Available(bool),
    /// Whether this node was drained changed: its operator's word, which the runtime keeps across restarts.
    Drained(bool),
    /// The lists changed the order of a service's candidates.
    Ranked {
        /// The service.
        service: ServiceId,
        /// Its backups, best first; the home need not be among them.
        ranking: Ranking,
    },
    /// This node is ready to serve: it asks the owner to hand the service over.
    Take {
        /// The service.
        service: ServiceId,
        /// Only as long as its owner gives it away for this reason; without one, whoever owns it.
        offer: Option<Offer>,
    },
    /// The clock jumped, the machine was suspended, or a program is gone: in doubt, abort.
    Doubt {
        /// The session to go on with.
        session: u64,
    },
    /// Release everything and end.
    Stop,
    /// It is time to look at the clock.
    Tick,
}

/// What the kernel heard of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// The node.
    pub node: NodeId,
    /// Receive time of its last authentic message, 0 if none.
    pub heard_ns: u64,
    /// Receive time of its last REPLY, 0 if none.
    pub reply_ns: u64,
    /// Our clock when we sent the probe that this REPLY answered.
    pub reply_echo_ns: u64,
}
