//! Every rule of the protocol is needed: without it the search finds a way to break the promise. That is the test of the
//! test. `AFC_MODEL_LONG=1` leaves none out.

use afc_model::{
    rule::Rule,
    search::search,
    shape::{Budget, FIVE, FOUR, MOVING, Nodes, Shape, THREE},
};

/// Rules that are taken out together, and in which model that shows.
type Row = (&'static [Rule], Shape);

fn of(budget: Budget) -> Shape {
    Shape { budget, ..Shape::of("", THREE) }
}

fn leases() -> Vec<Row> {
    let claims = of(Budget::CLAIMS);
    let reboot = of(Budget { reboots: 1, ..Budget::CLAIMS });
    let death = of(Budget { kills: 1, ..Budget::CLAIMS });
    let release = of(Budget { claims: 3, releases: 1, ..Budget::NONE });
    vec![
        (&[Rule::Quarantine], reboot.clone()),
        (&[Rule::FullQuarantine], reboot.clone()),
        (&[Rule::FloorSurvives], reboot),
        (&[Rule::Floor], of(Budget { reboots: 2, ..Budget::CLAIMS })),
        (&[Rule::GuardCoversLease], claims.clone()),
        (&[Rule::GuardMargin], claims.clone().drifting(Nodes(0b1))),
        (&[Rule::EchoedClock], claims.clone()),
        (&[Rule::OwnRecord], claims.clone()),
        (&[Rule::DropBeforeVote], claims.clone()),
        (&[Rule::Majority], Shape { generations: FOUR, ..claims }),
        (&[Rule::ReleaseExact], release.clone()),
        (&[Rule::NeverAgain], release.clone()),
        (&[Rule::FreshLeases], release.clone()),
        (&[Rule::GrantMatchesEpoch], release),
        (&[Rule::KernelFirst], death.clone()),
        (&[Rule::RecordFirst], death.clone()),
        (&[Rule::RecordsAdopted], death),
        (&[Rule::RaiseMajority], of(Budget { raises: 1, ..Budget::CLAIMS })),
    ]
}

fn handovers() -> Vec<Row> {
    let handover = of(Budget { handovers: 1, ..Budget::CLAIMS });
    let one = of(Budget { handovers: 1, ..Budget::CLAIM });
    vec![
        (&[Rule::HandoverDrops], handover.clone()),
        (&[Rule::HandoverRecords], handover.clone()),
        (&[Rule::WindowFromAsk], handover.clone()),
        (&[Rule::HandoverEpoch], handover.clone()),
        (&[Rule::TransferExact], of(Budget { claims: 3, handovers: 1, ..Budget::NONE })),
        (&[Rule::TransferKeepsGuard], Shape { generations: FIVE, ..handover }),
        (&[Rule::HandoverOnce], of(Budget { handovers: 2, ..Budget::CLAIMS })),
        (&[Rule::HandoverSession], of(Budget { handovers: 2, reboots: 1, ..Budget::CLAIM })),
        (&[Rule::HandoverAnswers], of(Budget { handovers: 2, kills: 1, ..Budget::CLAIM })),
        (&[Rule::WindowMargin], Shape { generations: FOUR, ..one }.drifting(Nodes(0b11))),
    ]
}

fn membership() -> Vec<Row> {
    let moving = Shape { generations: MOVING, ..of(Budget::CLAIMS) }.between(Nodes(0b1001)).brief();
    vec![
        (&[Rule::OneGeneration], moving.clone()),
        (&[Rule::LeaseCarriesOver], moving.clone()),
        (&[Rule::GenerationAgreed], moving.clone()),
        (&[Rule::GenerationSettles], moving.clone()),
        (&[Rule::GenerationFloors], moving),
    ]
}

fn liveness() -> Vec<Row> {
    vec![(&[Rule::KernelLapses], of(Budget::CLAIMS).electing())]
}

/// Defence in depth: the first of each is needed only where the second fails.
fn in_depth() -> Vec<Row> {
    let handover = Budget { handovers: 1, ..Budget::CLAIM };
    let released = Budget { handovers: 1, releases: 1, ..Budget::CLAIMS };
    vec![
        // A record's epoch is never above the floor.
        (&[Rule::RecordedEpoch, Rule::Floor], of(Budget::CLAIMS)),
        // R/1.25 ends before R does, on any clock.
        (&[Rule::HandoverGuard, Rule::WindowMargin], of(handover).drifting(Nodes(0b11))),
        // A window that counts from the question ends before the guard of the asker's own vote does.
        (&[Rule::TakenBack, Rule::WindowFromAsk], of(Budget { handovers: 1, ..Budget::CLAIMS })),
        // What was held once is on the own record, released.
        (&[Rule::TakeAboveFloor, Rule::RecordedEpoch], of(released)),
        // Who lapsed is dropped by its own kernel.
        (&[Rule::Yields, Rule::KernelLapses], of(Budget::CLAIMS).electing()),
    ]
}

fn assert_broken((rules, shape): Row) {
    let found = search(shape.without(rules));
    println!("{rules:?}{found}");
    assert!(found.broken.is_some(), "the model does not need {rules:?}");
}

#[test]
fn without_any_one_rule_of_the_leases_the_promise_is_broken() {
    leases().into_iter().for_each(assert_broken);
}

#[test]
fn without_any_one_rule_of_the_handover_the_promise_is_broken() {
    handovers().into_iter().for_each(assert_broken);
}

#[test]
fn without_any_one_rule_of_the_membership_the_promise_is_broken() {
    membership().into_iter().for_each(assert_broken);
}

#[test]
fn without_a_rule_against_traps_a_majority_waits_for_ever() {
    liveness().into_iter().for_each(assert_broken);
}

#[test]
fn some_rules_are_needed_only_where_another_fails() {
    let is_long = std::env::var_os("AFC_MODEL_LONG").is_some_and(|value| value != "0");
    for (rules, shape) in in_depth() {
        // By far the largest of these models.
        if rules[0] == Rule::TakeAboveFloor && !is_long {
            continue;
        }
        let alone = search(shape.clone().without(&rules[..1]));
        println!("{:?}{alone}", &rules[..1]);
        assert!(alone.broken.is_none(), "{:?} is needed by itself: {alone}", rules[0]);
        assert_broken((rules, shape));
    }
}

#[test]
fn every_rule_is_taken_out_somewhere() {
    let rows = [leases(), handovers(), membership(), liveness(), in_depth()].concat();
    for rule in Rule::ALL {
        assert!(rows.iter().any(|(rules, _)| rules[0] == rule), "{rule:?}");
    }
}
