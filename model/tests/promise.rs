//! The promise holds in every state that a model can reach. How many there are, and how long it took, is printed.
//!
//! `AFC_MODEL_LONG=1` looks at the large models too: tens of millions of states, for an hour or so.

use afc_model::{
    search::{Found, search},
    shape::{Budget, Nodes, Shape},
};

const TWO: &[Nodes] = &[Nodes::first(2)];
const THREE: &[Nodes] = &[Nodes::first(3)];
const FOUR: &[Nodes] = &[Nodes::first(4)];
const FIVE: &[Nodes] = &[Nodes::first(5)];
/// A fourth node comes, then the first goes.
const MOVING: &[Nodes] = &[Nodes(0b0111), Nodes(0b1111), Nodes(0b1110)];

const NONE: Budget = Budget { claims: 0, reboots: 0, kills: 0, releases: 0, handovers: 0, raises: 0 };
const CLAIM: Budget = Budget { claims: 1, ..NONE };
const CLAIMS: Budget = Budget { claims: 2, ..NONE };

const SERVED: &str = "a claim is served";
const SERVED_AGAIN: &str = "a second claim is served";
const HANDED_OVER: &str = "what was handed over is served";
const MOVED: &str = "every node is in the last generation";

/// A model, and what must be seen in it: a search that sees nothing happen proves nothing.
type Row = (Shape, &'static [&'static str]);

fn small() -> Vec<Row> {
    let of = |name, voters, budget| Shape { budget, ..Shape::of(name, voters) };
    let electing = |shape| Shape { must_elect: true, ..shape };
    let moving = |shape| Shape { candidates: Nodes(0b1001), ..shape };
    let ab = Nodes(0b11);
    vec![
        (
            of(
                "2 voters: 2 claims, 2 reboots, 2 releases, handover",
                TWO,
                Budget { reboots: 2, releases: 2, handovers: 1, ..CLAIMS },
            ),
            &[SERVED, SERVED_AGAIN, HANDED_OVER],
        ),
        (electing(of("3 voters: 2 claims", THREE, CLAIMS)), &[SERVED, SERVED_AGAIN]),
        (
            of("3 voters: 3 claims, release", THREE, Budget { claims: 3, releases: 1, ..NONE }),
            &[SERVED_AGAIN],
        ),
        (
            of("3 voters: 2 claims, reboot, release", THREE, Budget { reboots: 1, releases: 1, ..CLAIMS }),
            &[SERVED_AGAIN],
        ),
        (of("3 voters: 2 claims, agent's death", THREE, Budget { kills: 1, ..CLAIMS }), &[SERVED_AGAIN]),
        (
            of("3 voters: 2 claims, handover", THREE, Budget { handovers: 1, ..CLAIMS }),
            &[SERVED_AGAIN, HANDED_OVER],
        ),
        (of("3 voters: claim, raise", THREE, Budget { raises: 1, ..CLAIM }), &[SERVED_AGAIN]),
        (
            electing(of(
                "3 voters: claim, handover, agent's death",
                THREE,
                Budget { kills: 1, handovers: 1, ..CLAIM },
            )),
            &[HANDED_OVER],
        ),
        (
            of("3 voters: claim, handover, reboot", THREE, Budget { reboots: 1, handovers: 1, ..CLAIM }),
            &[HANDED_OVER],
        ),
        (of("3 voters, one slow: 2 claims", THREE, CLAIMS).drifting(Nodes(0b1)), &[SERVED_AGAIN]),
        (
            of("3 voters, two slow: claim, handover", THREE, Budget { handovers: 1, ..CLAIM }).drifting(ab),
            &[HANDED_OVER],
        ),
        (electing(of("4 voters: claim", FOUR, CLAIM)), &[SERVED]),
        (moving(of("one comes, one goes, L = 1: claim", MOVING, CLAIM).brief()), &[SERVED, MOVED]),
    ]
}

fn large() -> Vec<Row> {
    let of = |name, voters, budget| Shape { budget, ..Shape::of(name, voters) };
    let moving = |shape| Shape { candidates: Nodes(0b1001), ..shape };
    vec![
        (of("4 voters: 2 claims", FOUR, CLAIMS), &[SERVED_AGAIN]),
        (of("3 voters: 2 claims, raise", THREE, Budget { raises: 1, ..CLAIMS }), &[SERVED_AGAIN]),
        (
            of("3 voters, one slow: 2 claims, reboot", THREE, Budget { reboots: 1, ..CLAIMS })
                .drifting(Nodes(0b1)),
            &[SERVED_AGAIN],
        ),
        (
            of("4 voters, two slow: claim, handover", FOUR, Budget { handovers: 1, ..CLAIM })
                .drifting(Nodes(0b11)),
            &[HANDED_OVER],
        ),
        (
            of(
                "3 voters: 3 claims, reboot, release",
                THREE,
                Budget { claims: 3, reboots: 1, releases: 1, ..NONE },
            ),
            &[SERVED_AGAIN],
        ),
        (
            of("3 voters: 2 claims, reboot, agent's death", THREE, Budget { reboots: 1, kills: 1, ..CLAIMS }),
            &[SERVED_AGAIN],
        ),
        (
            of("3 voters: 2 claims, reboot, handover", THREE, Budget { reboots: 1, handovers: 1, ..CLAIMS }),
            &[SERVED_AGAIN, HANDED_OVER],
        ),
        (
            of(
                "3 voters: 2 claims, agent's death, handover",
                THREE,
                Budget { kills: 1, handovers: 1, ..CLAIMS },
            ),
            &[SERVED_AGAIN, HANDED_OVER],
        ),
        (of("5 voters: 2 claims", FIVE, CLAIMS), &[SERVED_AGAIN]),
        (moving(of("one comes, one goes: claim", MOVING, CLAIM)), &[SERVED, MOVED]),
        (moving(of("one comes, one goes, L = 1: 2 claims", MOVING, CLAIMS).brief()), &[SERVED_AGAIN, MOVED]),
        (of("5 voters: claim, handover", FIVE, Budget { handovers: 1, ..CLAIM }), &[HANDED_OVER]),
        (
            of(
                "3 voters: 3 claims, reboot, release, handover",
                THREE,
                Budget { claims: 3, reboots: 1, releases: 1, handovers: 1, ..NONE },
            ),
            &[SERVED_AGAIN, HANDED_OVER],
        ),
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
