//! The scenario `figures`: the invention's figures 5 to 9, each from the nodes' own lists. Node 4 runs short of memory, says
//! so, the others learn it, node 1 dies, node 5 takes over. Then the same story with static lists, for comparison.

mod expected;
mod matrix;
mod record;
mod views;

use std::time::Duration;

use afc_lab::{
    Followers, LabSpec,
    clock::{boot_ns, now_ns},
    lists::has_reason,
    spec::ListMode,
};
use anyhow::{Context, Result};
use serde_json::Value;

use self::{
    expected::Figure,
    record::{Change, Record, Takeover},
    views::Views,
};
use super::{Verdict, scenario::Play};

/// The node that runs short of memory.
const SHORT: &str = "n4";
/// The node that dies, and its service.
const VICTIM: &str = "n1";
const SERVICE: &str = "web-1";
/// Every member; the others beside the one that runs short; those that see the victim die.
const MEMBERS: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
const OTHERS: [&str; 4] = ["n1", "n2", "n3", "n5"];
const SURVIVORS: [&str; 4] = ["n2", "n3", "n4", "n5"];
/// The node that takes over.
const SUCCESSOR: &str = "n5";

/// Plays both runs and says what is not as it must be.
pub(super) fn play(
    spec: &LabSpec,
    rate_hz: u32,
    budget: Duration,
    print: &mut dyn FnMut(&str),
) -> Result<Verdict> {
    let mut record = Record { figures: vec![], changes: vec![], takeovers: vec![], timelines: vec![] };
    print("with lists that adapt:");
    play_adaptive(spec.clone().with_lists(ListMode::Adaptive), rate_hz, &mut record, print)?;
    print("the same with static lists:");
    play_static(spec.clone().with_lists(ListMode::Static), rate_hz, &mut record, print)?;
    record.comparison().iter().for_each(|line| print(line));
    Ok(Verdict {
        json: record.to_json(budget),
        complaints: record.complaints(budget),
        praise: "all five figures are as expected, from every node's own lists".to_owned(),
    })
}

/// Figures 5 to 9.
fn play_adaptive(
    spec: LabSpec,
    rate_hz: u32,
    record: &mut Record,
    print: &mut dyn FnMut(&str),
) -> Result<()> {
    let mut play = Play::start(spec, rate_hz, print)?;
    let followers = play.scene.lab.follow_all_lists()?;
    let story = Story { followers: &followers };

    let five = play.step("every service is at home", |play| story.settle(play, expected::FIVE, &MEMBERS))?;
    note(&mut play, record, five);

    let change = play.step("n4 runs short of memory", |play| story.run_short(play))?;
    let had = followers.at(change.spread.origin_ns);
    note(&mut play, record, Views::of(expected::SIX, &[SHORT], &had));
    note(&mut play, record, Views::of(expected::SEVEN, &OTHERS, &had));
    let knew = followers.at(change.spread.complete_ns());
    note(&mut play, record, Views::of(expected::EIGHT, &MEMBERS, &knew));
    change.lines().iter().for_each(|line| play.say(line));
    record.changes.push(change);

    let (change, nine) = play.step("n1 loses power", |play| {
        let change = story.lose_victim(play)?;
        Ok((change, story.settle(play, expected::NINE, &SURVIVORS)?))
    })?;
    note(&mut play, record, nine);
    change.lines().iter().for_each(|line| play.say(line));
    record.changes.push(change);
    finish(play, ListMode::Adaptive, record)
}

/// The same without the figures: the lists stay as configured.
fn play_static(spec: LabSpec, rate_hz: u32, record: &mut Record, print: &mut dyn FnMut(&str)) -> Result<()> {
    let mut play = Play::start(spec, rate_hz, print)?;
    play.step("n4 runs short of memory", |play| {
        take_memory(play)?;
        play.wait("n4 says that it is short of memory", |scene| {
            scene.lab.lists(SHORT).is_ok_and(|lists| is_short(&lists))
        })
    })?;
    play.step("n1 loses power", |play| {
        play.scene.lab.power_cut(VICTIM)?;
        await_takeover(play)
    })?;
    finish(play, ListMode::Static, record)
}

/// What happens in the first run, with every node's lists followed.
struct Story<'a> {
    followers: &'a Followers,
}

impl Story<'_> {
    /// Waits until these nodes have a figure; what they have then.
    fn settle(&self, play: &Play, figure: Figure, nodes: &[&str]) -> Result<Views> {
        let views = || Views::of(figure, nodes, &self.followers.latest());
        self.wait(play, figure, nodes, || views().is_as_expected())?;
        Ok(views())
    }

    /// Takes node 4's memory and waits until every node knows.
    fn run_short(&self, play: &Play) -> Result<Change> {
        take_memory(play)?;
        let cause_ns = boot_ns();
        let spread = || self.followers.spread_to(&MEMBERS, SHORT, cause_ns, is_short);
        self.wait(play, expected::EIGHT, &MEMBERS, || spread().is_some())?;
        let spread = spread().context("what has spread stays so")?;
        Ok(Change { cause: "its memory was taken", cause_ns, spread })
    }

    /// Cuts node 1's power and waits until every other knows that node 5 serves and takes nothing more over.
    fn lose_victim(&self, play: &Play) -> Result<Change> {
        let cause_ns = boot_ns();
        play.scene.lab.power_cut(VICTIM)?;
        await_takeover(play)?;
        let is_serving = |lists: &Value| has_reason(lists, SUCCESSOR, "serving");
        let spread = || self.followers.spread_to(&SURVIVORS, SUCCESSOR, cause_ns, is_serving);
        self.wait(play, expected::NINE, &SURVIVORS, || spread().is_some())?;
        let spread = spread().context("what has spread stays so")?;
        Ok(Change { cause: "n1 lost power", cause_ns, spread })
    }

    /// Waits for something on the way to a figure; an error shows what these nodes have instead.
    fn wait(&self, play: &Play, figure: Figure, nodes: &[&str], condition: impl Fn() -> bool) -> Result<()> {
        let what = format!("{} come to figure {}", nodes.join(", "), figure.number);
        let shown = || Views::of(figure, nodes, &self.followers.latest()).lines().join("\n");
        play.wait(&what, |_| condition()).with_context(shown)
    }
}

/// Prints a figure and keeps it.
fn note(play: &mut Play, record: &mut Record, views: Views) {
    views.lines().iter().for_each(|line| play.say(line));
    record.figures.push(views);
}

/// Has a process of node 4 take nearly all of its memory.
fn take_memory(play: &Play) -> Result<()> {
    let lab = &play.scene.lab;
    let memory = lab.spec().memory.context("the nodes of this lab can run short of memory")?;
    lab.take_memory(SHORT, memory.shortage_mib())
}

fn is_short(lists: &Value) -> bool {
    has_reason(lists, SHORT, "memory")
}

/// Waits until another node serves web-1 for every client.
fn await_takeover(play: &Play) -> Result<()> {
    let since = now_ns()..u64::MAX;
    play.wait("a passive node serves web-1", |scene| {
        scene.is_service_up(SERVICE)
            && scene.owners(SERVICE, &since).last().is_some_and(|owner| owner != VICTIM)
    })
}

/// Notes who took web-1 over after the power cut, and at which price.
fn finish(play: Play, lists: ListMode, record: &mut Record) -> Result<()> {
    let lab = &play.scene.lab;
    let steps = play.timeline.steps.iter();
    let cut = steps.rev().find(|step| step.event == "n1 loses power").context("n1 has lost power")?;
    let seen = cut.services.iter().find(|seen| seen.service == SERVICE).context("web-1 was watched")?;
    let by = seen.owners.last().cloned().context("somebody serves web-1")?;
    record.takeovers.push(Takeover {
        lists,
        available_mib: lab.memory_available_mib(&by)?,
        threshold_mib: lab.spec().memory.context("the nodes can run short of memory")?.threshold_mib,
        by,
        gateway: seen.gateway.gap,
        direct: seen.direct.gap,
        http: seen.http,
    });
    record.timelines.push(play.timeline);
    Ok(())
}
