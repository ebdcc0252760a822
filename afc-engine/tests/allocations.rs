//! The engine asks for no memory once it runs: the recorded events of real agents, from a takeover and from an owner that
//! was cut off, are handed in again, and every allocation of `handle`, `poll_effect` and `poll_timeout` is counted.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{fs, path::Path};

use afc_engine::{
    Engine, Event,
    recording::{Decoder, Header, Line},
};
use afc_gate::{
    Allowed, Gate,
    allocations::{Counting, allocated_by},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What one agent's engine was made of, and what it was handed.
struct Recorded {
    header: Box<Header>,
    started_ns: u64,
    events: Vec<(u64, Event)>,
}

impl Recorded {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/recording/fixtures").join(name);
        let mut decoder = Decoder::default();
        let (mut header, mut started_ns, mut events) = (None, 0, Vec::new());
        for line in fs::read_to_string(path).unwrap().split_inclusive('\n') {
            match decoder.decode(line.as_bytes()).unwrap() {
                Line::Header(first) => header = Some(first),
                Line::Step(step) => match step.event {
                    Some(event) => events.push((step.at_ns, event)),
                    None => started_ns = step.at_ns,
                },
                Line::Gap { .. } | Line::End(_) => {}
            }
        }
        Self { header: header.expect("a recording starts with its header"), started_ns, events }
    }

    /// Allocations of the engine on its way through.
    fn allocations(self) -> u64 {
        let Header { setup, restored, .. } = *self.header;
        let mut engine = Engine::new(setup, restored, self.started_ns);
        let mut effects = 0;
        let mut allocations = 0;
        for (at_ns, event) in self.events {
            let told = format!("{event:?}");
            let step = allocated_by(|| {
                engine.handle(event, at_ns);
                while engine.poll_effect().is_some() {
                    effects += 1;
                }
                engine.poll_timeout()
            });
            if step.allocations > 0 {
                println!("{} allocations at {told}", step.allocations);
            }
            allocations += step.allocations;
        }
        assert!(effects > 100, "the recording is one of an engine that did something");
        allocations
    }
}

#[test]
fn the_engine_allocates_nothing_through_a_takeover_and_a_cut() {
    Gate::new("allocations of the engine", Allowed::Nothing)
        .figure("takeover", Recorded::read("takeover.jsonl").allocations())
        .figure("isolated owner", Recorded::read("isolated-owner.jsonl").allocations())
        .check();
}

#[test]
fn what_is_counted_is_what_is_allocated() {
    let allocated = allocated_by(|| vec![1u8; 100]);
    assert_eq!((allocated.allocations, allocated.result.len()), (1, 100));
    assert_eq!(allocated_by(|| drop(allocated.result)).allocations, 0);
}
