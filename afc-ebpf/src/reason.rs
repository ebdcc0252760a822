//! The one table of what can happen to a packet: each reason's action, counter index and name.
//!
//! A program ends in exactly one reason for each packet; the entry point counts it and returns its action.
//! Names are those of the metrics and never change their meaning.

/// What the kernel does with the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// On to the network stack (`XDP_PASS`; `TC_ACT_UNSPEC`, so that tc programs behind ours still see it).
    Pass,
    /// Discard (`XDP_DROP`, `TC_ACT_SHOT`).
    Drop,
    /// Back out of the interface it came from (`XDP_TX`).
    Transmit,
    /// Out of the interface that the device map was asked for (`XDP_REDIRECT`).
    Redirect,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal => $action:ident,)+) => {
        /// Why the kernel did what it did with a packet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            /// Every reason, in the order of its counter.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// What is done with the packet.
            #[inline(always)]
            pub const fn action(self) -> Action {
                match self { $(Self::$variant => Action::$action,)+ }
            }

            /// The name in `status`, events and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

reasons! {
    /// Neither a heartbeat nor for a virtual IP: untouched.
    NotOurs = "not_ours" => Pass,

    /// A PROBE, answered in place.
    ProbeAnswered = "probe_answered" => Transmit,
    /// A PROBE that does not know this node's session: answered, but it changed nothing.
    ProbeUnbound = "probe_unbound" => Transmit,
    /// A REPLY, recorded and given to the agent.
    ReplyRecorded = "reply_recorded" => Pass,
    /// An ANNOUNCE, adopted where it was higher, and given to the agent.
    AnnounceHeard = "announce_heard" => Pass,
    /// The HANDOVER that this node asked for: taken, and given to the agent.
    HandoverTaken = "handover_taken" => Pass,
    /// Another authentic message for the agent.
    MessageToAgent = "message_to_agent" => Pass,

    /// To the heartbeat port, but not 136 bytes of UDP payload, or cut short.
    HeartbeatSize = "heartbeat_size" => Drop,
    /// To the heartbeat port with IPv4 options.
    HeartbeatOptions = "heartbeat_options" => Drop,
    /// To the heartbeat port in fragments.
    HeartbeatFragment = "heartbeat_fragment" => Drop,
    /// To the heartbeat port under a VLAN tag.
    HeartbeatVlan = "heartbeat_vlan" => Drop,
    /// TTL below 255: it came through a router, or somebody pretends.
    HeartbeatTtl = "heartbeat_ttl" => Drop,
    /// Not `AFC1`.
    HeartbeatMagic = "heartbeat_magic" => Drop,
    /// A kind that this version does not know.
    HeartbeatKind = "heartbeat_kind" => Drop,
    /// Of another cluster.
    HeartbeatCluster = "heartbeat_cluster" => Drop,
    /// Of another membership generation.
    HeartbeatGeneration = "heartbeat_generation" => Drop,
    /// For another node's number.
    HeartbeatNotForUs = "heartbeat_not_for_us" => Drop,
    /// From a number that is no node's, or not from that node's address.
    HeartbeatSender = "heartbeat_sender" => Drop,
    /// Under a key id that is not live.
    HeartbeatKey = "heartbeat_key" => Drop,
    /// The tag is wrong.
    HeartbeatTag = "heartbeat_tag" => Drop,
    /// A sequence seen before, or too old.
    HeartbeatReplayed = "heartbeat_replayed" => Drop,
    /// A REPLY to no probe of the last second, or a second REPLY to one.
    ReplyStale = "reply_stale" => Drop,
    /// A PROBE while the agent is dead: the kernel must not speak for it.
    AgentDead = "agent_dead" => Drop,
    /// A heartbeat before the agent has set this node up.
    NotConfigured = "not_configured" => Pass,

    /// ARP for a virtual IP that this node serves: answered.
    ArpAnswered = "arp_answered" => Transmit,
    /// ARP for a virtual IP that this node may not serve.
    ArpNotOwner = "arp_not_owner" => Drop,
    /// ARP about a virtual IP that is not a question to this node (a gratuitous one, an answer, or the owner hears it
    /// itself): to the stack.
    ArpHeard = "arp_heard" => Pass,

    /// For a virtual IP that this node serves.
    VipServed = "vip_served" => Pass,
    /// For a virtual IP that this node asked for, sent on by its owner, which has let go then: the HANDOVER is about to come.
    VipHandedOver = "vip_handed_over" => Pass,
    /// For a virtual IP of another node: sent on, out of the same interface.
    VipRedirected = "vip_redirected" => Transmit,
    /// The same, out of another interface.
    VipRedirectedOut = "vip_redirected_out" => Redirect,
    /// For a virtual IP that this node owned until its lease ran out.
    VipFenced = "vip_fenced" => Drop,
    /// For a virtual IP that no node owns.
    VipUnowned = "vip_unowned" => Drop,
    /// For a virtual IP of another node, but it was sent on once already, or to everybody.
    VipLoop = "vip_loop" => Drop,
    /// For a virtual IP of a node whose link address is not known yet, or that is behind none of our interfaces.
    VipNoNeighbour = "vip_no_neighbour" => Drop,

    /// Leaving, from a virtual IP that this node serves.
    EgressServed = "egress_served" => Pass,
    /// Leaving, from a virtual IP that this node has just handed over: the answer to what it took before.
    EgressAnswered = "egress_answered" => Pass,
    /// Leaving: a HANDOVER. What it hands over was dropped in that moment.
    EgressHandover = "egress_handover" => Pass,
    /// Leaving: a HANDOVER of what is not held any more.
    EgressHandoverVoid = "egress_handover_void" => Drop,
    /// Leaving, from a virtual IP that this node may not serve: fenced.
    EgressFenced = "egress_fenced" => Drop,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_name() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }
}
