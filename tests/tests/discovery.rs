//! Discovery: what happens to one node is soon in the lists of all, also when the network loses what the controllers say,
//! and strangers change nothing. Needs root.
//!
//! `AFC_CHANGES` is the number of changes while packets are lost.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

#[path = "discovery/stranger.rs"]
mod stranger;

use std::{io::Write, time::Duration};

use afc_lab::{
    Followers, Lab, LabSpec,
    clock::{between, boot_ns},
    fault::Loss,
    hold_for,
    lists::{has_reason, state},
    report::Distribution,
    spread::Spread,
    wait_for,
};
use serde_json::Value;

/// For an agent's start, on a machine that is busy with other things.
const SOON: Duration = Duration::from_secs(20);
/// Where the cluster controllers listen.
const PORT: u16 = 7948;
/// The nodes and what their states are in a cluster that is well.
const WELL: [(&str, &str); 5] =
    [("n1", "N(serving)"), ("n2", "N(serving)"), ("n3", "N(serving)"), ("n4", "A"), ("n5", "A")];
/// The promises of issue 3: the median of a change's way to another node,
const MEDIAN: Duration = Duration::from_millis(20);
/// and the longest while three of ten packets are lost.
const LONGEST: Duration = Duration::from_secs(5);
/// Changes for the median; and, short of `AFC_CHANGES`, while packets are lost.
const CHANGES: usize = 48;
const CHANGES_UNDER_LOSS: usize = 20;
/// How long a death must last without a word to the contrary.
const STEADY: Duration = Duration::from_secs(2);

/// A lab and who follows its lists, who go first.
struct Watched {
    followers: Followers,
    lab: Lab,
}

impl Watched {
    /// Five nodes that know each other.
    fn start() -> Self {
        let lab = Lab::new(LabSpec::five_nodes()).unwrap();
        lab.start_agents().unwrap();
        lab.wait_for_homes(SOON).unwrap();
        lab.wait_until_whole(SOON).unwrap();
        let watched = Self { followers: lab.follow_all_lists().unwrap(), lab };
        watched.wait_until_well(&WELL);
        watched
    }

    /// Waits until every node's lists have these states.
    fn wait_until_well(&self, states: &[(&str, &str)]) {
        let is_well =
            |lists: &Value| states.iter().all(|(node, wanted)| state(lists, node).as_deref() == Some(wanted));
        let waited =
            wait_for("every node knows every other's state", SOON, || self.followers.all_say(is_well));
        waited.unwrap_or_else(|error| panic!("{error}: {:#?}", self.followers.latest()));
    }

    /// Does something to a node and waits until every node's lists say so.
    fn change(&self, change: Change) -> Spread {
        let Change { node, duty } = change;
        let since_ns = boot_ns();
        match duty {
            Duty::Drained => self.lab.drain(node).unwrap(),
            Duty::InService => self.lab.undrain(node).unwrap(),
        };
        let is_known = |lists: &Value| has_reason(lists, node, "drained") == (duty == Duty::Drained);
        let spread = || self.followers.spread(node, since_ns, is_known);
        wait_for(&format!("{change:?} is in every node's lists"), LONGEST * 2, || spread().is_some())
            .unwrap();
        spread().unwrap()
    }
}

/// What an operator does to a node, asked of itself.
#[derive(Clone, Copy, Debug)]
struct Change {
    node: &'static str,
    duty: Duty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    InService,
    Drained,
}

/// Changes of the passive nodes, which move nothing: each out of service and into it again, in turn.
fn changes(count: usize) -> impl Iterator<Item = Change> {
    let duties = [Duty::Drained, Duty::InService];
    let all = ["n4", "n5"].into_iter().flat_map(move |node| duties.map(|duty| Change { node, duty }));
    all.collect::<Vec<_>>().into_iter().cycle().take(count)
}

/// Past the test harness, which swallows what a passing test prints.
fn print(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").unwrap();
}

#[test]
fn a_change_of_state_reaches_every_other_node_in_under_20_ms_at_the_median() {
    let watched = Watched::start();
    let (mut delays, mut whole) = (Vec::new(), Vec::new());
    for change in changes(CHANGES) {
        let asked_ns = boot_ns();
        let spread = watched.change(change);
        delays.extend(spread.delays().into_values());
        whole.push(between(asked_ns, spread.complete_ns()));
    }
    let delays = Distribution::of(delays);
    print(&format!("\nfrom the origin's lists to another node's: {delays}"));
    print(&format!("from the command's start to the last node's: {}", Distribution::of(whole)));
    assert!(delays.median() < MEDIAN, "the median is {:?}", delays.median());
}

#[test]
fn with_30_percent_of_the_controllers_packets_lost_every_change_reaches_every_node_within_5_s() {
    let count = std::env::var("AFC_CHANGES").map_or(CHANGES_UNDER_LOSS, |count| count.parse().unwrap());
    let watched = Watched::start();
    watched.lab.lose_at_random(Loss { port: PORT, percent: 30 }).unwrap();
    let mut last = Vec::new();
    for change in changes(count) {
        last.extend(watched.change(change).delays().into_values().max());
    }
    let in_time = last.iter().filter(|delay| **delay < LONGEST).count();
    print(&format!("\nfrom the origin's lists to the last node's: {}", Distribution::of(last)));
    print(&format!("{in_time} of {count} changes reached every node within {LONGEST:?}"));
    print(&format!("packets lost on the way: {}", watched.lab.lost_at_random().unwrap()));
    assert_eq!(in_time, count);
    assert!(watched.lab.lost_at_random().unwrap() > count as u64, "too little was lost to show anything");
}

#[test]
fn a_backup_that_dies_is_dead_once_and_back_once() {
    let watched = Watched::start();
    let said_of_n4 = || {
        let events = watched.lab.events("n2").unwrap();
        let of_n4 =
            events.into_iter().filter(|event| event["kind"] == "availability" && event["node"] == "n4");
        of_n4.map(|event| event["reason"].clone()).collect::<Vec<_>>()
    };
    let before = said_of_n4().len();
    watched.lab.power_cut("n4").unwrap();
    let is_dead = |node: &&str| {
        let lists = watched.lab.lists(node);
        lists.is_ok_and(|lists| state(&lists, "n4").as_deref() == Some("N(dead)"))
    };
    let is_dead_to_all = || ["n1", "n2", "n3", "n5"].iter().all(is_dead);
    wait_for("n4 is dead to all others", SOON, is_dead_to_all).unwrap();
    hold_for("n4 is dead to all others", STEADY, is_dead_to_all).unwrap();
    watched.lab.power_on("n4").unwrap();
    watched.wait_until_well(&WELL);
    assert_eq!(said_of_n4()[before..], [Value::from("dead"), Value::Null]);
}
