//! Every rule of the protocol is needed: without it the search finds a way to break the promise. That is the test of the
//! test.

use afc_model::{
    rule::Rule,
    search::search,
    shape::{Budget, Nodes, Shape},
};

const THREE: &[Nodes] = &[Nodes::first(3)];
const FOUR: &[Nodes] = &[Nodes::first(4)];
const FIVE: &[Nodes] = &[Nodes::first(5)];
/// A fourth node comes, then the first goes.
const MOVING: &[Nodes] = &[Nodes(0b0111), Nodes(0b1111), Nodes(0b1110)];

const NONE: Budget = Budget { claims: 0, reboots: 0, kills: 0, releases: 0, handovers: 0, raises: 0 };
const CLAIM: Budget = Budget { claims: 1, ..NONE };
const CLAIMS: Budget = Budget { claims: 2, ..NONE };

/// Rules that are taken out together, and in which model that shows.
type Row = (&'static [Rule], Shape);

fn of(budget: Budget) -> Shape {
    Shape { budget, ..Shape::of("", THREE) }
}

fn leases() -> Vec<Row> {
    let claims = of(CLAIMS);
    let reboot = of(Budget { reboots: 1, ..CLAIMS });
    let death = of(Budget { kills: 1, ..CLAIMS });
    let release = of(Budget { claims: 3, releases: 1, ..NONE });
    vec![
        (&[Rule::Quarantine], reboot.clone()),
        (&[Rule::FullQuarantine], Shape { quarantine: 1, ..reboot.clone() }),
        (&[Rule::FloorSurvives], reboot),
        (&[Rule::Floor], of(Budget { reboots: 2, ..CLAIMS })),
        (&[Rule::GuardCoversLease], Shape { guard: 1, ..claims.clone() }),
        (&[Rule::GuardMargin], Shape { slow: Nodes(0b1), ..claims.clone() }),
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
        (&[Rule::RaiseMajority], of(Budget { raises: 1, ..CLAIMS })),
    ]
}

fn handovers() -> Vec<Row> {
    let handover = of(Budget { handovers: 1, ..CLAIMS });
    let one = of(Budget { handovers: 1, ..CLAIM });
    vec![
        (&[Rule::HandoverDrops], handover.clone()),
        (&[Rule::HandoverRecords], handover.clone()),
        (&[Rule::WindowFromAsk], handover.clone()),
        (&[Rule::HandoverEpoch], handover.clone()),
        (&[Rule::TransferExact], of(Budget { claims: 3, handovers: 1, ..NONE })),
        (&[Rule::TransferKeepsGuard], Shape { generations: FIVE, ..handover }),
        (&[Rule::HandoverOnce], of(Budget { handovers: 2, ..CLAIMS })),
        (&[Rule::HandoverSession], of(Budget { handovers: 2, reboots: 1, ..CLAIM })),
        (&[Rule::HandoverAnswers], of(Budget { handovers: 1, kills: 1, ..CLAIM })),
        (&[Rule::WindowMargin], Shape { generations: FOUR, ..one }.drifting(Nodes(0b11))),
    ]
}

fn membership() -> Vec<Row> {
    let moving = Shape { generations: MOVING, candidates: Nodes(0b1001), ..of(CLAIMS).brief() };
    vec![
        (&[Rule::OneGeneration], moving.clone()),
        (&[Rule::LeaseCarriesOver], moving.clone()),
        (&[Rule::GenerationAgreed], moving.clone()),
        (&[Rule::GenerationSettles], moving.clone()),
        (&[Rule::GenerationFloors], moving),
    ]
}

fn liveness() -> Vec<Row> {
    vec![(&[Rule::KernelLapses], Shape { must_elect: true, ..of(CLAIMS) })]
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

/// Defence in depth: each of these is needed only where another rule fails.
#[test]
fn some_rules_are_needed_only_where_another_fails() {
    let (handover, released) =
        (Budget { handovers: 1, ..CLAIM }, Budget { handovers: 1, releases: 1, ..CLAIMS });
    let rows: Vec<Row> = vec![
        // A record's epoch is never above the floor.
        (&[Rule::RecordedEpoch, Rule::Floor], of(CLAIMS)),
        // R/1.25 ends before R does, on any clock.
        (&[Rule::HandoverGuard, Rule::WindowMargin], of(handover).drifting(Nodes(0b11))),
        // What was held once is on the own record, released.
        (&[Rule::TakeAboveFloor, Rule::RecordedEpoch], of(released)),
        // Who lapsed is dropped by its own kernel.
        (&[Rule::Yields, Rule::KernelLapses], Shape { must_elect: true, ..of(CLAIMS) }),
    ];
    for (rules, shape) in rows {
        let alone = search(shape.clone().without(&rules[..1]));
        println!("{:?}{alone}", &rules[..1]);
        assert!(alone.broken.is_none(), "{:?} is needed by itself: {alone}", rules[0]);
        assert_broken((rules, shape));
    }
}
