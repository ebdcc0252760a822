//! The program without its terminal: what comes in changes what is shown. Reads no clock and draws on any frame.

use std::time::Instant;

use ratatui::{Frame, crossterm::event::KeyEvent};

use super::{
    draw::{self, Help, Motion, Palette, Picture},
    glyphs::Glyphs,
    keys::{self, Request},
    looking::Looking,
    model::Model,
    sampler::Sample,
};

/// Something that the loop waits for.
#[derive(Debug)]
pub(super) enum Input {
    /// What the agent said, or why it said nothing.
    Sampled(Result<Box<Sample>, String>),
    /// A key.
    Key(KeyEvent),
    /// The terminal has another size: there is nothing to do but to draw.
    Resized,
    /// A signal to end.
    Ended,
    /// The program was stopped and goes on: the terminal is no longer as it was left.
    Continued,
    /// The terminal cannot be read any more.
    Deaf(std::io::Error),
}

/// What the loop has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Draw what changed.
    Draw,
    /// Draw everything.
    DrawAnew,
    /// Go into the background, then draw everything.
    Suspend,
    /// End.
    Quit,
}

/// What is shown, and how.
#[derive(Debug)]
pub(super) struct App {
    model: Model,
    /// The picture that was stopped.
    paused: Option<Box<Model>>,
    looking: Looking,
    help: Help,
    glyphs: Glyphs,
    palette: Palette,
}

impl App {
    /// Shows this at first.
    pub(super) fn new(model: Model, glyphs: Glyphs, palette: Palette) -> Self {
        Self { model, paused: None, looking: Looking::default(), help: Help::Hidden, glyphs, palette }
    }

    /// Takes what the agent said, or why it said nothing.
    pub(super) fn handle_sample(&mut self, sampled: Result<Box<Sample>, String>) {
        match sampled {
            Ok(sample) => self.model.handle_sample(*sample),
            Err(why) => self.model.handle_failure(why),
        }
    }

    /// Does what a key asks for.
    pub(super) fn handle_key(&mut self, key: KeyEvent) -> Next {
        match keys::request_of(key) {
            Request::Quit => return Next::Quit,
            Request::Back if self.help == Help::Hidden => return Next::Quit,
            Request::Suspend => return Next::Suspend,
            Request::Redraw => return Next::DrawAnew,
            Request::Back => self.help = Help::Hidden,
            Request::Help => {
                self.help = match self.help {
                    Help::Hidden => Help::Shown,
                    Help::Shown => Help::Hidden,
                };
            }
            Request::Pause => {
                self.paused = match self.paused.take() {
                    Some(_) => None,
                    None => Some(Box::new(self.model.clone())),
                };
            }
            Request::FocusNext => self.looking.focus_next(),
            Request::FocusPrevious => self.looking.focus_previous(),
            Request::Scroll(step) => {
                let shown = self.paused.as_deref().unwrap_or(&self.model);
                self.looking.step(step, &shown.events);
            }
            Request::Nothing => {}
        }
        Next::Draw
    }

    /// Draws it.
    pub(super) fn draw(&mut self, frame: &mut Frame, now: Instant) {
        let picture = Picture {
            model: self.paused.as_deref().unwrap_or(&self.model),
            motion: if self.paused.is_some() { Motion::Paused } else { Motion::Live },
            help: self.help,
            now,
            glyphs: self.glyphs,
            palette: self.palette,
        };
        draw::draw(frame, &picture, &mut self.looking);
    }
}

#[cfg(test)]
mod tests;
