//! The agent's network code against a real kernel: each test in a network namespace of its own, which goes with its
//! thread. Needs root.

use std::{collections::BTreeSet, future::Future, net::Ipv4Addr, process::Command, time::Duration};

use afc_agent::network::{Neighbour, Network, NetworkError, arp::GratuitousArp};
use afc_ebpf::mac::Mac;

/// How long the kernel may take for anything here.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at something that may change.
const LOOK: Duration = Duration::from_millis(5);

const VIP: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 101);
const OTHER_VIP: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 102);

/// Runs a test on a thread in a new network namespace.
fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let thread = std::thread::spawn(|| {
        // SAFETY: unshare takes flags only, and gives this thread alone a new network namespace.
        let status = unsafe { libc::unshare(libc::CLONE_NEWNET) };
        let error = std::io::Error::last_os_error();
        assert_eq!(status, 0, "no new network namespace: {error}; run as root");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip` with these arguments in the namespace of this thread.
fn ip(arguments: &str) -> String {
    let output =
        Command::new("ip").args(arguments.split(' ')).output().expect("`ip` of iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("`ip` writes text")
}

/// Two ends of a cable, down.
fn cable() {
    ip("link add left address 02:00:00:00:00:01 type veth peer name right address 02:00:00:00:00:02");
}

fn mac(last: u8) -> Mac {
    Mac::from_bytes([2, 0, 0, 0, 0, last])
}

#[test]
fn a_link_is_found_by_its_name() {
    in_namespace(|| async {
        cable();
        let network = Network::connect().unwrap();
        let left = network.link("left").await.unwrap();
        assert_eq!((left.name.as_str(), left.mac), ("left", mac(1)));
        assert!(ip("link show left").starts_with(&format!("{}:", left.ifindex)));
        let missing = network.link("none").await.unwrap_err();
        assert!(matches!(missing, NetworkError::UnknownInterface { .. }), "{missing}");
        let loopback = network.link("lo").await.unwrap_err();
        assert!(matches!(loopback, NetworkError::NotEthernet { .. }), "{loopback}");
    });
}

#[test]
fn virtual_ips_are_added_once_and_only_ours_are_removed() {
    in_namespace(|| async {
        let network = Network::connect().unwrap();
        ip("address add 10.9.0.200/32 dev lo");
        network.set_virtual_ips(&BTreeSet::from([VIP, OTHER_VIP])).await.unwrap();
        assert!(ip("link show lo").contains("UP"));
        // As an agent does that comes after a crash, with one service less.
        let network = Network::connect().unwrap();
        network.set_virtual_ips(&BTreeSet::from([VIP])).await.unwrap();
        let shown = ip("-4 address show dev lo");
        assert!(shown.contains("inet 10.9.0.101/32 scope global lo:afc"), "{shown}");
        assert!(!shown.contains("10.9.0.102"), "{shown}");
        network.set_virtual_ips(&BTreeSet::new()).await.unwrap();
        let shown = ip("-4 address show dev lo");
        assert!(!shown.contains("10.9.0.101") && shown.contains("10.9.0.200"), "{shown}");
    });
}

#[test]
fn neighbours_with_a_link_address_are_listed() {
    in_namespace(|| async {
        cable();
        ip("link set left up");
        ip("neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev left nud permanent");
        ip("neighbour add 10.9.0.3 lladdr 02:00:00:00:00:03 dev left nud stale");
        ip("neighbour add 10.9.0.4 dev left nud failed");
        let network = Network::connect().unwrap();
        let ifindex = network.link("left").await.unwrap().ifindex;
        let mut found = network.neighbours().await.unwrap();
        found.sort_by_key(|neighbour| neighbour.address);
        let neighbour = |last| Neighbour { address: Ipv4Addr::new(10, 9, 0, last), mac: mac(last), ifindex };
        assert_eq!(found, [neighbour(2), neighbour(3)]);
    });
}

#[test]
fn a_kept_neighbour_outlives_its_carrier_until_it_is_removed() {
    in_namespace(|| async {
        cable();
        ip("link set left up");
        ip("link set right up");
        let network = Network::connect().unwrap();
        let ifindex = network.link("left").await.unwrap().ifindex;
        let kept = Neighbour { address: Ipv4Addr::new(10, 9, 0, 2), mac: mac(2), ifindex };
        network.set_neighbour(kept).await.unwrap();
        ip("link set right down");
        assert_eq!(network.neighbours().await.unwrap(), [kept]);
        let moved = Neighbour { mac: mac(3), ..kept };
        network.set_neighbour(moved).await.unwrap();
        assert_eq!(network.neighbours().await.unwrap(), [moved]);
        network.remove_neighbour(moved).await.unwrap();
        network.remove_neighbour(moved).await.unwrap();
        assert_eq!(network.neighbours().await.unwrap(), []);
    });
}

#[test]
fn a_gratuitous_arp_teaches_the_other_end() {
    in_namespace(|| async {
        cable();
        ip("link set left up");
        ip("link set right up");
        // While lo is down this kernel learns nothing from ARP.
        ip("link set lo up");
        // A host that takes up addresses from gratuitous ARP, as switches and routers do.
        std::fs::write("/proc/sys/net/ipv4/conf/right/arp_accept", "1").unwrap();
        let network = Network::connect().unwrap();
        let left = network.link("left").await.unwrap();
        let learnt =
            Neighbour { address: VIP, mac: mac(0x77), ifindex: network.link("right").await.unwrap().ifindex };
        let sender = GratuitousArp::open(left.ifindex, mac(0x77)).unwrap();
        // Again and again: the kernel drops what is sent in the moment before a new carrier is wired up.
        let mut looks = tokio::time::interval(LOOK);
        let teaching = async {
            while sender.send(VIP).is_err() || !network.neighbours().await.unwrap().contains(&learnt) {
                looks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, teaching).await.expect("the other end learns the address");
        ip("link set left down");
        assert!(sender.send(VIP).is_err(), "a link that is down takes no frame");
        ip("link del left");
        assert!(GratuitousArp::open(left.ifindex, mac(0x77)).is_err());
    });
}
