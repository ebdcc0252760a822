//! Tables of configurations: what each says, and on which line what is wrong with it.

mod bad;

use std::{path::Path, time::Duration};

use afc_ebpf::identity::NodeId;

use bad::{BAD, BAD_TAIL};

use super::*;

/// The commented example that ships with the package.
const EXAMPLE: &str = include_str!("../../../deploy/afc.toml");

/// Three members, one service. Tests append to it or replace lines of it.
const SMALL: &str = r#"[cluster]
name = "edge"
key_file = "cluster.key"
[heartbeat]
interval = "5ms"
timeout = "25ms"
[agent]
node = "n1"
interfaces = ["eth0"]
[[nodes]]
name = "n1"
id = 1
address = "10.0.0.1"
[[nodes]]
name = "n2"
id = 2
address = "10.0.0.2"
[[nodes]]
name = "n3"
id = 3
address = "10.0.0.3"
[[services]]
name = "web-1"
home = "n1"
addresses = ["10.0.0.101/24"]
"#;

fn check(text: &str) -> Checked {
    Config::check(Path::new("/etc/afc/afc.toml"), text, "host-1")
}

fn valid(text: &str) -> Config {
    let Checked { config, diagnostics, .. } = check(text);
    config.unwrap_or_else(|| panic!("{diagnostics}\nin\n{text}"))
}

fn errors(text: &str) -> Vec<String> {
    let Checked { config, diagnostics, .. } = check(text);
    let errors = diagnostics.only(Severity::Error);
    assert_eq!(config.is_none(), !errors.0.is_empty());
    errors.0.iter().map(ToString::to_string).collect()
}

#[test]
fn the_shipped_example_is_valid_and_says_every_setting() {
    let config = valid(EXAMPLE);
    assert_eq!(config.this_node().name, "n1");
    assert_eq!(config.heartbeat.timeout, Duration::from_millis(25));
    let memory = Threshold { enter: Amount::Bytes(512 << 20), leave: Amount::Bytes(640 << 20) };
    assert_eq!(config.thresholds.memory_available, Some(memory));
    assert_eq!(config.thresholds.cpu, Some(Threshold { enter: Ratio(0.85), leave: Ratio(0.75) }));
    assert_eq!(config.thresholds.iops, Some(Threshold { enter: 20_000, leave: 18_000 }));
    assert_eq!(config.thresholds.load, Some(Threshold { enter: 8.0, leave: 7.0 }));
    assert_eq!(config.services[0].candidates, [NodeId(1), NodeId(4), NodeId(5)]);
    assert_eq!(config.services[1].candidates, [NodeId(2), NodeId(4), NodeId(5)]);
    assert_eq!(config.services[0].voters.len(), 5);
    assert_eq!(config.services[0].tasks.check.as_ref().unwrap().fall, 3);
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = valid(SMALL);
    assert_eq!(config.cluster.key_file, Path::new("/etc/afc/cluster.key"));
    assert_eq!(config.cluster.safety, Safety::Quorum);
    assert_eq!(config.cluster.lists, ListMode::Adaptive);
    assert_eq!(config.agent.proc_root, Path::new("/proc"));
    assert_eq!(config.agent.cgroup, None);
    assert_eq!((config.agent.record, config.agent.record_limit_bytes), (None, 1 << 30));
    assert_eq!(config.thresholds.memory_available, None);
    assert_eq!(config.thresholds.lasting, Duration::from_secs(2));
    assert_eq!(config.thresholds.interval, Duration::from_millis(500));
    assert_eq!(config.heartbeat.port, 7947);
    assert_eq!(config.cluster.port, 7948);
    assert_eq!(config.agent.agent_timeout, Duration::from_secs(3));
    assert_eq!(config.agent.bpf_dir, Path::new("/sys/fs/bpf"));
    assert_eq!(config.services[0].candidates, [NodeId(1), NodeId(2), NodeId(3)]);
    let hosted = SMALL.replace("node = \"n1\"\n", "").replace("\"n2\"", "\"host-1\"");
    assert_eq!(valid(&hosted).agent.node, NodeId(2));
}

#[test]
fn without_a_value_to_leave_at_it_is_a_tenth_better() {
    let thresholds = |lines: &str| valid(&format!("{SMALL}[thresholds]\n{lines}")).thresholds;
    let found = thresholds("memory_available = \"1000B\"\ncpu = \"80%\"\niops = 1000\nload = 5");
    assert_eq!(found.memory_available.map(|memory| memory.leave), Some(Amount::Bytes(1100)));
    assert!(found.cpu.is_some_and(|cpu| (cpu.leave.0 - 0.72).abs() < 1e-9), "{found:?}");
    assert_eq!(found.iops.map(|iops| iops.leave), Some(900));
    assert_eq!(found.load.map(|load| load.leave), Some(4.5));
    for (enter, leave) in [(10.0, 0.11), (50.0, 0.55), (95.0, 0.955)] {
        let found = thresholds(&format!("memory_available = \"{enter}%\"")).memory_available.unwrap().leave;
        let Amount::Share(Ratio(found)) = found else { panic!("{found:?}") };
        assert!((found - leave).abs() < 1e-9, "{enter} % {found}");
    }
}

#[test]
fn lists_stay_as_configured_where_that_is_wanted() {
    let text = SMALL.replace("[heartbeat]", "lists = \"static\"\n[heartbeat]");
    assert_eq!(valid(&text).cluster.lists, ListMode::Static);
}

#[test]
fn what_this_version_does_not_act_on_is_noted_with_its_line() {
    let notes = check(EXAMPLE).diagnostics.only(Severity::Note);
    let settings: Vec<_> = notes.0.iter().map(|note| note.setting.as_str()).collect();
    let tasks = ["start", "stop", "check", "replay"].map(|key| format!("services[web-1].{key}"));
    assert_eq!(settings[..1], ["primary"]);
    assert_eq!(settings[1..], tasks);
    for note in &notes.0 {
        let line = EXAMPLE.lines().nth(note.line - 1).unwrap();
        let key = note.setting.rsplit('.').next().unwrap();
        assert!(line.contains(key), "{note} points at {line:?}");
    }
    assert!(notes.to_string().contains("note: primary: this version"));
}

#[test]
fn each_wrong_setting_is_reported_on_its_line_with_a_fix() {
    for &(from, to, line, message) in BAD {
        assert_eq!(SMALL.matches(from).count(), 1, "{from:?} is not one place of SMALL");
        let found = errors(&SMALL.replace(from, to));
        let wanted = format!("/etc/afc/afc.toml:{line}: {message}");
        assert!(found.iter().any(|error| error.starts_with(&wanted)), "{wanted}\nis not in {found:#?}");
    }
}

#[test]
fn each_wrong_addition_is_reported_on_its_line() {
    for &(tail, line, message) in BAD_TAIL {
        let found = errors(&format!("{SMALL}{tail}\n"));
        let wanted = format!("/etc/afc/afc.toml:{line}: {message}");
        assert!(found.iter().any(|error| error.starts_with(&wanted)), "{wanted}\nis not in {found:#?}");
    }
}

#[test]
fn all_errors_are_reported_at_once_by_line_and_without_consequences() {
    let text = SMALL
        .replace("\"25ms\"", "\"5ms\"")
        .replace("id = 3", "id = 0")
        .replace("\"eth0\"", "")
        .replace("home = \"n1\"", "home = \"n8\"\ncolour = \"red\"");
    let found = errors(&text);
    let lines: Vec<_> = found.iter().map(|error| error.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["6", "9", "20", "24", "25"], "{found:#?}");
}

#[test]
fn a_broken_line_does_not_hide_errors_on_others() {
    let text = SMALL.replace("interval = \"5ms\"", "interval = 5ms").replace("id = 3", "id = 0");
    let found = errors(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[1].contains(":20: nodes[n3].id"));
}

#[test]
fn an_empty_file_says_what_is_missing() {
    let found = errors("").join("\n");
    for setting in ["cluster.name", "cluster.key_file", "agent.interfaces", "nodes"] {
        assert!(found.contains(&format!("afc.toml:1: {setting}: is missing")), "{found}");
    }
}

#[test]
fn votes_must_suffice_for_the_promise() {
    let alone = SMALL.split("[[nodes]]").next().unwrap().to_owned()
        + "[[nodes]]\nname = \"n1\"\nid = 1\naddress = \"10.0.0.1\"\n";
    let witness = "[[nodes]]\nname = \"w\"\nid = 9\naddress = \"10.0.0.9\"\nrole = \"witness\"\n";
    let best_effort = |text: &str| text.replace("[heartbeat]", "safety = \"best-effort\"\n[heartbeat]");
    let two = format!(
        "{alone}{}",
        alone.split("[agent]").nth(1).unwrap().split("[[").nth(1).unwrap().replace(
            "nodes]]\nname = \"n1\"\nid = 1\naddress = \"10.0.0.1\"",
            "[[nodes]]\nname = \"n2\"\nid = 2\naddress = \"10.0.0.2\"",
        )
    );
    for (text, accepted) in [
        (alone.clone(), true),
        (best_effort(&alone), true),
        (two.clone(), false),
        (best_effort(&two), true),
        (format!("{two}{witness}"), true),
        (best_effort(&format!("{two}{witness}")), false),
        (format!("{alone}{witness}"), false),
    ] {
        assert_eq!(check(&text).config.is_some(), accepted, "{}\n{text}", check(&text).diagnostics);
    }
}

#[test]
fn too_many_services_and_addresses_are_refused() {
    let service = |n: usize, addresses: usize| {
        let list: Vec<_> =
            (0..addresses).map(|a| format!("\"10.{}.{}.{}/8\"", 1 + n / 200, n % 200, a + 1)).collect();
        format!("[[services]]\nname = \"s{n}\"\nhome = \"n1\"\naddresses = [{}]\n", list.join(", "))
    };
    let services = |count: usize, addresses| (0..count).map(|n| service(n, addresses)).collect::<String>();
    let base = SMALL.split("[[services]]").next().unwrap();
    assert_eq!(errors(&format!("{base}{}", services(1024, 4))), Vec::<String>::new());
    let found = errors(&format!("{base}{}", services(1025, 1)));
    assert!(
        found.iter().any(|error| error.contains("services[s1024]: the file has 1025 services")),
        "{found:?}"
    );
    let found = errors(&format!("{base}{}", services(1024, 5)));
    assert!(found[0].contains("services[s819].addresses: is one virtual IP too many"), "{found:?}");
}

#[test]
fn services_with_one_hash_on_the_wire_are_refused() {
    // The first two names of the form `s<number>` whose BLAKE3 hashes begin alike.
    let (a, b) = ("s11873", "s56253");
    assert_eq!(name_hash(a), name_hash(b));
    let text = SMALL.replace("web-1", a)
        + &format!("[[services]]\nname = \"{b}\"\nhome = \"n2\"\naddresses = [\"10.0.0.102/24\"]\n");
    let found = errors(&text);
    assert!(
        found[0].contains(&format!("name: has the same hash on the wire as {a} on line 23; rename")),
        "{found:?}"
    );
}

#[test]
fn a_service_that_nobody_takes_over_is_warned_of() {
    let checked = check(&format!("{SMALL}backups = []\n"));
    assert!(checked.config.is_some());
    let warnings = checked.diagnostics.only(Severity::Warning).to_string();
    assert!(
        warnings.starts_with("/etc/afc/afc.toml:26: warning: services[web-1].backups: there is none"),
        "{warnings}"
    );
}

#[test]
fn no_mutation_of_a_good_file_panics_or_passes_with_an_error() {
    let mut random = fastrand::Rng::with_seed(7);
    let tokens =
        ["[", "]", "\"", "=", "\n", "0", "-1", "nodes", "[[services]]", "{", "}", "'", "#", "\u{e9}", "."];
    for round in 0..4000 {
        let base = if round % 2 == 0 { SMALL } else { EXAMPLE };
        let mut text: Vec<char> = base.chars().collect();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(0..text.len().max(1));
            match random.u8(0..4) {
                _ if text.is_empty() => break,
                0 => drop(text.remove(at)),
                1 => drop(text.splice(at..at, random.choice(tokens).unwrap().chars()).count()),
                2 => text.truncate(at.max(1)),
                _ => text[at] = random.char('\0'..='\u{7f}'),
            }
        }
        let text: String = text.into_iter().collect();
        let checked = check(&text);
        assert_eq!(checked.config.is_some(), checked.diagnostics.count(Severity::Error) == 0, "{text}");
        let lines = text.lines().count().max(1) + 1;
        assert!(checked.diagnostics.0.iter().all(|finding| (1..=lines).contains(&finding.line)), "{text}");
    }
}
