//! The agent's network code against a real kernel: each test in a network namespace of its own, which goes with its
//! thread. Needs root.

use std::{
    collections::BTreeSet, future::Future, net::Ipv4Addr, process::Command, time::Duration,
};

use afc_agent::network::{
    Network,
    address::Added,
    arp::GratuitousArp,
    link::LinkError,
    neighbour::Neighbour,
    watch::{Change, watch},
};
use afc_ebpf::mac::Mac;
use futures_util::StreamExt;

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
        assert_eq!(
            status,
            0,
            "no new network namespace: {}; run as root",
            std::io::Error::last_os_error()
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip` with these arguments in the namespace of this thread.
fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("`ip` of iproute2 is installed");
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("`ip` writes text")
}

/// Two ends of a cable, down.
fn cable() {
    ip("link add left address 02:00:00:00:00:01 type veth peer name right address 02:00:00:00:00:02");
}

async fn wait_for<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

#[test]
fn a_link_is_found_by_name_with_its_address_and_carrier() {
    in_namespace(|| async {
        cable();
        let network = Network::connect().unwrap();
        let left = network.link("left").await.unwrap();
        assert_eq!(left.mac, Mac::from_bytes([2, 0, 0, 0, 0, 1]));
        assert_eq!((left.is_up, left.has_carrier), (false, false));
        assert_ne!(left.ifindex, network.link("right").await.unwrap().ifindex);
        ip("link set left up");
        ip("link set right up");
        wait_for("carrier", async || network.link("left").await.unwrap().has_carrier).await;
        let lo = network.link("lo").await.unwrap_err();
        assert!(matches!(lo, LinkError::NotEthernet { .. }), "{lo}");
        let unknown = network.link("none").await.unwrap_err();
        assert!(matches!(unknown, LinkError::Unknown { .. }), "{unknown}");
    });
}

#[test]
fn virtual_ips_are_added_once_and_only_ours_are_removed() {
    in_namespace(|| async {
        let network = Network::connect().unwrap();
        ip("address add 10.9.0.102/32 dev lo");
        assert_eq!(network.add_virtual(VIP).await.unwrap(), Added::New);
        assert_eq!(network.add_virtual(VIP).await.unwrap(), Added::WasThere);
        assert_eq!(network.add_virtual(OTHER_VIP).await.unwrap(), Added::WasThere);
        assert_eq!(network.virtuals().await.unwrap(), BTreeSet::from([VIP]));
        let shown = ip("-4 address show dev lo");
        assert!(shown.contains("inet 10.9.0.101/32 scope global lo:afc"), "{shown}");
        assert!(shown.contains("<LOOPBACK,UP"), "{shown}");
        network.remove_virtuals().await.unwrap();
        let shown = ip("-4 address show dev lo");
        assert!(!shown.contains("10.9.0.101") && shown.contains("10.9.0.102"), "{shown}");
    });
}

#[test]
fn virtual_ips_of_an_earlier_agent_are_known_and_those_no_longer_wanted_go() {
    in_namespace(|| async {
        let crashed = Network::connect().unwrap();
        crashed.add_virtual(VIP).await.unwrap();
        crashed.add_virtual(OTHER_VIP).await.unwrap();
        drop(crashed);
        let network = Network::connect().unwrap();
        assert_eq!(network.virtuals().await.unwrap(), BTreeSet::from([VIP, OTHER_VIP]));
        network.retain_virtuals(&BTreeSet::from([VIP])).await.unwrap();
        assert_eq!(network.virtuals().await.unwrap(), BTreeSet::from([VIP]));
        network.remove_virtuals().await.unwrap();
        network.remove_virtuals().await.unwrap();
        assert_eq!(network.virtuals().await.unwrap(), BTreeSet::new());
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
        let neighbour = |last| Neighbour {
            address: Ipv4Addr::new(10, 9, 0, last),
            mac: Mac::from_bytes([2, 0, 0, 0, 0, last]),
            ifindex,
        };
        assert_eq!(found, [neighbour(2), neighbour(3)]);
    });
}

#[test]
fn changes_are_told_as_they_happen() {
    in_namespace(|| async {
        let mut changes = watch().unwrap();
        cable();
        ip("link set left up");
        ip("neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev left nud permanent");
        ip("link del left");
        let (mut came, mut went_up, mut neighbour, mut went) = (false, false, false, false);
        let listening = async {
            while !went {
                match changes.next().await.expect("the stream goes on") {
                    Change::Link(link) if link.name == "left" => {
                        came = true;
                        went_up |= link.is_up;
                    }
                    Change::Link(_) | Change::Lost => {}
                    Change::Neighbour(found) => neighbour |= found.address == Ipv4Addr::new(10, 9, 0, 2),
                    Change::LinkGone(_) => went = true,
                }
            }
        };
        tokio::time::timeout(PATIENCE, listening)
            .await
            .expect("the link goes away in time");
        assert!(
            came && went_up && neighbour,
            "came {came}, went up {went_up}, neighbour {neighbour}"
        );
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
        wait_for("carrier", async || network.link("left").await.unwrap().has_carrier).await;
        let left = network.link("left").await.unwrap();
        let right = network.link("right").await.unwrap();
        let mac = Mac::from_bytes([2, 0, 0, 0, 0, 0x77]);
        let sender = GratuitousArp::open(left.ifindex, mac).unwrap();
        let learnt = Neighbour {
            address: VIP,
            mac,
            ifindex: right.ifindex,
        };
        // Again and again: the kernel drops what is sent in the moment before a new carrier is wired up.
        wait_for("learnt", async || {
            sender.send(VIP).unwrap();
            network.neighbours().await.unwrap().contains(&learnt)
        })
        .await;
        ip("link set left down");
        assert!(
            sender.send(VIP).is_err(),
            "a link that is down takes no frame"
        );
        ip("link del left");
        assert!(GratuitousArp::open(left.ifindex, mac).is_err());
    });
}
