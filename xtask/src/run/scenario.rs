//! The scenarios that `cargo xtask run` plays by itself.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use afc_lab::{
    LabSpec, Scene,
    clock::now_ns,
    report::{Report, millis},
    scene::Sight,
    spec::Role,
    wait_for,
};
use anyhow::{Result, bail, ensure};

use super::{
    signals,
    timeline::{Lack, Seen, Step, Timeline},
};

/// How long the cluster may take to settle after each step.
const SETTLE: Duration = Duration::from_secs(20);
/// Traffic that is watched after each step has settled.
const WATCH: Duration = Duration::from_secs(2);
/// The node that dies, and its service.
const VICTIM: &str = "n1";
const SERVICE: &str = "web-1";

/// Node 1 loses power, a passive node takes over; node 1 returns, nothing moves.
pub(super) fn play_kill(spec: LabSpec, rate_hz: u32, print: &mut dyn FnMut(&str)) -> Result<Timeline> {
    let started = Instant::now();
    let mut play =
        Play { scene: Scene::start(spec, rate_hz)?, started, timeline: Timeline::default(), print };
    let nodes = play.agents();
    (play.print)(&format!(
        "{:>8.3} s  the agents of {} run",
        started.elapsed().as_secs_f64(),
        nodes.join(", ")
    ));
    play.wait("every service is at home and every client is served", |scene| {
        scene.lab.is_everything_home() && scene.lab.is_whole() && scene.is_served()
    })?;

    play.step("every service is at home", |_| Ok(()))?;
    play.step("n1 loses power", |play| {
        let cut_ns = now_ns();
        play.scene.lab.power_cut(VICTIM)?;
        let since = cut_ns..u64::MAX;
        play.wait("a passive node serves web-1", |scene| {
            scene.is_service_up(SERVICE)
                && scene.owners(SERVICE, &since).last().is_some_and(|owner| owner != VICTIM)
        })
    })?;
    let successor = play.successor()?;
    play.step("n1 returns", |play| {
        play.scene.lab.power_on(VICTIM)?;
        play.wait("n1 knows who serves web-1 and everybody hears n1", |scene| {
            let known = scene.lab.agreed_owner(SERVICE, &[VICTIM]);
            known.is_some_and(|owner| owner == successor) && scene.lab.is_whole()
        })
    })?;
    play.check_that_nothing_moved(&successor)?;
    Ok(play.timeline)
}

/// A scenario in progress. The lab goes when it is dropped.
struct Play<'a> {
    scene: Scene,
    started: Instant,
    timeline: Timeline,
    print: &'a mut dyn FnMut(&str),
}

impl Play<'_> {
    /// Does something, lets traffic run for a while, and notes what the clients saw from just before it.
    fn step(&mut self, event: &str, act: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let at = self.started.elapsed();
        let from_ns = now_ns();
        act(self)?;
        let until_ns = now_ns() + WATCH.as_nanos() as u64;
        self.wait("the traffic of a step", |_| now_ns() >= until_ns)?;
        let window = from_ns..now_ns();
        let services = self.scene.lab.spec().services.iter();
        let services = services.map(|service| self.seen(&service.name, &window)).collect();
        let step = Step { at, event: event.to_owned(), services };
        step.lines().iter().for_each(|line| (self.print)(line));
        self.timeline.steps.push(step);
        Ok(())
    }

    /// Waits, unless somebody wants to go or an agent falls.
    fn wait(&self, what: &str, condition: impl Fn(&Scene) -> bool) -> Result<()> {
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

    /// The node that serves web-1 after the last step, which must be a passive one.
    fn successor(&mut self) -> Result<String> {
        let seen = self.last_of_the_service();
        let successor = seen.and_then(|seen| seen.owners.last()).cloned().unwrap_or_default();
        let gap = seen.map(|seen| millis(seen.gateway.gap.max(seen.direct.gap))).unwrap_or_default();
        let homes = self.scene.lab.spec().services.iter().any(|service| service.home == successor);
        if successor.is_empty() || homes {
            bail!("web-1 went to {successor:?}, which is no passive node");
        }
        (self.print)(&format!("{:12}{successor} took web-1 over; the longest UDP gap was {gap} ms", ""));
        Ok(successor)
    }

    /// With `preempt = false` a returning home takes nothing back.
    fn check_that_nothing_moved(&self, successor: &str) -> Result<()> {
        let owners = self.last_of_the_service().map(|seen| seen.owners.clone()).unwrap_or_default();
        if owners != [successor] {
            bail!("web-1 was to stay with {successor} when n1 returned, but was served by {owners:?}");
        }
        Ok(())
    }

    /// What the last step saw of web-1.
    fn last_of_the_service(&self) -> Option<&Seen> {
        self.timeline.steps.last()?.services.iter().find(|seen| seen.service == SERVICE)
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
