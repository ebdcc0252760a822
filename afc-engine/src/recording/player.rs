//! Plays a recording: a new engine is handed the same events at the same times, and what it asks for is compared.

use super::{Decoder, End, Header, Line, ReadError, Step};
use crate::{Effect, Engine};

/// Plays one recording, line by line.
#[derive(Debug, Default)]
pub struct Player {
    decoder: Decoder,
    header: Option<Box<Header>>,
    engine: Option<Engine>,
}

/// What one line was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Played {
    /// The header, which [`Player::header`] has from now on.
    Header,
    /// A step, and what the engine did at it.
    Step(Box<Replayed>),
    /// Nothing behind it can be played: the engine's state is not known any more.
    Gap {
        /// Events and effects that are not in the recording.
        lost: u64,
    },
    /// The end.
    End(End),
}

/// A step, played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The step as recorded.
    pub step: Step,
    /// What this engine asks for.
    pub effects: Vec<Effect>,
    /// Where that first differs. From there on the events are no answer to this engine any more.
    pub difference: Option<Difference>,
}

/// The first effect of a step that is not the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its place among the step's effects, from 0.
    pub place: usize,
    /// What was recorded; nothing when this engine asks for more.
    pub recorded: Option<Effect>,
    /// What this engine asks for; nothing when it asks for less.
    pub replayed: Option<Effect>,
}

impl Player {
    /// A player at the first line.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the recording started with, once that was played.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_deref()
    }

    /// The number of the line played last, from 1.
    pub fn line(&self) -> usize {
        self.decoder.line()
    }

    /// Plays the next line. Not to be called behind a gap.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn play(&mut self, text: &[u8]) -> Result<Played, ReadError> {
        Ok(match self.decoder.decode(text)? {
            Line::Header(header) => {
                self.header = Some(header);
                Played::Header
            }
            Line::Step(step) => Played::Step(Box::new(self.step(step))),
            Line::Gap { lost } => Played::Gap { lost },
            Line::End(end) => Played::End(end),
        })
    }

    fn step(&mut self, step: Step) -> Replayed {
        let header = self.header.as_deref().expect("the decoder lets no step come before the header");
        let mut effects = Vec::with_capacity(step.effects.len());
        let engine = self
            .engine
            .get_or_insert_with(|| Engine::new(header.setup.clone(), header.restored.clone(), step.at_ns));
        if let Some(event) = &step.event {
            engine.handle(event.clone(), step.at_ns);
        }
        while let Some(effect) = engine.poll_effect() {
            effects.push(effect);
        }
        let difference = difference(&step.effects, &effects);
        Replayed { step, effects, difference }
    }
}

fn difference(recorded: &[Effect], replayed: &[Effect]) -> Option<Difference> {
    let longest = recorded.len().max(replayed.len());
    let place = (0..longest).find(|&place| recorded.get(place) != replayed.get(place))?;
    let [recorded, replayed] = [recorded, replayed].map(|effects| effects.get(place).cloned());
    Some(Difference { place, recorded, replayed })
}
