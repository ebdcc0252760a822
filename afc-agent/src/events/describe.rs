//! Turns what the engine reports into an event for people: numbers become names.

use afc_ebpf::identity::{Epoch, NodeId, OwnerWord, ServiceId};
use afc_engine::{
    effect::{Cause, DropCause, Offer, Report},
    message::Refusal,
};

use super::{EventKind, Happening};
use crate::config::Config;

/// What people call what the engine knows by number.
pub trait Naming {
    /// The node whose engine reports.
    fn this_node(&self) -> NodeId;

    /// A node's name; its number if it has none.
    fn node_name(&self, node: NodeId) -> String;

    /// A service's name; its number if it has none.
    fn service_name(&self, service: ServiceId) -> String;
}

impl Naming for Config {
    fn this_node(&self) -> NodeId {
        self.agent.node
    }

    fn node_name(&self, node: NodeId) -> String {
        Self::node_name(self, node)
    }

    fn service_name(&self, service: ServiceId) -> String {
        self.service(service).map_or_else(|| format!("#{:08x}", service.0), |known| known.name.clone())
    }
}

/// The event that tells of `report`.
pub fn describe(report: &Report, naming: &impl Naming) -> Happening {
    let names = Names(naming);
    match *report {
        Report::Suspected { node, silence_ns } => Happening {
            reason: Some("silent".to_owned()),
            ..names.of_node(EventKind::Suspected, node, |name| {
                format!("{name} is suspected dead: silent for {:.1} ms", silence_ns as f64 / 1e6)
            })
        },
        Report::Alive { node } => names.of_node(EventKind::Alive, node, |name| format!("{name} answers")),
        Report::Claimed { service, epoch, cause } => Happening {
            epoch: Some(epoch.counter()),
            reason: Some(cause_name(cause).to_owned()),
            ..names.of_service(EventKind::Claimed, service, |name| {
                format!("claiming {name} under {}: {}", names.epoch(epoch), cause_name(cause))
            })
        },
        Report::Served { service, epoch, previous } => Happening {
            epoch: Some(epoch.counter()),
            from: names.owner(previous),
            to: names.owner(naming.this_node()),
            ..names.of_service(EventKind::Served, service, |name| {
                let before = names
                    .owner(previous)
                    .map_or_else(String::new, |previous| format!(", before it {previous}"));
                format!("this node serves {name} under {}{before}", names.epoch(epoch))
            })
        },
        Report::Dropped { service, epoch, cause } => Happening {
            epoch: Some(epoch.counter()),
            from: names.owner(naming.this_node()),
            reason: Some(drop_cause_name(cause).to_owned()),
            ..names.of_service(EventKind::Dropped, service, |name| {
                format!("dropped {name} ({}): {}", names.epoch(epoch), drop_cause_name(cause))
            })
        },
        Report::OwnerChanged { service, word } => owner_changed(names, service, word),
        Report::TwoAnnouncers { service, lower, higher } => two_announcers(names, service, lower, higher),
        Report::Refused { service, by, refusal } => Happening {
            node: names.owner(by),
            reason: Some(refusal_name(refusal).to_owned()),
            ..names.of_service(EventKind::Refused, service, |name| {
                format!("{} refuses {name}: {}", naming.node_name(by), refusal_name(refusal))
            })
        },
        Report::NotHandedOver { service } => names.of_service(EventKind::NotHandedOver, service, |name| {
            format!("the owner of {name} did not hand it over")
        }),
    }
}

/// The name of why a node claims.
pub(crate) const fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::NoOwner => "no_owner",
        Cause::OwnerSilent => "owner_silent",
        Cause::Released => "released",
        Cause::RaiseEpoch => "raise_epoch",
        Cause::Preempt => "preempt",
        Cause::Handover => "handover",
    }
}

/// The name of why a holding ended.
pub(crate) const fn drop_cause_name(cause: DropCause) -> &'static str {
    match cause {
        DropCause::Lapsed => "lapsed",
        DropCause::HigherEpoch => "higher_epoch",
        DropCause::Refused => "refused",
        DropCause::Stopped => "stopped",
        DropCause::HandedOver => "handed_over",
        DropCause::Doubt => "doubt",
    }
}

/// Why an owner gives a service away, in words.
pub(crate) const fn offer_name(offer: Offer) -> &'static str {
    match offer {
        Offer::Drained => "its owner is drained",
        Offer::Preempted => "its home is back",
    }
}

/// The name of why a voter refuses.
pub(crate) const fn refusal_name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Quarantine => "quarantine",
        Refusal::BelowFloor => "below_floor",
        Refusal::BelowRecord => "below_record",
        Refusal::Guarded => "guarded",
        Refusal::Held => "held",
        Refusal::FloorPending => "floor_pending",
        Refusal::NotAVoter => "not_a_voter",
    }
}

fn owner_changed(names: Names<'_, impl Naming>, service: ServiceId, word: OwnerWord) -> Happening {
    Happening {
        epoch: Some(word.epoch().counter()),
        to: names.owner(word.owner()),
        ..names.of_service(EventKind::OwnerChanged, service, |name| match names.owner(word.owner()) {
            Some(owner) => format!("{owner} serves {name} under {}", names.epoch(word.epoch())),
            None => format!("nobody serves {name} any more ({})", names.epoch(word.epoch())),
        })
    }
}

fn two_announcers(
    names: Names<'_, impl Naming>,
    service: ServiceId,
    lower: OwnerWord,
    higher: OwnerWord,
) -> Happening {
    Happening {
        epoch: Some(higher.epoch().counter()),
        from: names.owner(lower.owner()),
        to: names.owner(higher.owner()),
        ..names.of_service(EventKind::TwoAnnouncers, service, |name| {
            let announcer = |word: OwnerWord| {
                let owner = names.owner(word.owner()).unwrap_or_else(|| "nobody".to_owned());
                format!("{owner} ({})", names.epoch(word.epoch()))
            };
            format!("two nodes announce {name}: {} and {}", announcer(lower), announcer(higher))
        })
    }
}

/// Names of what the engine knows by number.
struct Names<'n, N>(&'n N);

impl<N> Clone for Names<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for Names<'_, N> {}

impl<N: Naming> Names<'_, N> {
    fn owner(self, node: NodeId) -> Option<String> {
        node.is_some().then(|| self.0.node_name(node))
    }

    fn epoch(self, epoch: Epoch) -> String {
        let hop = if epoch.hop() == 0 { String::new() } else { format!("+{}", epoch.hop()) };
        format!("epoch {} of {}{hop}", epoch.counter(), self.0.node_name(epoch.claimer()))
    }

    fn of_node(self, kind: EventKind, node: NodeId, text: impl FnOnce(&str) -> String) -> Happening {
        let name = self.0.node_name(node);
        Happening { node: Some(name.clone()), ..Happening::new(kind, text(&name)) }
    }

    fn of_service(self, kind: EventKind, service: ServiceId, text: impl FnOnce(&str) -> String) -> Happening {
        let name = self.0.service_name(service);
        Happening { service: Some(name.clone()), ..Happening::new(kind, text(&name)) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::name_hash;

    #[test]
    fn reports_are_told_with_names() {
        let text = include_str!("../../../deploy/afc.toml");
        let config = Config::check(Path::new("afc.toml"), text, "").config.unwrap();
        let service = ServiceId(name_hash("web-2"));
        let epoch = Epoch::claim(7, NodeId(4));
        let table = [
            (
                Report::Suspected { node: NodeId(2), silence_ns: 25_500_000 },
                "n2 is suspected dead: silent for 25.5 ms",
            ),
            (Report::Alive { node: NodeId(99) }, "#99 answers"),
            (
                Report::Claimed { service, epoch, cause: Cause::OwnerSilent },
                "claiming web-2 under epoch 7 of n4: owner_silent",
            ),
            (
                Report::Served { service, epoch, previous: NodeId(2) },
                "this node serves web-2 under epoch 7 of n4, before it n2",
            ),
            (
                Report::Served { service, epoch, previous: NodeId::NONE },
                "this node serves web-2 under epoch 7 of n4",
            ),
            (
                Report::Dropped { service, epoch: epoch.next_hop().unwrap(), cause: DropCause::Lapsed },
                "dropped web-2 (epoch 7 of n4+1): lapsed",
            ),
            (
                Report::OwnerChanged { service, word: epoch.owned_by(NodeId(4)) },
                "n4 serves web-2 under epoch 7 of n4",
            ),
            (
                Report::OwnerChanged { service: ServiceId(5), word: epoch.owned_by(NodeId::NONE) },
                "nobody serves #00000005 any more (epoch 7 of n4)",
            ),
            (
                Report::Refused { service, by: NodeId(3), refusal: Refusal::Guarded },
                "n3 refuses web-2: guarded",
            ),
            (Report::NotHandedOver { service }, "the owner of web-2 did not hand it over"),
        ];
        for (report, text) in table {
            assert_eq!(describe(&report, &config).text, text);
        }
        let served = describe(&Report::Served { service, epoch, previous: NodeId(2) }, &config);
        assert_eq!((served.from.as_deref(), served.to.as_deref()), (Some("n2"), Some("n1")));
        assert_eq!((served.epoch, served.service.as_deref()), (Some(7), Some("web-2")));
    }
}
