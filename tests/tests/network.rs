//! The agent's network code against a real kernel: each test in a network namespace of its own, which goes with its
//! thread. Needs root.

use std::{
    collections::BTreeSet, future::Future, net::Ipv4Addr, process::Command, sync::Arc, time::Duration,
};

use afc_agent::network::{
    MacAddress, Network,
    address::{Added, VirtualIps},
    arp::ArpSender,
    link::LinkError,
    neighbour::Neighbour,
    watch::{Change, watch},
};
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
        let network = Network::open().unwrap();
        let left = network.link("left").await.unwrap();
        let right = network.link("right").await.unwrap();
        assert_eq!(left.mac, Some(MacAddress([2, 0, 0, 0, 0, 1])));
        assert_eq!(
            (left.up, left.carrier, left.is_veth, left.lower),
            (false, false, true, Some(right.index))
        );
        ip("link set left up");
        ip("link set right up");
        wait_for("carrier", async || network.link("left").await.unwrap().carrier).await;
        let lo = network.link("lo").await.unwrap();
        assert_eq!((lo.mac, lo.is_veth, lo.lower), (None, false, None));
        let missing = network.link("none").await.unwrap_err();
        assert!(matches!(missing, LinkError::Missing { .. }), "{missing}");
    });
}

#[test]
fn virtual_ips_are_added_once_and_only_ours_are_removed() {
    in_namespace(|| async {
        let network = Arc::new(Network::open().unwrap());
        let mut ips = VirtualIps::open(Arc::clone(&network)).await.unwrap();
        assert!(network.link("lo").await.unwrap().up);
        ip("address add 10.9.0.102/32 dev lo");
        assert_eq!(ips.add(VIP).await.unwrap(), Added::New);
        assert_eq!(ips.add(VIP).await.unwrap(), Added::Kept);
        assert_eq!(ips.add(OTHER_VIP).await.unwrap(), Added::Foreign);
        let shown = ip("-4 address show dev lo");
        assert!(
            shown.contains("inet 10.9.0.101/32 scope global lo:afc"),
            "{shown}"
        );
        ips.remove_all().await.unwrap();
        let shown = ip("-4 address show dev lo");
        assert!(
            !shown.contains("10.9.0.101") && shown.contains("10.9.0.102"),
            "{shown}"
        );
    });
}

#[test]
fn virtual_ips_of_a_crashed_agent_are_taken_over() {
    in_namespace(|| async {
        let network = Arc::new(Network::open().unwrap());
        let mut crashed = VirtualIps::open(Arc::clone(&network)).await.unwrap();
        crashed.set(&BTreeSet::from([VIP, OTHER_VIP])).await.unwrap();
        drop(crashed);
        let mut ips = VirtualIps::open(Arc::clone(&network)).await.unwrap();
        assert_eq!(ips.ours(), &BTreeSet::from([VIP, OTHER_VIP]));
        assert_eq!(ips.add(VIP).await.unwrap(), Added::Kept);
        ips.set(&BTreeSet::from([VIP])).await.unwrap();
        assert!(!ip("-4 address show dev lo").contains("10.9.0.102"));
        ip("address del 10.9.0.101/32 dev lo");
        ips.remove_all().await.unwrap();
        assert!(ips.ours().is_empty());
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
        let network = Network::open().unwrap();
        let link = network.link("left").await.unwrap().index;
        let mut found = network.neighbours().await.unwrap();
        found.sort_by_key(|neighbour| neighbour.address);
        let neighbour = |last| Neighbour {
            address: Ipv4Addr::new(10, 9, 0, last),
            mac: MacAddress([2, 0, 0, 0, 0, last]),
            link,
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
                        went_up |= link.up;
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
        let network = Network::open().unwrap();
        wait_for("carrier", async || network.link("left").await.unwrap().carrier).await;
        let left = network.link("left").await.unwrap();
        let right = network.link("right").await.unwrap();
        let mac = MacAddress([2, 0, 0, 0, 0, 0x77]);
        let sender = ArpSender::open(left.index, mac).unwrap();
        let learnt = Neighbour {
            address: VIP,
            mac,
            link: right.index,
        };
        // Again and again: the kernel drops what is sent in the moment before a new carrier is wired up.
        wait_for("learnt", async || {
            sender.announce(VIP).unwrap();
            network.neighbours().await.unwrap().contains(&learnt)
        })
        .await;
        ip("link set left down");
        assert!(
            sender.announce(VIP).is_err(),
            "a link that is down takes no frame"
        );
        ip("link del left");
        assert!(ArpSender::open(left.index, mac).is_err());
    });
}
