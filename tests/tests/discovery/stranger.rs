//! Strangers: a node with another key, and a host that sends the controllers whatever comes to its mind.

use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use afc_lab::{
    Lab, LabSpec,
    clock::{now_ns, sleep_until},
    hold_for,
    lists::state,
    wait_for,
};

use super::{Change, Duty, PORT, SOON, WELL, Watched};

/// How long the flood lasts, and its datagrams to each node in a millisecond.
const FLOOD: Duration = Duration::from_secs(2);
const PER_MS: u32 = 2;
/// Datagrams of the flood, by what they look like at first.
const SHAPES: usize = 3;
const MEMBERS: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

/// A process that is killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only if the process has ended and was waited for already, which is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The sum of a node's counters whose names begin so.
fn counted(lab: &Lab, node: &str, prefix: &str) -> u64 {
    let status = lab.status(node).unwrap();
    let counters = status["counters"].as_object().unwrap();
    let wanted = counters.iter().filter(|(name, _)| name.starts_with(prefix));
    wanted.filter_map(|(_, count)| count.as_u64()).sum()
}

/// A node's agent with the key of another cluster.
fn start_with_another_key(lab: &Lab, node: &str) -> Killed {
    lab.write_config(node).unwrap();
    let file = lab.config_file(node);
    let text = fs::read_to_string(&file).unwrap();
    let key = lab.directory().join("other.key");
    fs::write(&key, format!("{}\n", "ff".repeat(32))).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, text.replace("cluster.key", "other.key")).unwrap();
    let mut command = lab.agent_command(node).unwrap();
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Killed(quiet.spawn().unwrap())
}

#[test]
fn a_node_with_another_key_is_dead_to_the_others_which_go_on_and_count_it() {
    let lab = Lab::new(LabSpec::five_nodes()).unwrap();
    let others = ["n1", "n2", "n3", "n4", "gw"];
    others.iter().for_each(|node| lab.start_agent(node).unwrap());
    let stranger = start_with_another_key(&lab, "n5");
    lab.wait_for_homes(SOON).unwrap();
    let members = &others[..4];
    let says = |node: &str, about: &str, wanted: &str| {
        lab.lists(node).is_ok_and(|lists| state(&lists, about).as_deref() == Some(wanted))
    };
    wait_for("n5 is dead to the others", SOON, || members.iter().all(|node| says(node, "n5", "N(dead)")))
        .unwrap();
    lab.drain("n4").unwrap();
    wait_for("they still hear each other", SOON, || {
        members.iter().all(|node| says(node, "n4", "N(drained)"))
    })
    .unwrap();
    assert!(lab.is_everything_home());
    wait_for("what it sends is counted", SOON, || {
        members.iter().all(|node| counted(&lab, node, "controller_seal") > 0)
    })
    .unwrap();
    drop(stranger);
}

#[test]
fn a_flood_of_datagrams_from_a_stranger_changes_nothing_and_is_counted() {
    let watched = Watched::start();
    let lab = &watched.lab;
    let versions = || watched.followers.0.values().map(|follower| follower.count()).sum::<usize>();
    let (before, dropped) = (versions(), MEMBERS.map(|node| dropped(lab, node)));
    let socket = lab.outside().enter(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    let targets: Vec<_> = MEMBERS.iter().map(|node| (lab.spec().node(node).address(), PORT)).collect();
    let sent = thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&socket, &targets));
        hold_for("every service is at home", FLOOD, || lab.is_everything_home()).unwrap();
        flood.join().unwrap()
    });
    assert_eq!(versions(), before, "somebody's lists have changed: {:#?}", watched.followers.latest());
    watched.change(Change { node: "n4", duty: Duty::Drained });
    watched.change(Change { node: "n4", duty: Duty::InService });
    watched.wait_until_well(&WELL);
    for (node, before) in MEMBERS.iter().zip(dropped) {
        let counted = self::dropped(lab, node) - before;
        println!("{node} was sent {sent} datagrams and counts {counted} as dropped");
        // A full socket drops what the agent never sees.
        assert!(counted > sent / 2, "{node} counts {counted} of {sent}");
    }
}

/// What a node's controller has dropped as no message of a peer: by size, magic, cluster, addressee or sender.
fn dropped(lab: &Lab, node: &str) -> u64 {
    ["size", "magic", "cluster", "not_for_us", "own_name", "sender", "address", "key", "seal"]
        .iter()
        .map(|reason| counted(lab, node, &format!("controller_{reason}")))
        .sum()
}

/// Sends random datagrams to each target; how many each was sent.
fn flood(socket: &UdpSocket, targets: &[(std::net::Ipv4Addr, u16)]) -> u64 {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let end_ns = now_ns() + FLOOD.as_nanos() as u64;
    let mut sent = 0;
    while now_ns() < end_ns {
        for shape in 0..PER_MS as usize {
            let datagram = datagram(&mut random, (sent as usize + shape) % SHAPES);
            // One that can't be sent is lost like any other.
            targets.iter().for_each(|target| drop(socket.send_to(&datagram, target)));
        }
        sent += u64::from(PER_MS);
        sleep_until(now_ns() + 1_000_000);
    }
    sent
}

/// Noise; noise that begins like a message; noise that is too short or too long.
fn datagram(random: &mut u64, shape: usize) -> Vec<u8> {
    let mut next = || {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random
    };
    let length = match shape {
        0 | 1 => 100 + next() % 1000,
        _ => [next() % 64, 1201 + next() % 200][(next() % 2) as usize],
    };
    let mut bytes: Vec<u8> = (0..length).map(|_| next() as u8).collect();
    if shape == 1 {
        bytes[..4].copy_from_slice(b"AFD1");
    }
    bytes
}
