//! One episode after the other: the faults strike, are mended, the cluster gets over it; then what the observer saw meanwhile
//! is judged.

use std::{collections::BTreeSet, net::Ipv4Addr, ops::Range, time::Duration};

use afc_lab::{
    LabSpec, Scene,
    clock::{between, now_ns},
    hold_for,
    observer::{Observer, Plan, ServiceGap},
    ownership::Phase,
    pulse::{Pulse, Stall},
    spec::{DiskSpec, MemorySpec, Timing},
    wait_for,
};
use anyhow::{Context, Result, ensure};

use crate::{
    bound::Bounds,
    dice::Dice,
    fault::{self, Effect, Fault, Kind, MEMBERS},
    report::Report,
    schedule::{Episode, Plot},
    timeline::{Hit, Timeline, Vacancy},
    verdict::Judged,
};

/// For a mended cluster to be whole and serve everything. The slowest way is an agent that starts anew on a machine that is
/// busy with other things.
const RECOVERY: Duration = Duration::from_secs(30);
/// Every client had an answer of every service in this time: then all are served.
const MOMENT: Duration = Duration::from_millis(100);
/// Between two questions of a client; and of the observer, to each node about each address.
const RATE_HZ: u32 = 500;
const ASK_PAUSE: Duration = Duration::from_micros(2500);
/// A client that waits for seven answers has a gap.
pub(crate) const GAP: Duration = Duration::from_millis(15);
/// What of the past is shown with an outage that nothing explains.
const LOOK_BACK_NS: u64 = 2_000_000_000;
/// Between two episodes, at most.
const PAUSE_MS: u64 = 300;

/// A lab under observation.
pub(crate) struct Campaign {
    pub(crate) scene: Scene,
    pub(crate) observer: Observer,
    pub(crate) report: Report,
    pulse: Pulse,
    bounds: Bounds,
    dice: Dice,
    start_ns: u64,
    /// Gaps that ended before this were judged.
    judged_until_ns: u64,
}

/// What happened in one episode.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) plot: Plot,
    pub(crate) faults: Vec<Fault>,
    pub(crate) gaps: Vec<Judged>,
    /// When processors stood still.
    pub(crate) stalls: Vec<Stall>,
    /// Changes of owner.
    pub(crate) moves: usize,
    /// From its first fault until the cluster was well.
    pub(crate) took: Duration,
}

impl Campaign {
    pub(crate) fn start(dice: Dice) -> Result<Self> {
        let timing = Timing { agent_timeout: Duration::from_secs(1), ..Timing::default() };
        let mut spec = LabSpec::five_nodes().with_timing(timing);
        spec.memory = Some(MemorySpec::default());
        spec.disk = Some(DiskSpec { total_mib: 16 });
        let scene = Scene::start_settled(spec, RATE_HZ)?;
        let observer =
            Observer::start(&scene.lab, Plan { pause: ASK_PAUSE, settle: timing.timeout, gap: GAP })?;
        wait_for("the observer sees every client served", RECOVERY, || observer.is_served(MOMENT))?;
        let now = now_ns();
        let bounds = Bounds::of(&timing);
        Ok(Self {
            scene,
            observer,
            report: Report::new(bounds),
            pulse: Pulse::start()?,
            bounds,
            dice,
            start_ns: now,
            judged_until_ns: now,
        })
    }

    /// How long it has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        between(self.start_ns, now_ns())
    }

    /// A new round of plots.
    pub(crate) fn round(&mut self) -> Vec<Plot> {
        crate::schedule::round(&mut self.dice)
    }

    /// Plays one plot to its end.
    ///
    /// # Errors
    /// When the cluster does not get over it, or the observer saw what must not be.
    pub(crate) fn play(&mut self, plot: Plot) -> Result<()> {
        let owners = self.owners_now();
        // While every backup serves, no failure has a candidate. A restart of one sends home what it serves.
        if let [backup, _, ..] = self.busy_backups(&owners)[..] {
            let restart = Fault::of(Kind::Restart, backup);
            let episode = Episode { faults: vec![(Duration::ZERO, restart)], hold: Duration::ZERO };
            self.play_episode(Plot::One(Kind::Restart), &episode)?;
        }
        let episode = plot.episode(&self.owners_now(), &mut self.dice);
        self.play_episode(plot, &episode)
    }

    fn play_episode(&mut self, plot: Plot, episode: &Episode) -> Result<()> {
        let began = self.elapsed();
        let from_ns = now_ns();
        let (mut timeline, faults) = self.strike_and_mend(episode).with_context(|| format!("{episode:?}"))?;
        let took = between(from_ns, now_ns());
        self.observer.catch_up()?;
        let stalls = self.pulse.stalls(&(self.judged_until_ns..now_ns()));
        // Half a lease without a processor can cost the other half, and an election: that is waited for anew.
        let are_long =
            stalls.iter().filter(|stall| stall.length() * 2 >= self.scene.lab.spec().timing.timeout);
        timeline.events.extend(are_long.map(|stall| stall.to_ns));
        let gaps = self.judge(&timeline);
        let moves = self.changes_since(from_ns);
        let outcome = Outcome { plot, faults, gaps, stalls, moves, took };
        println!("{:>8.1} s  {outcome}", began.as_secs_f64());
        self.show_unexplained(&outcome, &timeline);
        self.report.add(outcome);
        self.check()?;
        let pause = Duration::from_millis(self.dice.below(PAUSE_MS));
        hold_for("the agents run on", pause, || self.scene.lab.fallen().is_empty())
    }

    /// That all nodes agree at the end on who serves, and everything is served.
    pub(crate) fn check_end(&self) -> Result<()> {
        for service in &self.scene.lab.spec().services {
            let agreed = || self.scene.lab.agreed_owner(&service.name, &MEMBERS).is_some();
            wait_for("every agent agrees on an owner", RECOVERY, agreed)?;
        }
        wait_for("every client is served", RECOVERY, || self.scene.is_served()).map(drop)
    }

    fn strike_and_mend(&mut self, episode: &Episode) -> Result<(Timeline, Vec<Fault>)> {
        let mut timeline = Timeline::default();
        let mut struck = Vec::new();
        let mut hogs = Vec::new();
        for (pause, fault) in &episode.faults {
            hold_for("a pause", *pause, || true)?;
            if !fault.can_strike(&self.scene) {
                continue;
            }
            let from_ns = now_ns();
            // Until it is known better.
            let hit = |effect: Effect| Hit { effect, from_ns, to_ns: u64::MAX };
            timeline.hits.extend(fault.effects().into_iter().map(hit));
            hogs.extend(fault.strike(&self.scene).with_context(|| format!("{fault:?}"))?);
            struck.push(*fault);
            timeline.events.extend([from_ns, now_ns()]);
        }
        hold_for("the faults last", episode.hold, || true)?;
        drop(hogs);
        let fallen = self.scene.lab.fallen();
        ensure!(fallen.is_empty(), "the agents of {fallen:?} have ended by themselves");
        timeline.events.push(now_ns());
        fault::mend(&self.scene, &struck)?;
        timeline.events.push(now_ns());
        self.recover()?;
        let well_ns = now_ns();
        timeline.hits.iter_mut().for_each(|hit| hit.to_ns = well_ns);
        Ok((timeline, struck))
    }

    fn recover(&self) -> Result<()> {
        let (observer, lab) = (&self.observer, &self.scene.lab);
        wait_for("every client is served again", RECOVERY, || observer.is_served(MOMENT))?;
        wait_for("every agent hears every member again", RECOVERY, || lab.is_whole())?;
        wait_for("every client is still served", RECOVERY, || observer.is_served(MOMENT)).map(drop)
    }

    /// The gaps that were not judged yet.
    fn judge(&mut self, timeline: &Timeline) -> Vec<Judged> {
        let since_ns = std::mem::replace(&mut self.judged_until_ns, now_ns());
        let gaps = self.observer.gaps(since_ns);
        let services = &self.scene.lab.spec().services;
        let phases: Vec<(Ipv4Addr, Vec<Phase>)> =
            services.iter().map(|it| (it.address, self.observer.phases(it.address, 0))).collect();
        let judged = gaps.iter().filter_map(|found| {
            let service = services.iter().find(|service| service.address == found.address)?;
            // Who becomes an owner meanwhile has no more room for this one.
            let mut timeline = timeline.clone();
            let others = phases.iter().filter(|(address, _)| *address != found.address);
            timeline.events.extend(others.flat_map(|(_, phases)| phases.iter().map(|phase| phase.first_ns)));
            let edges = timeline.stretches(&(found.gap.from_ns..found.gap.to_ns));
            let at_each = |edge: &Range<u64>| (edge.start, self.occupied(&phases, found.address, edge.start));
            let occupied: Vec<_> = edges.iter().map(at_each).collect();
            let vacancy = |at_ns: u64| {
                let occupied = occupied.iter().rfind(|(from_ns, _)| *from_ns <= at_ns);
                Vacancy {
                    home: &service.home,
                    backups: &service.backups,
                    occupied: &occupied.expect("a stretch begins there").1,
                    competing: competing(&gaps, at_ns),
                }
            };
            Some(Judged::of((&service.name, found.client, found.gap), &timeline, vacancy))
        });
        judged.collect()
    }

    /// The backups that served another address at a time.
    fn occupied(&self, phases: &[(Ipv4Addr, Vec<Phase>)], but: Ipv4Addr, at_ns: u64) -> BTreeSet<String> {
        let spec = self.scene.lab.spec();
        let others = spec.services.iter().filter(|service| service.address != but);
        let serving = others.filter_map(|service| {
            let (_, phases) = phases.iter().find(|(address, _)| *address == service.address)?;
            let owner = phases.iter().rfind(|phase| phase.first_ns <= at_ns)?.node;
            let name = spec.name_of(owner)?;
            (name != service.home).then(|| name.to_owned())
        });
        serving.collect()
    }

    /// That the promise holds, and that the observer would have seen it if not.
    fn check(&self) -> Result<()> {
        for service in &self.scene.lab.spec().services {
            let overlaps = self.observer.overlaps(service.address);
            ensure!(overlaps.is_empty(), "{}: two nodes answered at once: {overlaps:#?}", service.name);
        }
        let lost = self.observer.tally().lost;
        ensure!(lost == 0, "the observer missed {lost} frames");
        Ok(())
    }

    /// All that is known of outages that nothing explains. The campaign goes on, and fails at its end.
    fn show_unexplained(&self, outcome: &Outcome, timeline: &Timeline) {
        for gap in outcome.gaps.iter().filter(|gap| gap.is_unexplained(&self.bounds)) {
            println!("UNEXPLAINED {gap:#?}\n{timeline:#?}\n{:#?}", outcome.stalls);
            for service in &self.scene.lab.spec().services {
                let since_ns = gap.gap.from_ns.saturating_sub(LOOK_BACK_NS);
                println!("{}: {:#?}", service.name, self.observer.phases(service.address, since_ns));
            }
            self.scene.lab.print_logs();
        }
    }

    fn owners_now(&self) -> Vec<&'static str> {
        let spec = self.scene.lab.spec();
        let owner = |address| self.observer.phases(address, 0).last().map(|phase| phase.node);
        let owners = spec.services.iter().filter_map(|service| spec.name_of(owner(service.address)?));
        owners.filter_map(|owner| MEMBERS.into_iter().find(|node| *node == owner)).collect()
    }

    /// The nodes that serve what is not their own, and nothing else.
    fn busy_backups(&self, owners: &[&'static str]) -> Vec<&'static str> {
        let spec = self.scene.lab.spec();
        let is_backup = |node: &&'static str| spec.services.iter().all(|service| service.home != **node);
        owners.iter().copied().filter(|node| is_backup(node)).collect()
    }

    fn changes_since(&self, since_ns: u64) -> usize {
        let services = self.scene.lab.spec().services.iter();
        let began = |phase: &&Phase| phase.first_ns >= since_ns;
        services
            .map(|service| self.observer.phases(service.address, since_ns).iter().filter(began).count())
            .sum()
    }
}

/// Services without an answer at a time.
fn competing(gaps: &[ServiceGap], at_ns: u64) -> usize {
    let open = gaps.iter().filter(|gap| (gap.gap.from_ns..gap.gap.to_ns).contains(&at_ns));
    open.map(|gap| gap.address).collect::<BTreeSet<_>>().len().max(1)
}
