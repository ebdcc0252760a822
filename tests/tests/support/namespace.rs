//! A network namespace and a bpffs of one test. Both are gone when the test ends, however it ends.

use std::{
    ffi::CString,
    fs::{self, File},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

/// A network namespace, named after this process and the test.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace. Fails loudly without root: these tests are about the kernel.
    pub(crate) fn new(label: &str) -> Self {
        // SAFETY: geteuid has no precondition.
        let user = unsafe { libc::geteuid() };
        assert_eq!(user, 0, "this test needs root: it loads BPF programs into the kernel");
        let name = format!("afc-{}-{label}", std::process::id());
        run("ip", &["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip("link set lo up");
        // Neighbour discovery would be counted among the packets of a test.
        let _no_ipv6_here =
            namespace.inside(|| fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"));
        namespace
    }

    /// Runs `ip` in the namespace.
    pub(crate) fn ip(&self, arguments: &str) {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments.split_whitespace());
        run("ip", &all);
    }

    /// A veth pair: `inner` here, `outer` in `other`. Both are up.
    pub(crate) fn veth(&self, inner: &str, other: &Self, outer: &str) {
        self.ip(&format!("link add {inner} type veth peer name {outer} netns {}", other.name));
        self.ip(&format!("link set {inner} up"));
        other.ip(&format!("link set {outer} up"));
    }

    /// Does something in the namespace, on a thread of its own.
    pub(crate) fn inside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("the namespace exists");
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                // SAFETY: the descriptor is that of a network namespace; only this thread moves.
                let status = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(status, 0, "entered");
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _gone = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// A directory that the data path mounts its bpffs on.
pub(crate) struct BpfDirectory {
    path: PathBuf,
}

impl BpfDirectory {
    /// A fresh path; the data path makes the directory itself.
    pub(crate) fn new(label: &str) -> Self {
        Self { path: std::env::temp_dir().join(format!("afc-bpf-{}-{label}", std::process::id())) }
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for BpfDirectory {
    fn drop(&mut self) {
        let path = CString::new(self.path.as_os_str().as_encoded_bytes()).expect("no NUL in a path of ours");
        // SAFETY: the path is NUL-terminated. Without a mount there this fails and changes nothing.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
        let _never_made = fs::remove_dir(&self.path);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect("the program runs");
    assert!(status.success(), "{program} {}", arguments.join(" "));
}
