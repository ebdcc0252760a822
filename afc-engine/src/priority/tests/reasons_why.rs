//! Each backup's place is explained by what put it there.

use afc_ebpf::identity::{NodeId, ServiceId};

use super::{super::*, properties::for_each_cluster};
use crate::availability::UnavailableReason;

/// The service of a home: of a lower home the greater number, so that neither is taken for the other.
fn of(home: u16) -> ServiceId {
    ServiceId(10 - u32::from(home))
}

fn cluster(nodes: &[(u16, Reasons, Headroom)], services: &[(u16, &[u16])]) -> Inputs {
    let node = |&(id, reasons, headroom): &(u16, Reasons, Headroom)| NodeInput {
        id: NodeId(id),
        reasons,
        headroom,
        room: 1,
    };
    let service = |&(home, backups): &(u16, &[u16])| ServiceInput {
        id: of(home),
        home: NodeId(home),
        home_stands_ready: true,
        backups: backups.iter().map(|&id| NodeId(id)).collect(),
        owner: NodeId(home),
    };
    Inputs { nodes: nodes.iter().map(node).collect(), services: services.iter().map(service).collect() }
}

fn explained(inputs: &Inputs, home: u16) -> Vec<(u16, Why)> {
    let lists = lists(inputs);
    let backups = &lists.service(of(home)).unwrap().backups;
    backups.iter().map(|backup| (backup.node.0, backup.why)).collect()
}

const FREE: Reasons = Reasons::NONE;
const SHORT: Reasons = Reasons::NONE.with(UnavailableReason::Memory);

#[test]
fn a_short_and_a_tight_backup_fall_back_and_say_so() {
    let nodes = [(4, SHORT, Headroom::Ample), (5, FREE, Headroom::Tight), (6, FREE, Headroom::Ample)];
    let inputs = cluster(&nodes, &[(1, &[4, 5, 6])]);
    assert_eq!(
        explained(&inputs, 1),
        [(6, Why::AheadOfUnavailable), (5, Why::BehindTight), (4, Why::BehindUnavailable)]
    );
    let inputs = cluster(&nodes[1..], &[(1, &[5, 6])]);
    assert_eq!(explained(&inputs, 1), [(6, Why::AheadOfTight), (5, Why::BehindTight)]);
}

#[test]
fn of_two_services_that_want_one_backup_the_one_with_the_lower_home_keeps_it() {
    let nodes = [4, 5, 6].map(|id| (id, FREE, Headroom::Ample));
    let inputs = cluster(&nodes, &[(1, &[4, 5, 6]), (2, &[4, 5, 6])]);
    let as_configured = [4, 5, 6].map(|id| (id, Why::Preference));
    assert_eq!(explained(&inputs, 1), as_configured);
    assert_eq!(
        explained(&inputs, 2),
        [(5, Why::AheadOfSpread(of(1))), (4, Why::BehindSpread(of(1))), (6, Why::Preference)]
    );
}

#[test]
fn a_service_away_from_a_home_that_stands_ready_leaves_the_backups_to_others() {
    let nodes = [4, 5, 6].map(|id| (id, FREE, Headroom::Ample));
    let mut inputs = cluster(&nodes, &[(1, &[4, 5, 6]), (2, &[4, 5, 6])]);
    inputs.services[0].owner = NodeId(6);
    assert_eq!(explained(&inputs, 2)[0], (4, Why::Preference), "the home takes it back first");
    inputs.services[0].home_stands_ready = false;
    assert_eq!(explained(&inputs, 2)[0], (5, Why::AheadOfSpread(of(1))), "nobody takes it back");
}

#[test]
fn whoever_stands_in_the_configured_order_says_so_and_nobody_else() {
    for_each_cluster(5_000, |_, inputs| {
        let lists = lists(&inputs);
        for list in &lists.services {
            for (rank, at) in list.backups.iter().enumerate() {
                let (ahead, behind) = (&list.backups[..rank], &list.backups[rank + 1..]);
                let is_in_order = ahead.iter().all(|other| other.preference < at.preference)
                    && behind.iter().all(|other| other.preference > at.preference);
                assert_eq!(at.why == Why::Preference, is_in_order, "{at:?} of {list:?}");
                let ok = match at.why {
                    Why::Preference => true,
                    Why::AheadOfUnavailable => behind.iter().any(|other| !other.reasons.is_available()),
                    Why::AheadOfTight => behind.iter().any(|other| other.headroom == Headroom::Tight),
                    Why::BehindUnavailable => !at.reasons.is_available(),
                    Why::BehindTight => at.headroom == Headroom::Tight,
                    Why::AheadOfSpread(other) => rank == 0 && other != list.service,
                    Why::BehindSpread(other) => {
                        lists.service(other).and_then(ServiceList::primary).map(|primary| primary.node)
                            == Some(at.node)
                    }
                };
                assert!(ok, "{at:?} of {list:?}");
            }
        }
    });
}
