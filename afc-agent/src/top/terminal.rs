//! The terminal in raw mode, on its second screen, and back: whatever happens, it is left as it was found.

use std::{
    io::{self, IsTerminal, Stdout, Write},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor, execute,
        terminal::{
            Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
        },
    },
};
use signal_hook::{consts::SIGTSTP, low_level};

/// Whether the terminal is ours. One for the process, as the terminal is, so that a panic in any thread can give it back,
/// once.
static ENTERED: AtomicBool = AtomicBool::new(false);
/// The panic hook that does so.
static HOOK: Once = Once::new();

/// The terminal while it is ours. Dropping it gives it back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// There is none, or it cannot do this.
    pub(super) fn enter() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                // First, so that the message stays on the screen that is left.
                leave();
                before(info);
            }));
        });
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| leave())?;
        Ok(Self { terminal })
    }

    /// Draws, unless a panic has given the terminal back.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Frame)) -> io::Result<()> {
        if ENTERED.load(Ordering::SeqCst) {
            self.terminal.draw(picture)?;
        }
        Ok(())
    }

    /// Takes the terminal again, in whatever mode it is now, and forgets what was drawn.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn retake(&mut self) -> io::Result<()> {
        leave();
        take()?;
        // A new one knows nothing of what is drawn. Clearing the old one would ask the terminal where its cursor is, whose
        // answer the thread that reads keys would take.
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }

    /// Gives the terminal back and stops the program, as the shell's job control does, until somebody continues it.
    ///
    /// # Errors
    /// The terminal is gone, or the program cannot stop.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        low_level::raise(SIGTSTP)?;
        self.retake()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Whether there is somebody at a terminal that a picture can be drawn on.
pub(super) fn is_interactive() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && io::stdin().is_terminal() && !is_dumb
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All), cursor::Hide).inspect_err(|_| leave())
}

/// Gives the terminal back, if it is ours.
fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        // If the terminal is gone, nobody is left to tell; each is tried whatever became of the other.
        let shown = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
        let cooked = disable_raw_mode();
        drop((shown, cooked, io::stdout().flush()));
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, thread, time::Duration};

    use afc_terminal::{LineMode, Size, Terminal};

    use super::*;

    /// Tells this test that it is the one in the terminal.
    const INSIDE: &str = "AFC_TEST_IN_TERMINAL";
    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn a_panic_in_any_thread_gives_the_terminal_back_once_and_its_message_can_be_read() {
        if std::env::var_os(INSIDE).is_some() {
            let screen = Screen::enter().unwrap();
            assert!(thread::spawn(|| panic!("on purpose")).join().is_err());
            drop(screen);
            panic!("and again");
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        let this = thread::current().name().unwrap().to_owned();
        command.args(["--exact", "--nocapture", &this]).env(INSIDE, "1").env("TERM", "xterm-256color");
        let mut terminal = Terminal::spawn(command, Size { columns: 150, rows: 40 }).unwrap();
        assert!(!terminal.wait_for_end(SOON).unwrap().success());
        terminal.wait_for("the last message", SOON, |it| it.screen().contains("and again")).unwrap();
        assert!(terminal.screen().contains("on purpose"), "{}", terminal.screen());
        assert!(!terminal.is_on_alternate_screen() && !terminal.is_cursor_hidden());
        assert_eq!(terminal.line_mode().unwrap(), LineMode::COOKED);
        let written = String::from_utf8_lossy(&terminal.written()).into_owned();
        assert_eq!(
            [written.matches("\u{1b}[?1049h").count(), written.matches("\u{1b}[?1049l").count()],
            [1, 1]
        );
    }
}
