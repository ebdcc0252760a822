//! `afc top`: the cluster live on a terminal; anywhere else as plain text, a frame after the other.
//!
//! ```text
//!   agent ◄── asks ── sampler ── Sample ──► model ──► view (words) ──┬──► draw ──► terminal
//!             keys, signals ─── Input ────► app (focus, scroll) ─────┘      text ──► standard output
//! ```
//!
//! Only `sampler` talks to the agent, only `terminal` touches the terminal, only `live` and this file read the clock. The
//! rest is pure: a screen of any size can be drawn in a test. Nothing here changes anything in the cluster.

mod app;
mod draw;
#[cfg(test)]
mod example;
mod glyphs;
mod keys;
mod live;
mod looking;
mod model;
mod sampler;
mod terminal;
mod text;
mod view;

use std::{
    io::{self, Write},
    num::NonZeroU64,
    path::PathBuf,
    thread,
    time::{Duration, Instant, SystemTime},
};

use thiserror::Error;

use crate::control::client::ClientError;
use app::App;
use draw::Palette;
use glyphs::Glyphs;
use model::Model;
use sampler::Sampler;
use text::Text;

/// The shortest time between two samples: each costs the agent an answer.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// The longest.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(60);

/// What is shown, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The agent's control socket.
    pub socket: PathBuf,
    /// Between two samples.
    pub interval: Duration,
    /// Where to.
    pub form: Form,
}

/// How a moment is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// On the screen, if there is one; else as text without end.
    Screen,
    /// As so many frames of text.
    Frames(NonZeroU64),
}

/// Why nothing more is shown.
#[derive(Debug, Error)]
pub enum TopError {
    /// The agent gave no first answer.
    #[error(transparent)]
    Agent(#[from] ClientError),
    /// The terminal.
    #[error("cannot use the terminal: {0}; `afc top | cat` needs none")]
    Terminal(#[source] io::Error),
    /// Standard output.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// A defect.
    #[error("the thread that asks the agent has ended; this is a defect of afc")]
    Sampler,
}

/// Shows the cluster until somebody quits, or as many frames as were asked for. The caller must not hold a lock on standard
/// output: a panic in another thread gives the terminal back through it.
///
/// # Errors
/// There is no agent to begin with, or nowhere to show it.
pub fn run(options: Options) -> Result<(), TopError> {
    let Options { socket, interval, form } = options;
    let mut sampler = Sampler::new(socket);
    let model = Model::new(sampler.sample()?, interval);
    let glyphs = Glyphs::detect(variable);
    match form {
        Form::Screen if terminal::is_interactive() => {
            let app = App::new(model, glyphs, Palette::detect(variable));
            live::watch(app, sampler, interval)
        }
        Form::Screen => write_frames(model, sampler, Plan { interval, frames: None, glyphs }),
        Form::Frames(frames) => write_frames(model, sampler, Plan { interval, frames: Some(frames), glyphs }),
    }
}

/// How frames of text follow each other.
struct Plan {
    interval: Duration,
    /// Without end if there is none.
    frames: Option<NonZeroU64>,
    glyphs: Glyphs,
}

/// Writes frames of text with a blank line between them. That their reader hung up is no failure.
fn write_frames(mut model: Model, mut sampler: Sampler, plan: Plan) -> Result<(), TopError> {
    let mut out = io::stdout().lock();
    let mut left = plan.frames.map(NonZeroU64::get);
    let mut gap = "";
    loop {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let text = Text { model: &model, now, wall, glyphs: plan.glyphs };
        match write!(out, "{gap}{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(TopError::Output)?,
        }
        left = left.map(|left| left - 1);
        if left == Some(0) {
            return Ok(());
        }
        thread::sleep(plan.interval);
        match sampler.sample() {
            Ok(sample) => model.handle_sample(sample),
            Err(error) => model.handle_failure(error.to_string()),
        }
        gap = "\n";
    }
}

/// A variable of the environment; an empty one counts as none.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
