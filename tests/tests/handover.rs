//! Planned handover: a service goes to another node, and no client loses anything. Needs root.
//!
//! `AFC_MOVES` says how often.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{io::Write, time::Duration};

use afc_lab::{
    Lab, LabSpec, UdpClient, clock::now_ns, history::Packet, hold_for, ownership, spec::ServiceSpec,
    status::Expected, udp_client::Plan, wait_for, when_undisturbed,
};

const SOON: Duration = Duration::from_secs(20);
const MOVES: usize = 10;
/// Where the service goes, again and again.
const ROUND: [&str; 3] = ["n4", "n5", "n1"];
const EVERYBODY: [&str; 6] = ["n1", "n2", "n3", "n4", "n5", "gw"];
/// Packets before and after each move.
const STEADY: usize = 500;
/// Answers to the last packets may still be on their way.
const IN_FLIGHT_NS: u64 = 10_000_000;
/// A packet that was sent so long before another node's first answer was not lost by the handover.
const AROUND_NS: u64 = 100_000_000;

#[test]
fn a_move_loses_no_packet_of_a_5_khz_client() {
    when_undisturbed(|| {
        let moves = std::env::var("AFC_MOVES").map_or(MOVES, |moves| moves.parse().unwrap());
        let lab = Lab::new(LabSpec::five_nodes()).unwrap();
        let service = lab.spec().service("web-1").clone();
        let plan = Plan { targets: vec![service.address], rate_hz: 5000, memory: Duration::from_secs(30) };
        lab.start_agents().unwrap();
        lab.wait_for_homes(SOON).unwrap();
        lab.wait_until_whole(SOON).unwrap();
        let client = UdpClient::start(lab.client(), &plan).unwrap();
        let (mut lossless, mut lost) = (0, Vec::new());
        for node in ROUND.into_iter().cycle().take(moves) {
            let missed = one_move(&lab, &client, &service, node);
            lossless += usize::from(missed == 0);
            lost.push(missed);
        }
        // Past the test harness, which swallows what a passing test prints.
        writeln!(
            std::io::stdout().lock(),
            "\n{lossless} of {moves} moves lost nothing at 5000 a second: {lost:?}"
        )
        .unwrap();
        assert_eq!(lossless, moves, "{lost:?}");
    });
}

/// Moves the service; how many of the client's packets around that were not answered.
fn one_move(lab: &Lab, client: &UdpClient, service: &ServiceSpec, node: &str) -> usize {
    let start_ns = now_ns();
    let id = u16::from(lab.spec().node(node).id);
    let since = |since_ns| client.packets(service.address, since_ns..u64::MAX);
    let answers = |packets: &[Packet]| packets.iter().filter(|packet| packet.answered.is_some()).count();
    wait_for("steady traffic", SOON, || answers(&since(start_ns)) > STEADY).unwrap();
    let moved_ns = now_ns();
    println!("{}", lab.order("n2", &["move", &service.name, node]).unwrap());
    wait_for("steady traffic with the other node", SOON, || {
        let by = |packet: &&Packet| packet.answered.is_some_and(|answer| answer.node == id);
        since(moved_ns).iter().filter(by).count() > STEADY
    })
    .unwrap();
    let packets = client.packets(service.address, moved_ns - AROUND_NS..now_ns() - IN_FLIGHT_NS);
    let phases = ownership::phases(&packets);
    assert_eq!(ownership::overlaps(&phases, lab.spec().timing.timeout), [], "{phases:?}");
    assert_eq!(ownership::owners(&phases).last(), Some(&id), "{phases:?}");
    let seen = Expected { service: &service.name, owner: node, seen_by: &EVERYBODY };
    lab.wait_for_owner(seen, SOON).unwrap();
    packets.iter().filter(|packet| packet.answered.is_none()).count()
}

#[test]
fn what_can_not_be_moved_stays_and_the_reason_is_said() {
    let lab = Lab::new(LabSpec::five_nodes()).unwrap();
    lab.start_agents().unwrap();
    lab.wait_for_homes(SOON).unwrap();
    lab.wait_until_whole(SOON).unwrap();
    for (service, node, word) in [
        ("web-9", "n4", "web-9"),
        ("web-1", "n9", "n9"),
        ("web-1", "gw", "gw"),
        ("web-1", "n2", "neither the home of web-1 nor among its backups"),
    ] {
        let refusal = lab.order("n3", &["move", service, node]).unwrap_err().to_string();
        println!("{refusal}");
        assert!(refusal.contains(word), "{refusal}");
    }
    println!("{}", lab.order("n3", &["move", "web-1", "n1"]).unwrap());
    lab.drain("n4").unwrap();
    let refusal = lab.order("n3", &["move", "web-1", "n4"]).unwrap_err().to_string();
    println!("{refusal}");
    assert!(refusal.contains("afc undrain"), "{refusal}");
    lab.kill9("n5").unwrap();
    let refusal = lab.order("n3", &["move", "web-1", "n5"]).unwrap_err().to_string();
    println!("{refusal}");
    assert!(refusal.contains("n5"), "{refusal}");
    hold_for("nothing moves", Duration::from_secs(1), || lab.is_everything_home()).unwrap();
}
