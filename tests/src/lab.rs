//! The lab itself: builds the network, keeps what must live as long as it, and takes it all down.
//!
//! What is done *with* a lab is beside this file: [`crate::agent`], [`crate::fault`], [`crate::status`].

use std::{
    collections::BTreeMap,
    ffi::CString,
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result, ensure};

use crate::{
    agent::Agents,
    config, disk,
    echo::EchoService,
    fault,
    http::HttpService,
    interface::Interfaces,
    ip,
    janitor::{self, Janitor},
    memory::Memories,
    netns::Netns,
    spec::{LabSpec, Role},
    wires::{self, CLIENT_MACHINE, OUTSIDE_MACHINE, SWITCH_MACHINE},
    xdp_pass,
};

/// A cluster in namespaces. Dropping it removes everything. Fields are dropped in order: users of namespaces first, the
/// janitor last.
#[derive(Debug)]
pub struct Lab {
    pub(crate) agents: Mutex<Agents>,
    pub(crate) memories: Option<Memories>,
    /// Services in the nodes; only kept alive here.
    _services: Vec<(EchoService, HttpService)>,
    /// XDP_PASS at the far ends, by machine and interface.
    far_ends: BTreeMap<(String, String), OwnedFd>,
    pub(crate) switch_ports: Interfaces,
    machines: BTreeMap<String, Netns>,
    directory: PathBuf,
    spec: LabSpec,
    _janitor: Janitor,
}

impl Lab {
    /// Builds the network and starts the services. No agent runs yet.
    ///
    /// # Errors
    /// Without root, without `ip` or `nft`, or when the kernel lacks something; says what.
    pub fn new(spec: LabSpec) -> Result<Self> {
        ensure!(is_root(), "a lab makes network namespaces: run this as root");
        let temporary = std::env::temp_dir();
        janitor::sweep(&temporary)?;

        static LABS: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("afc-{}-{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let mut janitor = Janitor::start()?;
        let directory = temporary.join(&prefix);
        make_directories(&spec, &directory, &mut janitor)?;
        let machines = make_machines(&spec, &prefix, &mut janitor)?;
        lay_wires(&spec, &prefix, &machines)?;

        let far_ends = wires::far_ends(&spec)
            .into_iter()
            .map(|place| Ok((place.clone(), xdp_pass::attach(&machines[&place.0], &place.1)?)))
            .collect::<Result<_>>()?;
        let services = spec
            .nodes
            .iter()
            .filter(|node| node.role == Role::Member)
            .map(|node| {
                let namespace = &machines[&node.name];
                Ok((
                    EchoService::start(namespace, node.id.into())?,
                    HttpService::start(namespace, &node.name)?,
                ))
            })
            .collect::<Result<_>>()?;
        ip::nft(&machines[SWITCH_MACHINE], fault::TABLE)?;
        Ok(Self {
            agents: Mutex::default(),
            memories: Memories::start(&spec, &directory)?,
            _services: services,
            far_ends,
            switch_ports: Interfaces::of(&machines[SWITCH_MACHINE])?,
            machines,
            directory,
            spec,
            _janitor: janitor,
        })
    }

    /// What this lab was built from.
    pub const fn spec(&self) -> &LabSpec {
        &self.spec
    }

    /// The lab's directory: a sub-directory for each node, the key, the bpffs `bpf`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The lab's bpffs, where agents pin.
    pub fn bpf_directory(&self) -> PathBuf {
        self.directory.join("bpf")
    }

    /// The namespace of a node, of `switch`, `client` or `outside`.
    ///
    /// # Panics
    /// When there is no such machine: a mistake in the test.
    pub fn machine(&self, name: &str) -> &Netns {
        self.machines.get(name).unwrap_or_else(|| panic!("the lab has no machine {name}"))
    }

    /// The link of the program at the lab's end of a wire (see [`wires::far_ends`]).
    pub(crate) fn far_end(&self, machine: &str, interface: &str) -> Option<BorrowedFd<'_>> {
        self.far_ends.get(&(machine.to_owned(), interface.to_owned())).map(OwnedFd::as_fd)
    }

    /// The client behind the gateway.
    pub fn client(&self) -> &Netns {
        self.machine(CLIENT_MACHINE)
    }

    /// The client beside the nodes.
    pub fn outside(&self) -> &Netns {
        self.machine(OUTSIDE_MACHINE)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
    }
}

/// Whether this process may do what a lab does.
fn is_root() -> bool {
    // SAFETY: geteuid can't fail and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

/// Makes the lab's directory with the key and the bpffs.
fn make_directories(spec: &LabSpec, directory: &Path, janitor: &mut Janitor) -> Result<()> {
    let bpf = directory.join("bpf");
    janitor.undo_mount(&bpf)?;
    janitor.remove_directory(directory)?;
    fs::create_dir_all(&bpf).with_context(|| format!("making {}", bpf.display()))?;
    mount_bpffs(&bpf).with_context(|| format!("mounting a bpffs at {}", bpf.display()))?;
    let key = directory.join("cluster.key");
    fs::write(&key, config::KEY)?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    for node in &spec.nodes {
        let state = directory.join(&node.name).join(config::STATE);
        fs::create_dir_all(&state)?;
        if let Some(disk) = &spec.disk {
            janitor.undo_mount(&state)?;
            disk::mount(disk, &state)?;
        }
    }
    Ok(())
}

/// Mounts a bpffs of the lab's own, so that what agents pin goes with the lab.
fn mount_bpffs(directory: &Path) -> Result<()> {
    let target = CString::new(directory.display().to_string())?;
    // SAFETY: all four strings live through the call; bpffs takes no data.
    let status =
        unsafe { libc::mount(c"bpf".as_ptr(), target.as_ptr(), c"bpf".as_ptr(), 0, std::ptr::null()) };
    ensure!(status == 0, io::Error::last_os_error());
    Ok(())
}

/// Makes the namespaces, quiet ones: no IPv6, and the gateway forwards.
fn make_machines(spec: &LabSpec, prefix: &str, janitor: &mut Janitor) -> Result<BTreeMap<String, Netns>> {
    let names = wires::machines(spec);
    let mut lines = Vec::new();
    for machine in &names {
        janitor.remove_namespace(&format!("{prefix}-{machine}"))?;
        lines.push(format!("netns add {prefix}-{machine}"));
    }
    ip::host(&lines)?;
    let mut machines = BTreeMap::new();
    for machine in names {
        let namespace = Netns::open(&format!("{prefix}-{machine}"))?;
        set_kernel(&namespace, "ipv6/conf/all/disable_ipv6", "1")?;
        set_kernel(&namespace, "ipv6/conf/default/disable_ipv6", "1")?;
        if machine == wires::GATEWAY_MACHINE {
            set_kernel(&namespace, "ipv4/ip_forward", "1")?;
        }
        machines.insert(machine, namespace);
    }
    Ok(machines)
}

/// Lays the wires and turns off what would spoil packets on them.
fn lay_wires(spec: &LabSpec, prefix: &str, machines: &BTreeMap<String, Netns>) -> Result<()> {
    ip::host(&wires::links(spec, prefix))?;
    for (machine, namespace) in machines {
        ip::inside(namespace, &wires::inside(spec, machine))?;
        if machine == SWITCH_MACHINE {
            continue;
        }
        let interfaces = Interfaces::of(namespace)?;
        interfaces.finish_checksums("eth0")?;
        if machine == wires::GATEWAY_MACHINE {
            interfaces.finish_checksums("eth1")?;
        }
    }
    Ok(())
}

/// Writes a network setting of one namespace; settings that this kernel does not have are no matter.
fn set_kernel(namespace: &Netns, setting: &str, value: &str) -> Result<()> {
    let path = Path::new("/proc/sys/net").join(setting);
    let written = namespace.enter(|| if path.exists() { fs::write(&path, value) } else { Ok(()) })?;
    written.with_context(|| format!("setting {} in {}", path.display(), namespace.name()))
}
