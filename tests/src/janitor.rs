//! Removes what a lab made, once the lab is gone: dropped, panicked, or killed outright.
//!
//! A shell in a session of its own reads what there is to remove from a pipe. The other end is the lab's process's alone, so
//! the pipe ends when that process does, whatever ended it; only then does the shell act. A lab that is dropped
//! goes the same way and waits for it, so there is one way to clean up and it runs in every test.
//!
//! It kills no process but those inside the lab's namespaces.

use std::{
    fs,
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result};

use crate::netns;

/// What the shell runs. Lines of input: `namespace NAME`, `mount PATH`, `directory PATH`.
const SCRIPT: &str = r#"
while read -r kind value; do
    case $kind in
        namespace) namespaces="$namespaces $value" ;;
        mount) mounts="$mounts $value" ;;
        directory) directories="$directories $value" ;;
    esac
done
for namespace in $namespaces; do
    for process in $(ip netns pids "$namespace" 2>/dev/null); do kill -9 "$process"; done
    ip netns del "$namespace"
done
for mount in $mounts; do umount -l "$mount"; done
# What a lab that was swept up had mounted besides.
for directory in $directories; do
    while read -r _ mount _; do
        case $mount in "$directory"/*) umount -l "$mount" ;; esac
    done < /proc/mounts
done
for directory in $directories; do rm -rf --one-file-system "$directory"; done
"#;

/// The shell and the pipe to it. Dropping it cleans up.
#[derive(Debug)]
pub struct Janitor {
    shell: Child,
    orders: Option<ChildStdin>,
}

impl Janitor {
    /// Starts the shell. Nothing is to be removed yet.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn start() -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: setsid is async-signal-safe and allocates nothing.
        unsafe {
            command.pre_exec(|| match libc::setsid() {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            })
        };
        let mut shell = command.spawn().context("starting the lab's janitor")?;
        let orders = shell.stdin.take();
        Ok(Self { shell, orders })
    }

    /// Has a namespace removed, and the processes in it.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn remove_namespace(&mut self, name: &str) -> Result<()> {
        self.order("namespace", name)
    }

    /// Has a mount undone.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn undo_mount(&mut self, path: &Path) -> Result<()> {
        self.order("mount", &path.display().to_string())
    }

    /// Has a directory removed.
    ///
    /// # Errors
    /// When the shell is gone.
    pub fn remove_directory(&mut self, path: &Path) -> Result<()> {
        self.order("directory", &path.display().to_string())
    }

    /// Tells the shell one thing.
    fn order(&mut self, kind: &str, value: &str) -> Result<()> {
        let orders = self.orders.as_mut().expect("the pipe is closed only by dropping");
        writeln!(orders, "{kind} {value}").context("the lab's janitor is gone")
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Err(error) = self.shell.wait() {
            eprintln!("afc-lab: the janitor did not finish: {error}");
        }
    }
}

/// Removes what labs of dead processes have left, should their janitors have been killed too.
///
/// # Errors
/// When the directories can't be read.
pub fn sweep(temporary: &Path) -> Result<()> {
    let mut janitor = Janitor::start()?;
    for name in leftovers(Path::new(netns::DIRECTORY))? {
        janitor.remove_namespace(&name)?;
    }
    for name in leftovers(temporary)? {
        janitor.undo_mount(&temporary.join(&name).join("bpf"))?;
        janitor.remove_directory(&temporary.join(&name))?;
    }
    Ok(())
}

/// Entries of `directory` that belong to labs of processes that are gone.
fn leftovers(directory: &Path) -> Result<Vec<String>> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| owner_of(name).is_some_and(is_gone)).collect())
}

/// The process that made what is called `afc-<pid>-<n>..`.
fn owner_of(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix("afc-")?.split_once('-')?;
    rest.starts_with(|first: char| first.is_ascii_digit()).then_some(())?;
    pid.parse().ok()
}

/// Whether no process has this number.
fn is_gone(pid: u32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_for;

    #[test]
    fn only_names_of_labs_have_an_owner() {
        for (name, owner) in [
            ("afc-17-0-switch", Some(17)),
            ("afc-17-3", Some(17)),
            ("afc-lab-n1", None),
            ("afc-17-pins", None),
            ("docker0", None),
        ] {
            assert_eq!(owner_of(name), owner, "{name}");
        }
    }

    #[test]
    fn a_janitor_removes_directories_only_once_its_pipe_is_closed() {
        let directory = std::env::temp_dir().join(format!("janitor-test-{}", std::process::id()));
        fs::create_dir_all(directory.join("inner")).unwrap();
        let mut janitor = Janitor::start().unwrap();
        janitor.remove_directory(&directory).unwrap();
        assert!(directory.exists());
        drop(janitor);
        wait_for("the directory to go", std::time::Duration::from_secs(5), || !directory.exists()).unwrap();
    }
}
