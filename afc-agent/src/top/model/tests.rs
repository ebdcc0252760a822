//! Samples in, what is known out.

use super::*;
use crate::{
    events::EventKind,
    top::example::{Cluster, FIVE, INTERVAL, event},
};

fn after(start: Instant, n: usize) -> Instant {
    start + INTERVAL * n as u32
}

#[test]
fn the_agent_is_lost_with_its_first_failure_and_back_with_its_next_answer() {
    let start = Instant::now();
    let mut model = FIVE.model(start, 1);
    assert_eq!(model.contact(start), Contact::Live);
    model.handle_failure("nobody listens".to_owned());
    let lasting = Duration::from_secs(3);
    assert_eq!(model.contact(start + lasting), Contact::Lost { lasting, why: "nobody listens".to_owned() });
    assert_eq!(model.status.services.len(), 3, "what was known last is kept");
    model.handle_sample(FIVE.sample(start + lasting, 1));
    assert_eq!(model.contact(start + lasting), Contact::Live);
}

#[test]
fn an_agent_that_neither_answers_nor_refuses_is_lost_after_a_while() {
    let start = Instant::now();
    let model = FIVE.model(start, 1);
    let patience = INTERVAL * 2 + PATIENCE;
    assert_eq!(model.contact(start + patience), Contact::Live);
    let lasting = patience + Duration::from_millis(1);
    let Contact::Lost { lasting: said, why } = model.contact(start + lasting) else {
        panic!("silence goes unnoticed")
    };
    assert_eq!((said, why.as_str()), (lasting, "it takes connections and says nothing"));
}

#[test]
fn round_trips_are_remembered_up_to_a_limit_and_forgotten_with_their_node() {
    let start = Instant::now();
    let mut model = FIVE.model(start, HISTORY + 7);
    let trend = model.trend("n2");
    assert_eq!(trend.len(), HISTORY);
    let newest = FIVE.sample(start, HISTORY + 6).status.nodes[1].rtt_us.map(|rtt| rtt.p50);
    assert_eq!(trend.last(), Some(&newest));
    assert!(model.trend("n1").iter().all(Option::is_none), "a dead node has no round trips");
    assert_eq!(model.trend("n9"), []);
    model.handle_sample(Cluster { services: 1, spares: 0 }.sample(start, 1));
    assert_eq!(model.trend("n2").len(), 0);
}

#[test]
fn a_lease_is_measured_against_the_longest_seen() {
    let start = Instant::now();
    let mut model = FIVE.model(start, 1);
    let mut lease_of = |remaining| {
        let mut sample = FIVE.sample(start, 1);
        sample.status.services[0].lease_remaining_ms = remaining;
        model.handle_sample(sample);
        model.lease_share("web-1", remaining.unwrap_or(0.0))
    };
    assert_eq!(lease_of(Some(12.0)), 0.5);
    assert_eq!(lease_of(Some(48.0)), 1.0);
    assert_eq!(lease_of(None), 0.0);
    assert_eq!(lease_of(Some(12.0)), 0.25);
    assert_eq!(lease_of(Some(0.0)), 0.0);
    assert_eq!(FIVE.model(start, 1).lease_share("unheard", 5.0), 1.0);
}

#[test]
fn events_go_on_and_the_oldest_go_when_there_are_too_many() {
    let start = Instant::now();
    let mut model = FIVE.model(start, 1);
    let known = model.events.len() as u64;
    let mut sample = FIVE.sample(start, 1);
    let more = known + 1..=known + events::CAPACITY as u64;
    sample.events.events = more.map(|id| event(id, EventKind::Alive, "x")).collect();
    model.handle_sample(sample);
    assert_eq!(model.events.len(), events::CAPACITY);
    assert_eq!(model.events.front().map(|event| event.id), Some(known + 1));
}

#[test]
fn lists_stay_until_there_are_new_ones() {
    let start = Instant::now();
    let mut model = FIVE.model(start, 3);
    assert_eq!(model.lists.as_ref().map(|lists| lists.nodes.len()), Some(5));
    let mut sample = FIVE.sample(start, 3);
    sample.lists = Cluster { services: 1, spares: 1 }.sample(start, 0).lists;
    model.handle_sample(sample);
    assert_eq!(model.lists.as_ref().map(|lists| lists.nodes.len()), Some(2));
}

#[test]
fn another_agent_begins_anew() {
    let start = Instant::now();
    let mut model = FIVE.model(start, 3);
    let mut sample = FIVE.sample(after(start, 3), 0);
    sample.status.session = "00000000deadbeef".to_owned();
    sample.status.counters.insert("probe_answered".to_owned(), 5);
    model.handle_sample(sample);
    assert_eq!(model.events.len(), 8, "it says all events again");
    let rate = model.rates.lately().into_iter().find(|rate| rate.name == "probe_answered").unwrap();
    assert_eq!((rate.total, rate.per_second), (5, None));
}

#[test]
fn counters_are_listed_by_their_speed_while_they_change_and_a_little_longer() {
    let start = Instant::now();
    let mut rates = Rates::default();
    assert_eq!(rates.lately(), []);
    let totals = |fast, slow, never| {
        let totals = [("fast", fast), ("slow", slow), ("never", never)];
        totals.map(|(name, total)| (name.to_owned(), total)).into()
    };
    rates.note(start, &totals(100, 7, 0));
    let names = |rates: &Rates| {
        rates.lately().into_iter().map(|rate| (rate.name, rate.per_second)).collect::<Vec<_>>()
    };
    let named = |name: &str, speed| (name.to_owned(), speed);
    assert_eq!(names(&rates), [named("fast", None), named("slow", None)]);
    rates.note(after(start, 1), &totals(200, 7, 0));
    assert_eq!(names(&rates), [named("fast", Some(200.0)), named("slow", Some(0.0))]);
    rates.note(after(start, 1), &totals(201, 7, 0));
    assert_eq!(names(&rates)[0], named("fast", Some(200.0)), "no time has passed");
    rates.note(start + Duration::from_secs(60), &totals(202, 7, 0));
    assert_eq!(names(&rates).len(), 1, "what did not change for long is left out");
    rates.note(start + Duration::from_secs(61), &totals(2, 8, 0));
    assert_eq!(names(&rates), [named("slow", Some(1.0)), named("fast", Some(0.0))], "never below zero");
}
