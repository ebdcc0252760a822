//! Random failures, one on top of another: whatever happens, no address is ever served by two nodes, and a cluster that is
//! mended serves everything again. Needs root.
//!
//! `AFC_CHAOS_SECONDS` makes it longer; `AFC_CHAOS_SEED` repeats a run that failed, as far as scheduling allows.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use afc_lab::{
    LabSpec, Scene, agent::Activity, clock::now_ns, fault::Direction, hold_for, spec::Timing, wait_for,
};

const SECONDS: u64 = 15;
/// For a mended cluster to serve everything again. The slowest way is an agent that starts anew.
const RECOVERY: Duration = Duration::from_secs(20);
const RATE: u32 = 1000;
const MEMBERS: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
const SERVICES: [&str; 3] = ["web-1", "web-2", "web-3"];

#[test]
fn under_random_failures_no_address_is_ever_served_by_two_nodes() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("AFC_CHAOS_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    let end_ns = number("AFC_CHAOS_SECONDS").unwrap_or(SECONDS) * 1_000_000_000;
    writeln!(std::io::stdout(), "\nAFC_CHAOS_SEED={seed}").unwrap();

    let timing = Timing { agent_timeout: Duration::from_secs(1), ..Timing::default() };
    let scene = Scene::start_settled(LabSpec::five_nodes().with_timing(timing), RATE).unwrap();
    let mut dice = Dice(seed.max(1));
    let start_ns = now_ns();
    while now_ns() - start_ns < end_ns {
        let failure = Failure::thrown(&mut dice);
        println!("{:>9.3} s  {failure:?}", (now_ns() - start_ns) as f64 / 1e9);
        failure.strike(&scene);
        let pause = Duration::from_millis(dice.below(600));
        hold_for("one owner at a time", pause, || is_one_owner_at_a_time(&scene)).unwrap();
    }
    mend(&scene);
    wait_for("every client is served again", RECOVERY, || scene.is_served()).unwrap();
    wait_for("every agent is heard again", RECOVERY, || scene.lab.is_whole()).unwrap();
    for service in SERVICES {
        let agreed = || scene.lab.agreed_owner(service, &MEMBERS).is_some();
        wait_for("every agent agrees on an owner", RECOVERY, agreed).unwrap();
        let sight = scene.sight(service, &(start_ns..now_ns()));
        println!(
            "{service}: {:?}, {} phases",
            scene.owners(service, &(start_ns..now_ns())),
            sight.phases.len()
        );
        assert_eq!(sight.overlaps, [], "{service}: {:?}", sight.phases);
    }
}

/// Looks at the last second; the end of the test looks at everything.
fn is_one_owner_at_a_time(scene: &Scene) -> bool {
    let now = now_ns();
    SERVICES.iter().all(|service| scene.sight(service, &(now - 1_000_000_000..now)).overlaps.is_empty())
}

/// Something that happens to the cluster.
#[derive(Clone, Copy, Debug)]
enum Failure {
    PowerCut(&'static str),
    PowerOn(&'static str),
    Cut(&'static str),
    Isolate(&'static str),
    Part(&'static str, &'static str),
    OneWay(&'static str, &'static str),
    HealWires,
    FreezeOrThaw(&'static str),
    KillOrStart(&'static str),
    StopOrStart(&'static str),
    Mend,
}

impl Failure {
    fn thrown(dice: &mut Dice) -> Self {
        let (one, two) = (dice.member(), dice.member());
        match dice.below(18) {
            0 | 1 => Self::PowerCut(one),
            2 | 3 => Self::PowerOn(one),
            4 => Self::Cut(one),
            5 => Self::Isolate(one),
            6 => Self::Part(one, two),
            7 => Self::OneWay(one, two),
            8 | 13 => Self::HealWires,
            9 => Self::FreezeOrThaw(one),
            10 | 11 => Self::KillOrStart(one),
            12 => Self::StopOrStart(one),
            _ => Self::Mend,
        }
    }

    fn strike(self, scene: &Scene) {
        let lab = &scene.lab;
        match self {
            Self::PowerCut(node) => lab.power_cut(node).unwrap(),
            Self::PowerOn(node) => lab.power_on(node).unwrap(),
            Self::Cut(node) => lab.cut(node).unwrap(),
            Self::Isolate(node) => lab.isolate(node).unwrap(),
            Self::Part(one, two) => lab.partition(&[one, two]).unwrap(),
            Self::OneWay(from, to) => lab.cut_one_way(Direction { from, to }).unwrap(),
            Self::HealWires => lab.heal().unwrap(),
            Self::FreezeOrThaw(node) => match lab.activity(node) {
                Some(Activity::Running) => lab.freeze(node).unwrap(),
                Some(Activity::Frozen) => lab.thaw(node).unwrap(),
                None => {}
            },
            Self::KillOrStart(node) => match lab.activity(node) {
                Some(Activity::Running | Activity::Frozen) => lab.kill9(node).unwrap(),
                None => lab.start_agent(node).unwrap(),
            },
            Self::StopOrStart(node) => match lab.activity(node) {
                Some(Activity::Running) => drop(lab.stop(node).unwrap()),
                Some(Activity::Frozen) => {}
                None => lab.start_agent(node).unwrap(),
            },
            Self::Mend => mend(scene),
        }
    }
}

/// Mends everything.
fn mend(scene: &Scene) {
    scene.lab.heal().unwrap();
    for node in MEMBERS {
        scene.lab.power_on(node).unwrap();
        match scene.lab.activity(node) {
            Some(Activity::Running) => {}
            Some(Activity::Frozen) => scene.lab.thaw(node).unwrap(),
            None => scene.lab.start_agent(node).unwrap(),
        }
    }
}

/// Xorshift: the same seed throws the same numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn member(&mut self) -> &'static str {
        MEMBERS[self.below(MEMBERS.len() as u64) as usize]
    }
}
