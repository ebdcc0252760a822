//! `afc replay`: tells a recording again, and whether this engine does what the recorded one did.

mod lines;
mod story;
mod teller;

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
};

use afc_engine::recording::{Difference, End, Header, Played, Player, ReadError};
use thiserror::Error;

use super::Replaying;
use lines::{Completeness, Lines};
use story::Story;
use teller::{Outcome, Tally, Teller};

/// Why a recording was not replayed to its end.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file.
    #[error("cannot read the recording {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of it.
    #[error("{}: {error}", path.display())]
    Flawed {
        /// Which file.
        path: PathBuf,
        /// Which line, and what is wrong with it.
        error: ReadError,
    },
    /// There is nothing in it.
    #[error("{}: the file is empty, so nothing was recorded", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// No such service.
    #[error("the recording has no service {wanted:?}; it has {known}")]
    NoService {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// This engine asks for something else.
    #[error("{}:{line}: this engine differs from the recorded one, afc {version}, at effect {place} of that step\n  \
             recorded: {recorded}\n  now:      {replayed}", path.display())]
    Differs {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
        /// Which effect of it, from 1.
        place: usize,
        /// The version that recorded.
        version: String,
        /// What it asked for.
        recorded: String,
        /// What this one asks for.
        replayed: String,
    },
    /// What comes behind a gap cannot be replayed.
    #[error("{}:{line}: {lost} events and effects are missing here, as the agent recorded faster than its disk wrote; up to \
             here everything is identical, and behind it the engine's state is not known", path.display())]
    Gap {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: usize,
        /// How many.
        lost: u64,
    },
    /// Standard output.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It says so.
    Said(End),
    /// There is just nothing more: the agent was killed, or still records.
    Open,
    /// In the middle of a line, for the same reasons.
    CutOff,
}

/// `afc replay`.
///
/// # Errors
/// The recording cannot be read, has a gap, or differs from what this engine does.
pub(super) fn replay(replaying: &Replaying, out: &mut impl Write) -> Result<(), ReplayError> {
    match play(replaying, out) {
        // That its reader hung up, as in `afc replay FILE | head`, is no failure.
        Err(ReplayError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn play(replaying: &Replaying, out: &mut impl Write) -> Result<(), ReplayError> {
    let path = replaying.file.as_path();
    let read = |source| ReplayError::Read { path: path.to_owned(), source };
    let flawed = |error| ReplayError::Flawed { path: path.to_owned(), error };
    let mut lines = Lines::new(BufReader::new(File::open(path).map_err(read)?));
    let mut player = Player::new();
    if lines.next().map_err(read)?.is_none() {
        return Err(ReplayError::Empty { path: path.to_owned() });
    }
    player.play(lines.text()).map_err(flawed)?;
    let header = player.header().expect("the player takes nothing else for a first line").clone();
    let mut teller = Teller::begin(replaying, &header, out)?;
    let mut tally = Tally::default();
    let mut ending = Ending::Open;
    while let Some(completeness) = lines.next().map_err(read)? {
        let played = match player.play(lines.text()) {
            Ok(played) => played,
            Err(_) if completeness == Completeness::CutOff => {
                ending = Ending::CutOff;
                break;
            }
            Err(error) => return Err(flawed(error)),
        };
        let line = player.line();
        match played {
            Played::Header => unreachable!("the decoder refuses a second header"),
            Played::Step(step) => {
                teller.step(line, &step)?;
                if let Some(difference) = &step.difference {
                    teller.end(&tally, line, Outcome::Differs(difference))?;
                    return Err(differs(path, line, &header, difference));
                }
                tally.count(&step);
            }
            Played::Gap { lost } => {
                teller.end(&tally, line, Outcome::Gap { lost })?;
                return Err(ReplayError::Gap { path: path.to_owned(), line, lost });
            }
            Played::End(end) => ending = Ending::Said(end),
        }
    }
    teller.end(&tally, player.line(), Outcome::Identical(ending))
}

fn differs(path: &Path, line: usize, header: &Header, difference: &Difference) -> ReplayError {
    let story = Story::new(header, 0);
    let told =
        |effect: &Option<_>| effect.as_ref().map_or("nothing more".to_owned(), |effect| story.effect(effect));
    ReplayError::Differs {
        path: path.to_owned(),
        line,
        place: difference.place + 1,
        version: header.afc.clone(),
        recorded: told(&difference.recorded),
        replayed: told(&difference.replayed),
    }
}

#[cfg(test)]
mod tests;
