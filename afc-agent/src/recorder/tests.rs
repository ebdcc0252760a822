//! Recorder and writer together: a recording is whole, or says where it is not.

use std::sync::{Arc, Mutex};

use afc_ebpf::identity::{NodeId, ServiceId};
use afc_engine::{
    Engine, Restored, Role, Safety, ServiceSetup, Setup,
    recording::{Decoder, End, Line, Names, Played, Player, VERSION},
};
use tempfile::TempDir;

use super::*;

const MS: u64 = 1_000_000;
const LIMIT: u64 = 1 << 20;

fn header() -> Header {
    let everybody: Vec<_> = (1..=3).map(NodeId).collect();
    let service = ServiceSetup {
        id: ServiceId(1),
        home: NodeId(1),
        candidates: everybody.clone(),
        voters: everybody,
        preempt: false,
    };
    Header {
        version: VERSION,
        afc: "0.1.0".to_owned(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        names: Names::default(),
        setup: Setup {
            node: NodeId(1),
            role: Role::Member,
            safety: Safety::Quorum,
            session: 1,
            lease_ns: 25 * MS,
            interval_ns: 5 * MS,
            nodes: (1..=3).map(|node| (NodeId(node), Role::Member)).collect(),
            services: vec![service],
            capacity: 1,
            start_grace_ns: 0,
            seed: 1,
        },
        restored: Restored::default(),
    }
}

fn lines(path: &Path) -> Vec<Line> {
    let text = fs::read(path).unwrap();
    let mut decoder = Decoder::default();
    text.split_inclusive(|&byte| byte == b'\n').map(|line| decoder.decode(line).unwrap()).collect()
}

/// What was told of a recording.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn ear(&self) -> impl Fn(Incident) + Send + 'static {
        let told = Arc::clone(&self.0);
        move |incident| told.lock().unwrap().push(format!("{incident:?}"))
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Writes what a recorder with room for `items` was told by `record` before the writer began.
fn written_late(items: usize, record: impl FnOnce(&mut Recorder)) -> (Vec<Line>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recording");
    let (mut recorder, shared) = Recorder::with_room_for(items);
    record(&mut recorder);
    drop(recorder);
    let told = Told::default();
    Writer::new(fs::File::create(&path).unwrap(), LIMIT, shared, told.ear()).run(header());
    (lines(&path), told.all())
}

fn drop_of(service: u32) -> Effect {
    Effect::Drop { service: ServiceId(service) }
}

#[test]
fn what_an_engine_was_told_and_asked_for_replays_identically() {
    let dir: TempDir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recording");
    let told = Told::default();
    let (mut recorder, thread) = start(&path, LIMIT, header(), told.ear()).unwrap();
    let start_ns = 1_000 * MS;
    recorder.start(start_ns);
    let mut engine = Engine::new(header().setup, Restored::default(), start_ns);
    let carry_out = |engine: &mut Engine, recorder: &mut Recorder| {
        while let Some(effect) = engine.poll_effect() {
            recorder.effect(&effect);
        }
    };
    carry_out(&mut engine, &mut recorder);
    for round in 1..=200 {
        let at_ns = start_ns + round * 5 * MS;
        recorder.event(at_ns, &Event::Tick);
        engine.handle(Event::Tick, at_ns);
        carry_out(&mut engine, &mut recorder);
    }
    drop(recorder);
    thread.join().unwrap();
    let mut player = Player::new();
    let (mut steps, mut effects) = (0, 0);
    for line in lines(&path) {
        if let Played::Step(step) = player.play(line.to_text().as_bytes()).unwrap() {
            assert_eq!(step.difference, None);
            (steps, effects) = (steps + 1, effects + step.effects.len());
        }
    }
    assert_eq!(steps, 201);
    assert!(effects > 50, "{effects}");
    assert_eq!(lines(&path).pop(), Some(Line::End(End::Stopped)));
    assert_eq!(told.all(), [""; 0]);
}

#[test]
fn what_finds_no_room_is_a_gap_with_its_number() {
    // One place of the eight stays free: the start, an event and five effects fit.
    let (lines, told) = written_late(8, |recorder| {
        recorder.start(1);
        recorder.event(2, &Event::Tick);
        (0..9).for_each(|service| recorder.effect(&drop_of(service)));
        recorder.event(3, &Event::Tick);
    });
    // Four effects and an event found no room; what was kept of the step before is not all of it.
    let lost = 5 + 6;
    assert_eq!(
        lines[1..],
        [
            Line::Step(afc_engine::recording::Step { at_ns: 1, event: None, effects: vec![] }),
            Line::Gap { lost },
            Line::End(End::Stopped)
        ]
    );
    assert_eq!(told, [format!("Gap {{ lost: {lost} }}")]);
}

#[test]
fn behind_a_gap_no_effect_belongs_to_an_event_of_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recording");
    let (mut recorder, shared) = Recorder::with_room_for(4);
    recorder.start(1);
    recorder.effect(&drop_of(1));
    recorder.effect(&drop_of(2));
    // No room any more,
    recorder.event(2, &Event::Tick);
    // then room again: but this effect is of the event that is lost.
    let taken: Vec<_> = std::iter::from_fn(|| shared.queue.pop()).collect();
    recorder.effect(&drop_of(3));
    recorder.event(3, &Event::Stop);
    recorder.effect(&drop_of(4));
    let behind: Vec<_> = std::iter::from_fn(|| shared.queue.pop()).collect();
    assert_eq!(taken.len(), 3);
    assert_eq!(
        behind,
        [Item::Gap { lost: 2 }, Item::Event { at_ns: 3, event: Event::Stop }, Item::Effect(drop_of(4))]
    );
    drop(recorder);
    behind.into_iter().for_each(|item| shared.queue.push(item).unwrap());
    Writer::new(fs::File::create(&path).unwrap(), LIMIT, shared, Told::default().ear()).run(header());
    assert!(matches!(
        lines(&path)[..],
        [Line::Header(_), Line::Gap { lost: 2 }, Line::Step(_), Line::End(_)]
    ));
}

#[test]
fn at_its_size_limit_a_recording_ends_with_a_whole_line_and_the_agent_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recording");
    let told = Told::default();
    let (mut recorder, thread) = start(&path, 4096, header(), told.ear()).unwrap();
    recorder.start(1);
    for at_ns in 2..1000 {
        recorder.event(at_ns, &Event::Tick);
    }
    thread.join().unwrap();
    // Nobody takes it out any more, and nothing is counted as lost.
    for at_ns in 1000..200_000 {
        recorder.event(at_ns, &Event::Tick);
    }
    assert_eq!(recorder.lost, 0);
    let bytes = fs::metadata(&path).unwrap().len();
    assert!((4000..=4096).contains(&bytes), "{bytes}");
    assert_eq!(lines(&path).pop(), Some(Line::End(End::SizeLimit)));
    assert_eq!(told.all(), ["SizeLimit"]);
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_ends_the_recording() {
    let told = Told::default();
    let (mut recorder, shared) = Recorder::with_room_for(8);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    recorder.start(1);
    drop(recorder);
    Writer::new(full, LIMIT, Arc::clone(&shared), told.ear()).run(header());
    assert!(shared.is_closed.load(Ordering::Relaxed));
    let [incident] = &told.all()[..] else { panic!("{:?}", told.all()) };
    assert!(incident.starts_with("Failed(") && incident.contains("28"), "{incident}");
}

#[test]
fn the_recording_of_the_agent_before_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recording");
    for _ in 0..3 {
        let (mut recorder, thread) = start(&path, LIMIT, header(), drop).unwrap();
        recorder.start(1);
        drop(recorder);
        thread.join().unwrap();
    }
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["recording", "recording.old"]);
    assert_eq!(lines(&path), lines(&dir.path().join("recording.old")));
    assert!(start(&dir.path().join("none/recording"), LIMIT, header(), drop).is_err());
}
