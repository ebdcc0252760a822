//! A node without a majority fences itself in the kernel, with its userspace stopped. Needs root.

#![expect(clippy::unwrap_used, reason = "tests panic, they don't return Result")]

use std::{net::Ipv4Addr, time::Duration};

use afc_lab::{
    Lab, LabSpec, Scene, UdpClient,
    arp::{ArpObserver, Inquiry},
    clock::now_ns,
    hold_for, ip,
    spec::OUTSIDE,
    udp_client, wait_for, when_undisturbed, wires,
};

const SOON: Duration = Duration::from_secs(10);
/// How long the fenced node is watched. Less than `agent_timeout`: it is the lease that fences it, not the dead man.
const WATCH: Duration = Duration::from_secs(2);

#[test]
fn an_isolated_node_with_a_stopped_agent_answers_nothing_from_the_timeout_on() {
    when_undisturbed(|| {
        let scene = Scene::start_settled(LabSpec::five_nodes(), 500).unwrap();
        let lab = &scene.lab;
        let address = lab.spec().service("web-1").address;
        let mac = wires::mac(lab.spec(), "n1");

        let (observer, inquirer) = observe(lab, address, mac);
        wait_for("n1 answers the observer", SOON, || {
            observer.is_served(address, Duration::from_millis(100)) && inquirer.replies().len() > 100
        })
        .unwrap();

        let start_ns = now_ns();
        lab.freeze("n1").unwrap();
        lab.isolate("n1").unwrap();
        let cut_ns = now_ns();
        wait_for("another node serves web-1 behind the gateway", SOON, || {
            let owner = scene.owners("web-1", &(cut_ns..u64::MAX)).pop();
            owner.is_some_and(|owner| owner != "n1")
        })
        .unwrap();
        let up = || scene.gateway.is_served(address, Duration::from_millis(100));
        hold_for("web-1 is served behind the gateway", WATCH, up).unwrap();

        let fenced_from_ns = cut_ns + lab.spec().timing.timeout.as_nanos() as u64;
        let answered = observer.packets(address, start_ns..now_ns());
        let served = answered.iter().filter_map(|packet| packet.answered).filter(|answer| answer.node == 1);
        let last_served_ns = served.map(|answer| answer.served_ns).max().unwrap();
        let last_reply_ns =
            inquirer.replies().iter().filter(|reply| reply.at == mac).map(|reply| reply.received_ns).max();
        let last_reply_ns = last_reply_ns.unwrap();
        let after_the_cut = |ns: u64| (ns as f64 - cut_ns as f64) / 1e6;
        println!(
            "after the cut n1 served for {:.2} ms and answered ARP for {:.2} ms; the timeout is {:?}",
            after_the_cut(last_served_ns),
            after_the_cut(last_reply_ns),
            lab.spec().timing.timeout,
        );
        assert!(last_served_ns < fenced_from_ns, "a packet was answered after the lease");
        assert!(last_reply_ns < fenced_from_ns, "an ARP request was answered after the lease");
        let sight = scene.sight("web-1", &(start_ns..now_ns()));
        assert_eq!(sight.overlaps, [], "{:?}", sight.phases);
    });
}

/// Observers beside the nodes that go on asking one node by its link address, whoever else announces the virtual IP.
fn observe(lab: &Lab, address: Ipv4Addr, mac: wires::Mac) -> (UdpClient, ArpObserver) {
    let written = mac.map(|byte| format!("{byte:02x}")).join(":");
    let permanent = format!("neigh replace {address} lladdr {written} dev eth0 nud permanent");
    ip::inside(lab.outside(), &[permanent]).unwrap();
    let plan = udp_client::Plan { targets: vec![address], rate_hz: 5000, memory: Duration::from_secs(30) };
    let observer = UdpClient::start(lab.outside(), &plan).unwrap();
    let inquiry = Inquiry {
        target: address,
        sender: OUTSIDE,
        sender_mac: wires::mac(lab.spec(), "outside"),
        to: mac,
        pause: Duration::from_millis(1),
    };
    (observer, ArpObserver::start(lab.outside(), inquiry).unwrap())
}
