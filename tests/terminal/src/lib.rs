//! A program in a pseudo-terminal, for tests: what it draws, what is typed, and how it leaves the terminal.
//!
//! The pseudo-terminal is rustix's; what the program writes goes through vt100, a terminal's parser without a window, so a
//! test sees the screen as a person would. Knows nothing of afc.

use std::{
    fs::File,
    io::{self, Read, Write},
    num::NonZeroU16,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::{
    fs::{Mode, OFlags, open},
    process::{Pid, Signal, ioctl_tiocsctty, kill_process, setsid},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize},
};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A terminal's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// What a terminal does with keys, as far as programs change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineMode {
    /// It gathers lines before the program reads them.
    pub canonical: bool,
    /// It shows what is typed.
    pub echo: bool,
    /// It makes signals of keys.
    pub signals: bool,
}

impl LineMode {
    /// As a terminal is before anybody changes it.
    pub const COOKED: Self = Self { canonical: true, echo: true, signals: true };
    /// As a program has it that reads every key itself.
    pub const RAW: Self = Self { canonical: false, echo: false, signals: false };
}

/// A program and its terminal. Dropping it kills the program.
#[derive(Debug)]
pub struct Terminal {
    program: Child,
    master: File,
    /// Kept open, so that the terminal outlives the program and its mode can still be asked for.
    slave: OwnedFd,
    shown: Arc<Mutex<Shown>>,
}

/// What the program has written.
struct Shown {
    parser: vt100::Parser,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parser.screen().contents())
    }
}

impl Terminal {
    /// Runs a program in a terminal of its own, whose session it leads.
    ///
    /// # Errors
    /// There are no more pseudo-terminals, or the program can't be started.
    pub fn spawn(mut command: Command, size: Size) -> Result<Self> {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).context("openpt")?;
        grantpt(&master).context("grantpt")?;
        unlockpt(&master).context("unlockpt")?;
        let name = ptsname(&master, Vec::new()).context("ptsname")?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = open(name, flags, Mode::empty()).context("opening the terminal")?;
        tcsetwinsize(&master, winsize(size)).context("setting the terminal's size")?;
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave.try_clone()?);
        // SAFETY: between fork and exec only two system calls are made, which need no lock and no memory.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                // Standard input is the terminal by now.
                ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        let program = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let parser = vt100::Parser::new(at_least_one(size.rows), at_least_one(size.columns), 0);
        let shown = Arc::new(Mutex::new(Shown { parser, bytes: Vec::new() }));
        let master = File::from(master);
        let mut output = master.try_clone()?;
        let screen = Arc::clone(&shown);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Ends with an error when the last side of the terminal is closed.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                let mut shown = lock(&screen);
                shown.parser.process(&buffer[..count]);
                shown.bytes.extend_from_slice(&buffer[..count]);
            }
        });
        Ok(Self { program, master, slave, shown })
    }

    /// Types these bytes.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn type_keys(&self, keys: &str) -> io::Result<()> {
        (&self.master).write_all(keys.as_bytes())
    }

    /// What is on the screen, line by line.
    pub fn screen(&self) -> String {
        lock(&self.shown).parser.screen().contents()
    }

    /// The first line of the screen that begins with this.
    pub fn line(&self, beginning: &str) -> Option<String> {
        self.screen().lines().find(|line| line.starts_with(beginning)).map(str::to_owned)
    }

    /// Whether the program is on its second screen, which leaves no trace.
    pub fn is_on_alternate_screen(&self) -> bool {
        lock(&self.shown).parser.screen().alternate_screen()
    }

    /// Whether the cursor is hidden.
    pub fn is_cursor_hidden(&self) -> bool {
        lock(&self.shown).parser.screen().hide_cursor()
    }

    /// Every byte that the program wrote.
    pub fn written(&self) -> Vec<u8> {
        lock(&self.shown).bytes.clone()
    }

    /// Gives the terminal another size, of which the program is told.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        let [rows, columns] = [size.rows, size.columns].map(at_least_one);
        // First, so that nothing drawn for the new size is read on a screen of the old one.
        lock(&self.shown).parser.screen_mut().set_size(rows, columns);
        Ok(tcsetwinsize(&self.master, winsize(size))?)
    }

    /// What the terminal does with keys now.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn line_mode(&self) -> io::Result<LineMode> {
        let modes = self.settings()?.local_modes;
        Ok(LineMode {
            canonical: modes.contains(LocalModes::ICANON),
            echo: modes.contains(LocalModes::ECHO),
            signals: modes.contains(LocalModes::ISIG),
        })
    }

    /// Sends the program SIGTERM.
    ///
    /// # Errors
    /// It has ended.
    pub fn terminate(&self) -> io::Result<()> {
        let pid = Pid::from_child(&self.program);
        Ok(kill_process(pid, Signal::TERM)?)
    }

    /// Waits until something holds.
    ///
    /// # Errors
    /// When it does not within `timeout`; `what` completes the sentence "not within 5s: ..".
    pub fn wait_for(
        &mut self,
        what: &str,
        timeout: Duration,
        mut condition: impl FnMut(&mut Self) -> bool,
    ) -> Result<()> {
        let start = Instant::now();
        while !condition(self) {
            if start.elapsed() >= timeout {
                bail!("not within {timeout:?}: {what}; on the screen:\n{}", self.screen());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Waits until the program has ended; how it did.
    ///
    /// # Errors
    /// When it does not within `timeout`.
    pub fn wait_for_end(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let mut status = None;
        self.wait_for("the program ends", timeout, |it| {
            status = it.program.try_wait().ok().flatten();
            status.is_some()
        })?;
        status.context("a program that ended has a status")
    }

    fn settings(&self) -> io::Result<Termios> {
        Ok(tcgetattr(self.slave.as_fd())?)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail only if the program has ended and was waited for already, which is what is wanted.
        drop((self.program.kill(), self.program.wait()));
    }
}

/// The shown, also when a thread that had it has panicked.
fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A terminal without rows or columns shows nothing, but a parser needs a place for the cursor.
fn at_least_one(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN)
}

const fn winsize(Size { columns, rows }: Size) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn a_program_has_a_terminal_of_this_size_and_reads_what_is_typed() {
        let mut command = Command::new("sh");
        command.args(["-c", "stty size; stty -echo; echo ready; read word; echo \"[$word]\"; exit 3"]);
        let mut terminal = Terminal::spawn(command, Size { columns: 91, rows: 17 }).unwrap();
        terminal.wait_for("it is ready", SOON, |it| it.line("ready").is_some()).unwrap();
        assert_eq!(terminal.line("17").as_deref(), Some("17 91"));
        assert_eq!(terminal.line_mode().unwrap(), LineMode { echo: false, ..LineMode::COOKED });
        terminal.type_keys("hello\n").unwrap();
        terminal.wait_for("it has read", SOON, |it| it.line("[hello]").is_some()).unwrap();
        assert_eq!(terminal.wait_for_end(SOON).unwrap().code(), Some(3));
        let error = terminal.wait_for("never", Duration::ZERO, |_| false).unwrap_err().to_string();
        assert!(error.starts_with("not within 0ns: never; on the screen:\n17 91\nready\n"), "{error}");
    }
}
