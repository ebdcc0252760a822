//! One real packet through one real veth: what `auto` chose must really carry the kernel's answers.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::{Duration, Instant},
};

use afc_agent::datapath::{Datapath, FastMaps, Mode, Options, WantedMode};
use afc_ebpf::{
    identity::{Epoch, NodeId},
    layout::{Settings, role},
};

use namespace::{BpfDirectory, Namespace};

#[path = "support/namespace.rs"]
mod namespace;

const ME: NodeId = NodeId(1);
const VIRTUAL_IP: [u8; 4] = [10, 0, 0, 101];
const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 0xcc];

/// A raw socket on the other end of the veth.
struct Wire(OwnedFd);

impl Wire {
    /// Opens in the calling thread's namespace.
    fn open(interface: &str) -> Self {
        let name = std::ffi::CString::new(interface).expect("no NUL");
        let protocol = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: the name is NUL-terminated; the address is a sockaddr_ll of its own size; the descriptor is new.
        unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, i32::from(protocol));
            assert!(fd >= 0, "a packet socket: {}", io::Error::last_os_error());
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = protocol;
            address.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as i32;
            let bytes = size_of::<libc::sockaddr_ll>() as u32;
            assert_eq!(libc::bind(fd, (&raw const address).cast(), bytes), 0, "bound");
            Self(OwnedFd::from_raw_fd(fd))
        }
    }

    /// Asks who has the virtual IP; the link address of the first answer, if one comes in time.
    fn who_has(&self, timeout: Duration) -> Option<[u8; 6]> {
        let mut request = vec![0xff; 6];
        request.extend(CLIENT);
        request.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        request.extend(CLIENT);
        request.extend([10, 0, 0, 200, 0, 0, 0, 0, 0, 0]);
        request.extend(VIRTUAL_IP);
        // SAFETY: the buffer is live and of this length.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
        assert_eq!(sent, request.len() as isize, "sent");
        let deadline = Instant::now() + timeout;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            let frame = self.receive(left)?;
            let is_answer = frame.len() >= 42 && frame[12..14] == [8, 6] && frame[20..22] == [0, 2];
            if is_answer && frame[28..32] == VIRTUAL_IP {
                return frame[22..28].try_into().ok();
            }
        }
        None
    }

    fn receive(&self, timeout: Duration) -> Option<Vec<u8>> {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut frame = vec![0; 2048];
        // SAFETY: one pollfd, and a buffer of its own length, both live.
        let bytes = unsafe {
            if libc::poll(&raw mut poll, 1, timeout.as_millis() as i32) <= 0 {
                return None;
            }
            libc::recv(self.0.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), 0)
        };
        frame.truncate(usize::try_from(bytes).ok()?);
        Some(frame)
    }
}

/// A node with one virtual IP, which it owns from the start.
fn serving(namespace: &Namespace, bpf: &BpfDirectory) -> (Datapath, FastMaps) {
    let options = Options {
        bpf_dir: bpf.path().into(),
        cluster: "traffic".into(),
        node: "n1".into(),
        interfaces: vec!["eth0".into()],
        ..Options::default()
    };
    let mut datapath = namespace.inside(|| Datapath::load(&options)).expect("loaded");
    let settings = Settings { session: 1, node: ME.0, role: role::MEMBER, ..Settings::default() };
    datapath.set_settings(&settings).expect("settings");
    datapath.set_addresses(&[(Ipv4Addr::from(VIRTUAL_IP), 0)]).expect("addresses");
    let fast = datapath.take_fast().expect("fast");
    fast.set_lease_until(0, u64::MAX);
    assert!(fast.raise_word(0, Epoch::claim(1, ME).owned_by(ME)));
    namespace.inside(|| datapath.attach()).expect("attached");
    (datapath, fast)
}

/// The owner answers with its own link address; without a lease it is silent.
fn answers_while_it_may(wire: &Wire, datapath: &Datapath, fast: &FastMaps) {
    let own = datapath.modes()[0].mac.to_bytes();
    assert_eq!(wire.who_has(Duration::from_secs(5)), Some(own), "the answer got through");
    fast.set_lease_until(0, 0);
    assert_eq!(wire.who_has(Duration::from_millis(200)), None, "fenced");
}

#[test]
fn the_kernel_s_answer_gets_through_a_veth_whose_other_end_has_no_program() {
    let (node, peer) = (Namespace::new("arp"), Namespace::new("arp-peer"));
    node.veth("eth0", &peer, "peer0");
    let bpf = BpfDirectory::new("arp");
    let (datapath, fast) = serving(&node, &bpf);
    assert_eq!(datapath.modes()[0].mode, Mode::Generic);
    let wire = peer.inside(|| Wire::open("peer0"));
    answers_while_it_may(&wire, &datapath, &fast);
}

#[test]
fn the_kernel_s_answer_gets_through_a_veth_whose_other_end_has_a_program() {
    let (node, peer) = (Namespace::new("arpn"), Namespace::new("arpn-peer"));
    node.veth("eth0", &peer, "peer0");
    let bpf = BpfDirectory::new("arpn");
    let other = Options {
        bpf_dir: bpf.path().into(),
        cluster: "peer".into(),
        interfaces: vec!["peer0".into()],
        xdp_mode: WantedMode::Native,
        ..Options::default()
    };
    let _passes = peer.inside(|| Datapath::open(&other)).expect("a program that passes everything");
    let (datapath, fast) = serving(&node, &bpf);
    assert_eq!(datapath.modes()[0].mode, Mode::Native);
    let wire = peer.inside(|| Wire::open("peer0"));
    answers_while_it_may(&wire, &datapath, &fast);
}
