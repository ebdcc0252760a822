//! The lab itself, without any agent: virtual IPs are moved by hand, so that what clients report is known beforehand.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{net::Ipv4Addr, path::Path, process::Command, time::Duration};

use afc_lab::{
    HttpClient, Lab, LabSpec, UdpClient,
    arp::{ArpObserver, BROADCAST, Inquiry},
    clock::now_ns,
    datagram,
    fault::{Direction, Loss},
    hold_for, http, ip, netns, ownership,
    report::Report,
    spec::OUTSIDE,
    udp_client::Plan,
    wait_for, wires,
};

const SOON: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_millis(200);

/// Puts the first virtual IP on a node as its agent would, and tells the hosts that ask for it.
fn move_by_hand(lab: &Lab, to: &str) {
    let service = &lab.spec().services[0];
    let address = service.address;
    for node in ["n1", "n4"] {
        ip::inside(lab.machine(node), &[format!("address flush dev eth0 to {address}/32")]).unwrap();
    }
    ip::inside(lab.machine(to), &[format!("address add {address}/32 dev eth0")]).unwrap();
    let mac = wires::mac(lab.spec(), to).map(|byte| format!("{byte:02x}")).join(":");
    let neighbour = format!("neigh replace {address} lladdr {mac} dev eth0");
    ip::inside(lab.machine("gw"), std::slice::from_ref(&neighbour)).unwrap();
    ip::inside(lab.outside(), &[neighbour]).unwrap();
}

/// A lab whose gateway answers for the virtual IPs by itself.
fn lab_without_agents() -> (Lab, Ipv4Addr) {
    let lab = Lab::new(LabSpec::five_nodes()).unwrap();
    let proxy = || std::fs::write("/proc/sys/net/ipv4/conf/eth1/proxy_arp", "1");
    lab.machine("gw").enter(proxy).unwrap().unwrap();
    let address = lab.spec().services[0].address;
    move_by_hand(&lab, "n1");
    (lab, address)
}

fn plan(address: Ipv4Addr) -> Plan {
    Plan { targets: vec![address], rate_hz: 1000, memory: Duration::from_secs(30) }
}

#[test]
fn clients_on_both_sides_of_the_gateway_see_a_move_as_two_phases_without_overlap() {
    let (lab, address) = lab_without_agents();
    let behind = UdpClient::start(lab.client(), &plan(address)).unwrap();
    let beside = UdpClient::start(lab.outside(), &plan(address)).unwrap();
    wait_for("both clients are served", SOON, || {
        behind.is_served(address, MOMENT) && beside.is_served(address, MOMENT)
    })
    .unwrap();

    let start_ns = now_ns();
    lab.power_cut("n1").unwrap();
    wait_for("nobody is served", SOON, || !beside.is_served(address, MOMENT)).unwrap();
    move_by_hand(&lab, "n4");
    wait_for("both clients are served again", SOON, || {
        behind.is_served(address, MOMENT) && beside.is_served(address, MOMENT)
    })
    .unwrap();

    let window = start_ns..now_ns();
    for client in [&behind, &beside] {
        let packets = client.packets(address, window.clone());
        let report = Report::of(&packets, &window);
        assert!(report.gap.duration() >= MOMENT, "{report:?}");
        assert!(report.lost > 0 && report.answers.keys().all(|node| [1, 4].contains(node)), "{report:?}");
    }
    let all = [behind.packets(address, 0..window.end), beside.packets(address, 0..window.end)].concat();
    let phases = ownership::phases(&all);
    assert_eq!(ownership::owners(&phases), [1, 4]);
    assert_eq!(ownership::overlaps(&phases, SOON), []);
}

#[test]
fn two_nodes_that_answer_for_one_address_are_found_out() {
    let (lab, address) = lab_without_agents();
    ip::inside(lab.machine("n4"), &[format!("address add {address}/32 dev eth0")]).unwrap();
    let mac = wires::mac(lab.spec(), "n4").map(|byte| format!("{byte:02x}")).join(":");
    ip::inside(lab.outside(), &[format!("neigh replace {address} lladdr {mac} dev eth0")]).unwrap();
    let behind = UdpClient::start(lab.client(), &plan(address)).unwrap();
    let beside = UdpClient::start(lab.outside(), &plan(address)).unwrap();
    // That each client was served is not enough: one after the other is no overlap.
    wait_for("answers of both nodes in turn", SOON, || {
        let all = [behind.packets(address, 0..now_ns()), beside.packets(address, 0..now_ns())].concat();
        !ownership::overlaps(&ownership::phases(&all), SOON).is_empty()
    })
    .unwrap();
}

#[test]
fn a_one_way_cut_loses_one_direction_and_healing_brings_it_back() {
    let (lab, address) = lab_without_agents();
    let beside = UdpClient::start(lab.outside(), &plan(address)).unwrap();
    let served = || beside.is_served(address, MOMENT);
    wait_for("the client is served", SOON, served).unwrap();
    lab.cut_one_way(Direction { from: "outside", to: "n4" }).unwrap();
    hold_for("a cut elsewhere loses nothing", MOMENT, served).unwrap();
    for direction in [Direction { from: "outside", to: "n1" }, Direction { from: "n1", to: "outside" }] {
        lab.cut_one_way(direction).unwrap();
        wait_for("the client is cut off", SOON, || !served()).unwrap();
        lab.heal().unwrap();
        wait_for("the client is served again", SOON, served).unwrap();
    }
    lab.cut("n1").unwrap();
    wait_for("the node is cut off", SOON, || !served()).unwrap();
    lab.heal().unwrap();
    wait_for("the node is back", SOON, served).unwrap();
    lab.isolate("n1").unwrap();
    hold_for("the client beside the nodes reaches an isolated one", MOMENT, served).unwrap();
}

#[test]
fn of_the_datagrams_to_one_port_as_many_are_lost_at_random_as_was_asked_for() {
    let (lab, address) = lab_without_agents();
    let beside = UdpClient::start(lab.outside(), &plan(address)).unwrap();
    wait_for("the client is served", SOON, || beside.is_served(address, MOMENT)).unwrap();
    assert!(lab.lost_at_random().is_err());
    lab.lose_at_random(Loss { port: datagram::PORT + 1, percent: 99 }).unwrap();
    hold_for("a loss on another port loses nothing", MOMENT, || beside.is_served(address, MOMENT)).unwrap();
    assert_eq!(lab.lost_at_random().unwrap(), 0);

    lab.lose_at_random(Loss { port: datagram::PORT, percent: 30 }).unwrap();
    let start_ns = now_ns();
    wait_for("a thousand questions", SOON, || beside.packets(address, start_ns..u64::MAX).len() > 1000)
        .unwrap();
    lab.heal().unwrap();
    let window = start_ns..now_ns();
    let report = Report::of(&beside.packets(address, window.clone()), &window);
    let lost = report.lost * 100 / report.sent;
    assert!((20..40).contains(&lost), "{lost} % were lost: {report:?}");
    wait_for("the client misses nothing", SOON, || {
        let moment = now_ns() - 300_000_000..now_ns() - 50_000_000;
        Report::of(&beside.packets(address, moment.clone()), &moment).lost == 0
    })
    .unwrap();
}

#[test]
fn a_hog_takes_a_nodes_memory_and_gives_it_back() {
    let lab = Lab::new(LabSpec::figures()).unwrap();
    let spec = lab.spec().memory.unwrap();
    let is_short = |node| lab.memory_available_mib(node).unwrap() < spec.threshold_mib;
    lab.take_memory("n4", spec.shortage_mib()).unwrap();
    assert!(is_short("n4"));
    assert_eq!(lab.memory_available_mib("n5").unwrap(), spec.total_mib);

    let proc = lab.directory().join("n4").join("proc");
    let meminfo = std::fs::read_to_string(proc.join("meminfo")).unwrap();
    let available = meminfo.lines().find(|line| line.starts_with("MemAvailable:")).unwrap();
    let available_kib: u64 = available.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(available_kib < spec.threshold_mib * 1024, "{meminfo}");
    assert!(std::fs::read_to_string(proc.join("stat")).unwrap().starts_with("cpu "));

    lab.take_memory("n4", 10).unwrap();
    assert!(!is_short("n4") && lab.memory_available_mib("n4").unwrap() < spec.total_mib - 9);
    lab.free_memory("n4").unwrap();
    wait_for("n4 has all of it", SOON, || lab.memory_available_mib("n4").unwrap() == spec.total_mib).unwrap();
}

#[test]
fn http_and_arp_are_answered_by_the_node_that_has_the_address() {
    let (lab, address) = lab_without_agents();
    let every = Duration::from_millis(5);
    let plan = http::Plan { targets: vec![address], pause: every, patience: MOMENT };
    let client = HttpClient::start(lab.client(), &plan).unwrap();
    let inquiry = Inquiry {
        target: address,
        sender: OUTSIDE,
        sender_mac: wires::mac(lab.spec(), "outside"),
        to: BROADCAST,
        pause: every,
    };
    let observer = ArpObserver::start(lab.outside(), inquiry).unwrap();
    let pages = || -> Vec<String> {
        client.requests(address, 0..u64::MAX).into_iter().filter_map(|request| request.node).collect()
    };
    wait_for("ten answers of each kind", SOON, || pages().len() >= 10 && observer.replies().len() >= 10)
        .unwrap();
    assert!(pages().iter().all(|node| node == "n1"), "{:?}", pages());
    let n1 = wires::mac(lab.spec(), "n1");
    assert!(observer.replies().iter().all(|reply| reply.at == n1));
}

#[test]
fn a_dropped_lab_leaves_nothing_behind() {
    let lab = Lab::new(LabSpec::with_witness()).unwrap();
    let namespace = Path::new(netns::DIRECTORY).join(lab.client().name());
    let directory = lab.directory().to_owned();
    let sleeper = lab.machine("n1").command("sleep").arg("1000").spawn().unwrap();
    assert!(namespace.exists() && directory.join("bpf").exists());
    drop(lab);
    assert!(!namespace.exists() && !directory.exists());
    assert_is_dead(sleeper);
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(&directory.display().to_string()));
}

#[test]
fn a_lab_whose_process_was_killed_is_removed_all_the_same() {
    const CHILD: &str = "AFC_LAB_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let lab = Lab::new(LabSpec::best_effort_pair()).unwrap();
        println!("ready {}", lab.client().name());
        loop {
            std::thread::park();
        }
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_lab_whose_process_was_killed_is_removed_all_the_same", "--nocapture"])
        .env(CHILD, "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let name = lines.find_map(|line| Some(line.unwrap().split_once("ready ")?.1.to_owned())).unwrap();
    let namespace = Path::new(netns::DIRECTORY).join(&name);
    let directory = std::env::temp_dir().join(name.trim_end_matches("-client"));
    assert!(namespace.exists() && directory.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the janitor to finish", SOON, || !namespace.exists() && !directory.exists()).unwrap();
}

fn assert_is_dead(mut process: std::process::Child) {
    let mut status = None;
    wait_for("the process is dead", SOON, || {
        status = process.try_wait().unwrap();
        status.is_some()
    })
    .unwrap();
    assert!(!status.unwrap().success());
}
