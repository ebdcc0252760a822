//! Everything the engine asks for. Effects are carried out in the order they are pulled, each before the next:
//! a drop is in the kernel before the grant behind it is on the wire (lease-model, "atomicity").

use afc_ebpf::{
    identity::{Epoch, NodeId, OwnerWord, ServiceId},
    layout::Record,
};
use serde::{Deserialize, Serialize};

use super::message::Message;

/// One output of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Send one message; the runtime fills in cluster, generation, sequence, `sent` and the tag.
    Send(Message),
    /// Let the kernel collect leases for this epoch with this node as owner.
    Hold {
        /// The service.
        service: ServiceId,
        /// The epoch claimed.
        epoch: Epoch,
        /// What becomes of the leases of the holding before.
        leases: Leases,
    },
    /// Drop the holding in the kernel, for good, and fence. Must be done when the effect returns.
    Drop {
        /// The service.
        service: ServiceId,
    },
    /// Raise the owner word that redirection and serving look at, never lower it, except to the same epoch without owner.
    Own {
        /// The service.
        service: ServiceId,
        /// The word.
        word: OwnerWord,
    },
    /// Keep the voter's record where it survives this process, before any effect behind it.
    Record {
        /// The service.
        service: ServiceId,
        /// The record.
        record: Record,
    },
    /// Make the floor safe on disk up to this counter, then say [`FloorReserved`](super::Event::FloorReserved).
    ReserveFloor {
        /// The service.
        service: ServiceId,
        /// The counter.
        counter: u32,
    },
    /// Send gratuitous ARP for every address of a service, once.
    GratuitousArp {
        /// The service.
        service: ServiceId,
    },
    /// Send this HANDOVER. In the moment in which it leaves, and in no case later, what it hands over is dropped for good and
    /// what still arrives is sent on: no packet finds nobody, and none finds two.
    HandOver {
        /// The service.
        service: ServiceId,
        /// The next owner.
        next: OwnerWord,
        /// To the next owner.
        handover: Message,
    },
    /// Let the kernel take the service at the HANDOVER of exactly this word. [`Effect::Drop`] takes the question back.
    Ask {
        /// The service.
        service: ServiceId,
        /// What its owner holds.
        word: OwnerWord,
        /// Since when this node asks: what answers an earlier question is not taken.
        since_ns: u64,
    },
    /// The owner gives the service away, and it is this node's turn: make ready to serve it, then say
    /// [`Take`](super::Event::Take). Asked again each second until that comes about.
    Prepare {
        /// The service.
        service: ServiceId,
        /// Why.
        offer: Offer,
    },
    /// A state change to log, to count and to show.
    Report(Report),
    /// Everything is released after [`Stop`](super::Event::Stop).
    Stopped,
}

/// What becomes of the leases when an epoch is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Leases {
    /// A new claim starts without any.
    Fresh,
    /// The owner raised its own epoch: its leases carry over.
    CarriedOver,
    /// The owner before handed over what remained of its lease.
    HandedOver {
        /// Until when this node serves without a grant, ns.
        until_ns: u64,
    },
}

/// Why an owner gives a service away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Offer {
    /// Its node is drained.
    Drained,
    /// Its home is back and preempts.
    Preempted,
}

/// A state change of the engine, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// A node is suspected dead: enough probes were sent and none answered for `silence_ns`.
    Suspected {
        /// The node.
        node: NodeId,
        /// Since its last REPLY, ns.
        silence_ns: u64,
    },
    /// A suspected node answers again, or a node was heard for the first time.
    Alive {
        /// The node.
        node: NodeId,
    },
    /// This node asked a majority and claims.
    Claimed {
        /// The service.
        service: ServiceId,
        /// The epoch claimed.
        epoch: Epoch,
        /// Why.
        cause: Cause,
    },
    /// A majority granted; this node serves.
    Served {
        /// The service.
        service: ServiceId,
        /// The epoch.
        epoch: Epoch,
        /// The owner before, if one is known.
        previous: NodeId,
    },
    /// This node no longer holds the service.
    Dropped {
        /// The service.
        service: ServiceId,
        /// The epoch that was held.
        epoch: Epoch,
        /// Why.
        cause: DropCause,
    },
    /// Another node serves.
    OwnerChanged {
        /// The service.
        service: ServiceId,
        /// The word of the new owner.
        word: OwnerWord,
    },
    /// Two nodes announced one service.
    TwoAnnouncers {
        /// The service.
        service: ServiceId,
        /// The lower word.
        lower: OwnerWord,
        /// The higher word.
        higher: OwnerWord,
    },
    /// A voter refused this node.
    Refused {
        /// The service.
        service: ServiceId,
        /// The voter.
        by: NodeId,
        /// Why.
        refusal: super::message::Refusal,
    },
    /// The owner did not hand the service over in time.
    NotHandedOver {
        /// The service.
        service: ServiceId,
    },
}

/// Why a node claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cause {
    /// No owner since the start.
    NoOwner,
    /// The owner is suspected dead.
    OwnerSilent,
    /// The owner released it.
    Released,
    /// This owner must raise its epoch above what a voter has on record.
    RaiseEpoch,
    /// The home takes its service back.
    Preempt,
    /// The owner hands it over.
    Handover,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 6] =
        [Self::NoOwner, Self::OwnerSilent, Self::Released, Self::RaiseEpoch, Self::Preempt, Self::Handover];
}

/// Why a holding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DropCause {
    /// No majority for a lease; the kernel dropped it.
    Lapsed,
    /// A higher epoch became known.
    HigherEpoch,
    /// The claim found no majority.
    Refused,
    /// The agent was told to stop.
    Stopped,
    /// Another node asked for it and takes over without a gap.
    HandedOver,
    /// In doubt.
    Doubt,
}
