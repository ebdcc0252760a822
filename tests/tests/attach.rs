//! Attaching in real namespaces: which mode, what is refused, what a restart adopts, what a stop leaves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use afc_agent::datapath::{Datapath, DatapathError, EgressHook, Mode, Options, WantedMode};
use afc_ebpf::layout::Settings;
use aya::programs::links::{FdLink, PinnedLink};

use namespace::{BpfDirectory, Namespace};

#[path = "support/namespace.rs"]
mod namespace;

/// Two ends of a veth pair `eth0`–`peer0`, each in its own namespace.
struct Pair {
    node: Namespace,
    peer: Namespace,
    bpf: BpfDirectory,
}

impl Pair {
    fn new(label: &str) -> Self {
        let pair = Self {
            node: Namespace::new(label),
            peer: Namespace::new(&format!("{label}-peer")),
            bpf: BpfDirectory::new(label),
        };
        pair.node.veth("eth0", &pair.peer, "peer0");
        pair
    }

    fn options(&self, interfaces: &[&str]) -> Options {
        Options {
            bpf_dir: self.bpf.path().into(),
            cluster: "edge.test".into(),
            node: "n1".into(),
            interfaces: interfaces.iter().map(|name| (*name).into()).collect(),
            xdp_mode: WantedMode::Auto,
            egress: EgressHook::Auto,
        }
    }

    /// Opens with these options in the node's namespace.
    fn open(&self, options: &Options) -> Result<Datapath, DatapathError> {
        self.node.inside(|| Datapath::open(options))
    }

    /// Somebody else's native program at the other end.
    fn program_at_peer(&self) -> Datapath {
        let options =
            Options { cluster: "peer".into(), xdp_mode: WantedMode::Native, ..self.options(&["peer0"]) };
        self.peer.inside(|| Datapath::open(&options)).expect("the peer's program")
    }

    fn has_xdp(&self, interface: &str) -> bool {
        self.output(&format!("ip link show {interface}")).contains("prog/xdp")
    }

    /// What a command prints in the node's namespace.
    fn output(&self, command: &str) -> String {
        let mut words = command.split_whitespace();
        let program = words.next().expect("a program");
        let output = self.node.inside(|| Command::new(program).args(words).output()).expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn mode_of(datapath: &Datapath) -> Mode {
    let [interface] = datapath.modes() else { panic!("one interface: {:?}", datapath.modes()) };
    interface.mode
}

/// Every pin of ours below a directory. Some kernels put `maps.debug` and `progs.debug` into a bpffs.
fn pins(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().extension().is_some() {
            continue;
        }
        if entry.path().is_dir() {
            found.extend(pins(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn pin(directory: &Path, name: &str) -> PathBuf {
    let found = pins(directory).into_iter().find(|path| path.ends_with(name));
    found.unwrap_or_else(|| panic!("no pin {name} below {}", directory.display()))
}

/// (link, program) of a pinned link.
fn ids(path: &Path) -> (u32, u32) {
    let info =
        FdLink::from(PinnedLink::from_pin(path).expect("a pinned link")).info().expect("its information");
    (info.id(), info.program_id())
}

#[test]
fn auto_takes_generic_on_a_veth_whose_peer_has_no_program() {
    let pair = Pair::new("generic");
    let datapath = pair.open(&pair.options(&["eth0"])).expect("opened");
    assert_eq!(mode_of(&datapath), Mode::Generic);
    assert!(pair.output("ip link show eth0").contains("xdpgeneric"));
}

#[test]
fn auto_takes_native_on_a_veth_whose_peer_has_a_native_program() {
    let pair = Pair::new("native");
    let _program = pair.program_at_peer();
    let datapath = pair.open(&pair.options(&["eth0"])).expect("opened");
    assert_eq!(mode_of(&datapath), Mode::Native);
}

#[test]
fn another_program_in_place_is_named_with_its_fix_and_nothing_is_left_attached() {
    let pair = Pair::new("other");
    pair.node.veth("eth1", &pair.peer, "peer1");
    let other = Options { cluster: "other".into(), ..pair.options(&["eth1"]) };
    let _other = pair.open(&other).expect("the other program");
    let error = pair.open(&pair.options(&["eth0", "eth1"])).err().expect("refused").to_string();
    assert!(error.contains("eth1") && error.contains("afc_xdp"), "{error}");
    assert!(error.contains("bpftool link detach id"), "{error}");
    assert!(!pair.has_xdp("eth0"), "eth0 was attached first and must be free again");
    assert!(pair.has_xdp("eth1"), "the other program is untouched");
    let ours = pins(pair.bpf.path()).into_iter().filter(|pin| !pin.to_string_lossy().contains("afc-other-"));
    assert_eq!(ours.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn a_restart_adopts_the_session_and_replaces_the_programs_in_the_same_links() {
    let pair = Pair::new("restart");
    let options = pair.options(&["eth0"]);
    let mut first = pair.open(&options).expect("opened");
    assert!(first.adopted().is_none());
    first.set_settings(&Settings { session: 77, ..Settings::default() }).expect("set");
    first.take_fast().expect("fast").set_agent_until(123);
    drop(first);
    assert!(pair.has_xdp("eth0"), "nothing is detached without a clean stop");
    let links = ["xdp-eth0", "egress-eth0"].map(|name| pin(pair.bpf.path(), name));
    let before = links.clone().map(|link| ids(&link));

    let second = pair.open(&options).expect("opened again");
    let adopted = second.adopted().expect("adopted");
    assert_eq!((adopted.settings.session, adopted.agent_until_ns), (77, 123));
    for (link, (link_id, program_id)) in links.iter().zip(before) {
        assert_eq!(ids(link).0, link_id, "the same link");
        assert_ne!(ids(link).1, program_id, "with the new program");
    }
}

#[test]
fn another_layout_s_links_are_taken_over_and_its_maps_removed() {
    let pair = Pair::new("layout");
    let options = pair.options(&["eth0"]);
    drop(pair.open(&options).expect("opened"));
    let link = pin(pair.bpf.path(), "xdp-eth0");
    let before = ids(&link).0;
    let layout = link.ancestors().nth(2).expect("the layout's directory");
    let old = layout.with_file_name("0123456789abcdef");
    fs::rename(layout, &old).expect("renamed");

    let datapath = pair.open(&options).expect("opened with another layout");
    assert!(datapath.adopted().is_none());
    assert_eq!(ids(&link).0, before, "the link moved, and was not made anew");
    assert!(!old.exists());
}

#[test]
fn a_wanted_mode_replaces_a_link_of_another_mode() {
    let pair = Pair::new("mode");
    let generic = pair.options(&["eth0"]);
    drop(pair.open(&generic).expect("generic"));
    let native = Options { xdp_mode: WantedMode::Native, ..generic };
    let datapath = pair.open(&native).expect("native");
    assert_eq!(mode_of(&datapath), Mode::Native);
    assert!(!pair.output("ip link show eth0").contains("xdpgeneric"));
}

#[test]
fn an_interface_that_was_made_anew_gets_a_new_link() {
    let pair = Pair::new("anew");
    let options = pair.options(&["eth0"]);
    drop(pair.open(&options).expect("opened"));
    pair.node.ip("link del eth0");
    pair.node.veth("eth0", &pair.peer, "peer0");
    let _datapath = pair.open(&options).expect("opened again");
    assert!(pair.has_xdp("eth0"));
}

#[test]
fn an_interface_that_is_no_longer_configured_is_detached() {
    let pair = Pair::new("fewer");
    pair.node.veth("eth1", &pair.peer, "peer1");
    drop(pair.open(&pair.options(&["eth0", "eth1"])).expect("opened"));
    let _datapath = pair.open(&pair.options(&["eth0"])).expect("opened again");
    assert!(pair.has_xdp("eth0") && !pair.has_xdp("eth1"));
}

#[test]
fn a_program_that_somebody_takes_off_is_missed() {
    for hook in ["xdp-eth0", "egress-eth0"] {
        let pair = Pair::new("missed");
        let datapath = pair.open(&pair.options(&["eth0"])).expect("opened");
        pair.node.inside(|| datapath.check_attached()).expect("both are there");
        fs::remove_file(pin(pair.bpf.path(), hook)).expect("the link goes with its pin");
        let missed = pair.node.inside(|| datapath.check_attached()).expect_err(hook);
        assert!(matches!(&missed, DatapathError::Detached { name } if name == "eth0"), "{hook}: {missed}");
    }
}

#[test]
fn an_unknown_interface_is_named_and_leaves_nothing() {
    let pair = Pair::new("unknown");
    let error = pair.open(&pair.options(&["eth0", "nosuch"])).err().expect("refused");
    assert!(matches!(&error, DatapathError::UnknownInterface { name } if name == "nosuch"), "{error}");
    assert!(!pair.has_xdp("eth0"));
    assert_eq!(pins(pair.bpf.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_clean_stop_leaves_nothing() {
    let pair = Pair::new("stop");
    pair.open(&pair.options(&["eth0"])).expect("opened").detach().expect("detached");
    assert!(!pair.has_xdp("eth0"));
    assert_eq!(pins(pair.bpf.path()), Vec::<PathBuf>::new());
}

#[test]
fn without_tcx_the_fence_hangs_on_clsact_is_replaced_by_a_restart_and_goes_with_a_stop() {
    let pair = Pair::new("clsact");
    let options = Options { egress: EgressHook::Clsact, ..pair.options(&["eth0"]) };
    let filters = || pair.output("tc filter show dev eth0 egress").matches("handle 0x1 afc_egress").count();
    drop(pair.open(&options).expect("opened"));
    assert_eq!(filters(), 1);
    let datapath = pair.open(&options).expect("opened again");
    assert_eq!(filters(), 1);
    pair.node.inside(|| datapath.detach()).expect("detached");
    assert_eq!(filters(), 0);
}
