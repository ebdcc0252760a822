//! The loop behind the screen: it waits for the agent, a key or a signal, and draws.
//!
//! Three threads feed one bounded queue: the sampler, which blocks in asking the agent; the keys, which block in reading the
//! terminal; the signals. They end with the process: none holds anything that must be put in order.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{self, Event};
use signal_hook::{
    consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{
    TopError,
    app::{App, Input, Next},
    sampler::{Sampler, Wanted},
    terminal::Screen,
};

/// Inputs that wait to be taken. Whoever finds it full waits too: keys stay in the terminal's own queue.
const WAITING: usize = 64;
/// Without an input, the picture is drawn this often: how long the agent has been away grows.
const TICK: Duration = Duration::from_secs(1);

/// Shows `app` until somebody quits, and feeds it with what the agent says each `interval`.
pub(super) fn watch(mut app: App, sampler: Sampler, interval: Duration) -> Result<(), TopError> {
    let (inbox, inputs) = sync_channel(WAITING);
    let signals = Signals::new([SIGCONT, SIGHUP, SIGINT, SIGTERM]).map_err(TopError::Terminal)?;
    let mut screen = Screen::enter().map_err(TopError::Terminal)?;
    let sampling = {
        let inbox = inbox.clone();
        thread::spawn(move || {
            sampler.run(interval, |sampled| {
                let sampled = sampled.map(Box::new).map_err(|error| error.to_string());
                sent(&inbox, Input::Sampled(sampled))
            });
        })
    };
    let keys = inbox.clone();
    thread::spawn(move || read_keys(&keys));
    thread::spawn(move || note_signals(signals, &inbox));
    loop {
        screen.draw(|frame| app.draw(frame, Instant::now())).map_err(TopError::Terminal)?;
        // It ends by itself only if this loop did, or by a panic, which was printed.
        if sampling.is_finished() {
            return Err(TopError::Sampler);
        }
        match handle_waiting(&mut app, &inputs)? {
            Next::Draw => {}
            Next::DrawAnew => screen.retake().map_err(TopError::Terminal)?,
            Next::Suspend => screen.suspend().map_err(TopError::Terminal)?,
            Next::Quit => return Ok(()),
        }
    }
}

/// Waits for an input, and takes all that are there, so that a burst of them is drawn once.
fn handle_waiting(app: &mut App, inputs: &Receiver<Input>) -> Result<Next, TopError> {
    let first = match inputs.recv_timeout(TICK) {
        Ok(first) => first,
        Err(RecvTimeoutError::Timeout) => return Ok(Next::Draw),
        Err(RecvTimeoutError::Disconnected) => return Err(TopError::Sampler),
    };
    for input in std::iter::once(first).chain(inputs.try_iter().take(WAITING)) {
        let next = match input {
            Input::Sampled(sampled) => {
                app.handle_sample(sampled);
                Next::Draw
            }
            Input::Key(key) => app.handle_key(key),
            Input::Resized => Next::Draw,
            Input::Continued => Next::DrawAnew,
            Input::Ended => Next::Quit,
            Input::Deaf(error) => return Err(TopError::Terminal(error)),
        };
        if next != Next::Draw {
            return Ok(next);
        }
    }
    Ok(Next::Draw)
}

/// Reads the terminal until nobody wants to know.
fn read_keys(inbox: &SyncSender<Input>) {
    loop {
        let input = match event::read() {
            Ok(Event::Key(key)) => Input::Key(key),
            Ok(Event::Resize(..)) => Input::Resized,
            Ok(Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_)) => continue,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Input::Deaf(error),
        };
        let is_last = matches!(input, Input::Deaf(_));
        if sent(inbox, input) == Wanted::NoMore || is_last {
            return;
        }
    }
}

fn note_signals(mut signals: Signals, inbox: &SyncSender<Input>) {
    for signal in signals.forever() {
        let input = if signal == SIGCONT { Input::Continued } else { Input::Ended };
        if sent(inbox, input) == Wanted::NoMore {
            return;
        }
    }
}

fn sent(inbox: &SyncSender<Input>, input: Input) -> Wanted {
    match inbox.send(input) {
        Ok(()) => Wanted::More,
        Err(_) => Wanted::NoMore,
    }
}
