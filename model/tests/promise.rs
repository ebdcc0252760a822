//! The promise holds in every state that a model can reach. How many there are, and how long it took, is printed.
//!
//! `AFC_MODEL_LONG=1` looks at the large models too: tens of millions of states.

use afc_model::{
    search::{Found, search},
    shape::{Budget, FIVE, FOUR, MOVING, Nodes, Shape, THREE, TWO},
};

const SERVED: &str = "a claim is served";
const SERVED_AGAIN: &str = "a second counter is served";
const HANDED_OVER: &str = "what was handed over is served";
const WINDOW: &str = "a window is served";
const MOVED: &str = "every node is in the last generation";

/// Any of three nodes may claim, or ask.
const ALL: Nodes = Nodes::first(3);

/// A model, and what must be seen in it: a search that sees nothing happen proves nothing.
type Row = (Shape, &'static [&'static str]);

fn three(name: &'static str, budget: Budget) -> Shape {
    Shape { budget, ..Shape::of(name, THREE) }
}

fn moving(name: &'static str, budget: Budget) -> Shape {
    Shape { budget, ..Shape::of(name, MOVING) }.between(Nodes(0b1001))
}

fn small() -> Vec<Row> {
    use Budget as B;
    let (claim, claims) = (B::CLAIM, B::CLAIMS);
    let both = Budget { reboots: 1, releases: 2, handovers: 1, ..claims };
    vec![
        (
            Shape { budget: both, ..Shape::of("2 voters: 2 claims, reboot, 2 releases, handover", TWO) },
            &[HANDED_OVER],
        ),
        (three("3 voters: 2 claims", claims).between(ALL).fickle().electing(), &[SERVED_AGAIN]),
        (three("3 voters: 2 claims, release", B { releases: 1, ..claims }).between(ALL), &[SERVED_AGAIN]),
        (three("3 voters: 2 claims, reboot", B { reboots: 1, ..claims }), &[SERVED_AGAIN]),
        (three("3 voters: 2 claims, agent's death", B { kills: 1, ..claims }), &[SERVED_AGAIN]),
        (three("3 voters: claim, raise", B { raises: 1, ..claim }).fickle().electing(), &[SERVED_AGAIN]),
        (
            three("3 voters: claim, handover", B { handovers: 1, ..claim }).between(ALL).electing(),
            &[HANDED_OVER, WINDOW],
        ),
        (
            three("3 voters: claim, handover, L = 3", B { handovers: 1, ..claim }).with_lease(3, 3),
            &[HANDED_OVER, WINDOW],
        ),
        (
            three("3 voters: claim, handover, agent's death", B { kills: 1, handovers: 1, ..claim }),
            &[HANDED_OVER, WINDOW],
        ),
        (
            three("3 voters: claim, handover, reboot", B { reboots: 1, handovers: 1, ..claim }),
            &[HANDED_OVER, WINDOW],
        ),
        (three("3 voters, one slow: 2 claims", claims).drifting(Nodes(0b1)), &[SERVED_AGAIN]),
        (Shape { budget: claim, ..Shape::of("4 voters: claim", FOUR) }.electing(), &[SERVED]),
        (moving("one comes, one goes, L = 1: claim", claim).brief(), &[SERVED, MOVED]),
    ]
}

fn large() -> Vec<Row> {
    use Budget as B;
    let (claim, claims) = (B::CLAIM, B::CLAIMS);
    let four = |name, budget| Shape { budget, ..Shape::of(name, FOUR) };
    let five = |name, budget| Shape { budget, ..Shape::of(name, FIVE) };
    vec![
        (four("4 voters: 2 claims", claims), &[SERVED_AGAIN]),
        (three("3 voters: 2 claims, raise", B { raises: 1, ..claims }).electing(), &[SERVED_AGAIN]),
        (
            three("3 voters: claim, raise, reboot", B { raises: 1, reboots: 1, ..claim }).electing(),
            &[SERVED_AGAIN],
        ),
        (three("3 voters: claim, raise, agent's death", B { raises: 1, kills: 1, ..claim }), &[SERVED_AGAIN]),
        (
            three("3 voters: 3 claims, release", B { claims: 3, releases: 1, ..B::NONE }).between(ALL),
            &[SERVED_AGAIN],
        ),
        (
            three("3 voters: 2 claims, handover", B { handovers: 1, ..claims }).between(ALL).fickle(),
            &[SERVED_AGAIN, WINDOW],
        ),
        (
            three("3 voters, one slow: 2 claims, reboot", B { reboots: 1, ..claims }).drifting(Nodes(0b1)),
            &[SERVED_AGAIN],
        ),
        (
            three("3 voters, two slow: claim, handover", B { handovers: 1, ..claim }).drifting(Nodes(0b11)),
            &[HANDED_OVER],
        ),
        (
            four("4 voters, two slow: claim, handover", B { handovers: 1, ..claim }).drifting(Nodes(0b11)),
            &[HANDED_OVER],
        ),
        (
            three("3 voters: claim, 2 handovers, agent's death", B { kills: 1, handovers: 2, ..claim }),
            &[HANDED_OVER, WINDOW],
        ),
        (
            three("3 voters: 2 claims, reboot, agent's death", B { reboots: 1, kills: 1, ..claims }),
            &[SERVED_AGAIN],
        ),
        (
            three("3 voters: 2 claims, reboot, handover", B { reboots: 1, handovers: 1, ..claims }),
            &[SERVED_AGAIN, WINDOW],
        ),
        (
            three("3 voters: 2 claims, agent's death, handover", B { kills: 1, handovers: 1, ..claims }),
            &[SERVED_AGAIN, WINDOW],
        ),
        (
            three("3 voters: 3 claims, reboot, release", B { claims: 3, reboots: 1, releases: 1, ..B::NONE }),
            &[SERVED_AGAIN],
        ),
        (moving("one comes, one goes: claim", claim), &[SERVED, MOVED]),
        (moving("one comes, one goes, L = 1: 2 claims", claims).brief(), &[SERVED_AGAIN, MOVED]),
        (five("5 voters: 2 claims", claims), &[SERVED_AGAIN]),
        (five("5 voters: claim, handover", B { handovers: 1, ..claim }), &[HANDED_OVER, WINDOW]),
    ]
}

fn assert_kept((shape, sights): Row) -> Found {
    let found = search(shape);
    println!("{found}");
    if let Some(broken) = &found.broken {
        let steps: String = broken.steps.iter().map(|step| format!("\n  {step:?}")).collect();
        panic!("{found}{steps}");
    }
    for sight in sights {
        assert!(found.seen.contains(sight), "{}: never seen that {sight}", found.name);
    }
    found
}

#[test]
fn the_promise_holds_in_every_state_that_can_be_reached() {
    let is_long = std::env::var_os("AFC_MODEL_LONG").is_some_and(|value| value != "0");
    let rows = small().into_iter().chain(if is_long { large() } else { Vec::new() });
    let found: Vec<Found> = rows.map(assert_kept).collect();
    let states: usize = found.iter().map(|found| found.states).sum();
    let seconds: f64 = found.iter().map(|found| found.took.as_secs_f64()).sum();
    println!("{} models, {states} states, {seconds:.1} s", found.len());
}
