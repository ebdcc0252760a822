//! How often what happened since the agent started, for the metrics. Bounded by the nodes, services and reasons that there are.

use std::collections::{BTreeMap, BTreeSet};

use super::{EventKind, Happening};

/// Counts of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All events, by kind.
    pub kinds: BTreeMap<EventKind, u64>,
    /// Suspicions, by node.
    pub suspicions: BTreeMap<String, u64>,
    /// Suspicions after which the node answered again, by node.
    pub withdrawn: BTreeMap<String, u64>,
    /// Claims by this node, by service.
    pub claims: BTreeMap<String, u64>,
    /// Refusals of this node's claims, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Services that this node took over, by why it claimed them.
    pub failovers: BTreeMap<String, u64>,
    /// Changes of owner as this node saw them, by service.
    pub owner_changes: BTreeMap<String, u64>,
    suspected: BTreeSet<String>,
    /// Why this node claims, by service, until it serves or gives up.
    claiming: BTreeMap<String, String>,
}

impl Tally {
    /// Counts one event.
    pub(super) fn count(&mut self, happening: &Happening) {
        *self.kinds.entry(happening.kind).or_default() += 1;
        let Happening { kind, service, node, reason, .. } = happening;
        match kind {
            EventKind::Suspected => {
                add(&mut self.suspicions, node);
                self.suspected.extend(node.clone());
            }
            EventKind::Alive => {
                if node.as_ref().is_some_and(|node| self.suspected.remove(node)) {
                    add(&mut self.withdrawn, node);
                }
            }
            EventKind::Claimed => {
                add(&mut self.claims, service);
                self.claiming.extend(service.clone().zip(reason.clone()));
            }
            EventKind::Served => {
                let reason = service.as_ref().and_then(|service| self.claiming.remove(service));
                if reason.as_deref() != Some(RAISED) {
                    add(&mut self.failovers, &reason);
                    add(&mut self.owner_changes, service);
                }
            }
            EventKind::Dropped => {
                let _gave_up = service.as_ref().and_then(|service| self.claiming.remove(service));
            }
            EventKind::OwnerChanged => add(&mut self.owner_changes, service),
            EventKind::Refused => add(&mut self.refusals, reason),
            EventKind::Started
            | EventKind::Adopted
            | EventKind::Stopping
            | EventKind::TwoAnnouncers
            | EventKind::NotHandedOver
            | EventKind::Availability
            | EventKind::Lists
            | EventKind::Interface
            | EventKind::Doubt
            | EventKind::Fault
            | EventKind::Recovered
            | EventKind::Recording => {}
        }
    }
}

/// The reason of an owner that raises its own epoch: nothing moves.
const RAISED: &str = super::describe::cause_name(afc_engine::effect::Cause::RaiseEpoch);

fn add(counts: &mut BTreeMap<String, u64>, name: &Option<String>) {
    if let Some(name) = name {
        *counts.entry(name.clone()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(happenings: &[(EventKind, &str, &str)]) -> Tally {
        let mut tally = Tally::default();
        for (kind, about, reason) in happenings {
            let is_of_node = matches!(kind, EventKind::Suspected | EventKind::Alive);
            let about = Some((*about).to_owned());
            let (node, service) = if is_of_node { (about, None) } else { (None, about) };
            let reason = Some((*reason).to_owned());
            tally.count(&Happening { node, service, reason, ..Happening::new(*kind, "") });
        }
        tally
    }

    fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }

    #[test]
    fn a_suspicion_is_withdrawn_when_its_node_answers_again_and_a_first_answer_is_none() {
        use EventKind::{Alive, Suspected};
        let tally =
            tally(&[(Alive, "n2", ""), (Suspected, "n2", ""), (Suspected, "n3", ""), (Alive, "n2", "")]);
        assert_eq!(tally.suspicions, counts([("n2", 1), ("n3", 1)]));
        assert_eq!(tally.withdrawn, counts([("n2", 1)]));
        assert_eq!(tally.kinds, BTreeMap::from([(Suspected, 2), (Alive, 2)]));
    }

    #[test]
    fn a_failover_counts_under_the_reason_of_its_claim_and_an_epoch_raised_is_none() {
        use EventKind::{Claimed, Dropped, OwnerChanged, Refused, Served};
        let tally = tally(&[
            (Claimed, "web-1", "owner_silent"),
            (Served, "web-1", ""),
            (Claimed, "web-1", "raise_epoch"),
            (Served, "web-1", ""),
            (Claimed, "web-2", "released"),
            (Refused, "web-2", "guarded"),
            (Dropped, "web-2", "refused"),
            (OwnerChanged, "web-2", ""),
        ]);
        assert_eq!(tally.claims, counts([("web-1", 2), ("web-2", 1)]));
        assert_eq!(tally.failovers, counts([("owner_silent", 1)]));
        assert_eq!(tally.refusals, counts([("guarded", 1)]));
        assert_eq!(tally.owner_changes, counts([("web-1", 1), ("web-2", 1)]));
    }
}
