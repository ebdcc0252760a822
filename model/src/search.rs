//! The search, by stateright: breadth first, so that what it finds is short.

use std::{
    fmt,
    time::{Duration, Instant},
};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::{fair, promise, shape::Shape, state::State, step::Step};

/// Threads of a search.
const THREADS: usize = 2;

/// What a search saw.
#[derive(Debug)]
pub struct Found {
    /// The model's name.
    pub name: &'static str,
    /// Different states.
    pub states: usize,
    /// States on the longest way that was followed.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Which part of the promise was broken, and how.
    pub broken: Option<Broken>,
    /// Parts of the protocol that were seen at work.
    pub seen: Vec<&'static str>,
}

/// A way to a state in which the promise does not hold.
#[derive(Debug)]
pub struct Broken {
    /// Which part.
    pub promise: &'static str,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// Looks at every state of a model, or at all until one breaks the promise.
pub fn search(shape: Shape) -> Found {
    let started = Instant::now();
    let name = shape.name;
    let checker = shape
        .checker()
        .threads(THREADS)
        .finish_when(HasDiscoveries::AnyOf(PROMISES.iter().map(|(name, _)| *name).collect()))
        .spawn_bfs()
        .join();
    let discoveries = checker.discoveries();
    let broken = PROMISES.iter().find_map(|(promise, _)| {
        let path = discoveries.get(promise)?.clone();
        Some(Broken { promise, steps: path.into_actions() })
    });
    let seen = SIGHTS.iter().map(|(name, _)| *name).filter(|name| discoveries.contains_key(name)).collect();
    Found {
        name,
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: started.elapsed(),
        broken,
        seen,
    }
}

/// What holds of a state.
type Holds = fn(&Shape, &State) -> bool;

const PROMISES: [(&str, Holds); 5] = [
    ("at most one node serves", promise::has_at_most_one_server),
    ("no epoch has two owners", promise::has_one_owner_an_epoch),
    ("epochs served never go back", promise::has_no_way_back),
    ("nothing is served past its lease", promise::has_guarded_leases),
    ("a connected majority elects", |shape, state| !shape.must_elect || fair::elects(shape, state)),
];

const SIGHTS: [(&str, Holds); 5] = [
    ("a claim is served", |shape, state| !promise::servers(shape, state).is_empty()),
    ("a second counter is served", |_, state| state.highest_served.counter() > 1),
    ("what was handed over is served", |_, state| state.highest_served.hop() > 0),
    ("a window is served", |shape, state| {
        promise::servers(shape, state).iter().any(|place| {
            let node = &state.nodes[place];
            node.held.is_on_window(place, shape, node.voters(shape))
        })
    }),
    ("every node is in the last generation", |shape, state| {
        shape.nodes().iter().all(|place| {
            usize::from(state.nodes[place].generation) + 1 == shape.generations.len()
                && shape.generations.len() > 1
        })
    }),
];

impl Model for Shape {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        state.steps(self, actions);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        state.after(step, self)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let promises = PROMISES.iter().map(|(name, holds)| Property::<Self>::always(name, *holds));
        let sights = SIGHTS.iter().map(|(name, holds)| Property::<Self>::sometimes(name, *holds));
        promises.chain(sights).collect()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(f, "{:<44} {:>10} states, {:>3} deep, {seconds:6.1} s", self.name, self.states, self.depth)?;
        match &self.broken {
            None => write!(f, ", the promise holds"),
            Some(broken) => write!(f, ", broken after {} steps: {}", broken.steps.len(), broken.promise),
        }
    }
}
