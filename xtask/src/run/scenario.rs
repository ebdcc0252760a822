//! What the scenarios that `cargo xtask run` plays by itself have in common: a cluster at work, and steps that print what its
//! clients saw. Knows no story.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use afc_lab::{LabSpec, Scene, clock::now_ns, report::Report, scene::Sight, spec::Role, wait_for};
use anyhow::{Result, ensure};

use super::{
    signals,
    timeline::{Lack, Seen, Step, Timeline},
};

/// How long the cluster may take to settle after each step.
const SETTLE: Duration = Duration::from_secs(20);
/// Traffic that is watched after each step has settled.
const WATCH: Duration = Duration::from_secs(2);

/// A scenario in progress. The lab goes when it is dropped.
pub(super) struct Play<'a> {
    pub(super) scene: Scene,
    pub(super) timeline: Timeline,
    started: Instant,
    print: &'a mut dyn FnMut(&str),
}

impl<'a> Play<'a> {
    /// Brings a cluster up and waits until it is well.
    pub(super) fn start(spec: LabSpec, rate_hz: u32, print: &'a mut dyn FnMut(&str)) -> Result<Self> {
        let started = Instant::now();
        let scene = Scene::start(spec, rate_hz)?;
        let mut play = Self { scene, timeline: Timeline::default(), started, print };
        let agents = format!("the agents of {} run", play.agents().join(", "));
        play.say_now(&agents);
        play.wait("every service is at home and every client is served", |scene| {
            scene.lab.is_everything_home() && scene.lab.is_whole() && scene.is_served()
        })?;
        Ok(play)
    }

    /// Does something, lets traffic run for a while, and notes what the clients saw from just before it.
    pub(super) fn step<T>(&mut self, event: &str, act: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let at = self.started.elapsed();
        let from_ns = now_ns();
        let done = act(self)?;
        let until_ns = now_ns() + WATCH.as_nanos() as u64;
        self.wait("the traffic of a step", |_| now_ns() >= until_ns)?;
        let window = from_ns..now_ns();
        let services = self.scene.lab.spec().services.iter();
        let services = services.map(|service| self.seen(&service.name, &window)).collect();
        let step = Step { at, event: event.to_owned(), services };
        step.lines().iter().for_each(|line| (self.print)(line));
        self.timeline.steps.push(step);
        Ok(done)
    }

    /// Waits, unless somebody wants to go or an agent falls.
    pub(super) fn wait(&self, what: &str, condition: impl Fn(&Scene) -> bool) -> Result<()> {
        let lab = &self.scene.lab;
        let in_vain = || signals::asked() || !lab.fallen().is_empty();
        let waited = wait_for(what, SETTLE, || in_vain() || condition(&self.scene));
        signals::check()?;
        let fallen = lab.fallen();
        if waited.is_err() || !fallen.is_empty() {
            lab.print_logs();
        }
        ensure!(fallen.is_empty(), "the agents of {} have ended by themselves", fallen.join(", "));
        waited.map(drop)
    }

    /// Prints a line below a step.
    pub(super) fn say(&mut self, line: &str) {
        (self.print)(format!("{:12}{line}", "").trim_end());
    }

    /// Prints a line with the time.
    pub(super) fn say_now(&mut self, line: &str) {
        (self.print)(&format!("{:>8.3} s  {line}", self.started.elapsed().as_secs_f64()));
    }

    /// What the last step saw of a service.
    pub(super) fn last_seen(&self, service: &str) -> Option<&Seen> {
        self.timeline.steps.last()?.services.iter().find(|seen| seen.service == service)
    }

    /// What the clients saw of one service.
    fn seen(&self, service: &str, window: &Range<u64>) -> Seen {
        let owners = self.scene.owners(service, window);
        let Sight { gateway, direct, http, overlaps, phases: _ } = self.scene.sight(service, window);
        let lack =
            |report: &Report| Lack { gap: report.gap.duration(), sent: report.sent, lost: report.lost };
        Seen {
            service: service.to_owned(),
            owners,
            overlaps: overlaps.len(),
            gateway: lack(&gateway),
            direct: lack(&direct),
            http: http.duration(),
        }
    }

    /// The nodes that have an agent.
    fn agents(&self) -> Vec<String> {
        let role = |role| match role {
            Role::Member => "",
            Role::Witness => " (witness)",
            Role::Gateway => " (gateway)",
        };
        self.scene.lab.spec().nodes.iter().map(|node| format!("{}{}", node.name, role(node.role))).collect()
    }
}
