//! The thread that writes a recording.
//!
//! Owner: `agent`, one thread. It looks into the queue again and again, so that the fast path need not wake it, and ends
//! when the fast path has ended, at the size limit, or when the file cannot be written. A process that is killed loses what
//! came since the last look; a line that it was writing is cut off.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use afc_engine::recording::{End, Header, Line, Step};

use super::{Incident, Item, Shared};

/// Between two looks into the queue.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Writer<T> {
    file: BufWriter<File>,
    written_bytes: u64,
    limit_bytes: u64,
    shared: Arc<Shared>,
    /// The last step, to which effects may still come.
    step: Option<Step>,
    has_gap: bool,
    tell: T,
}

/// Whether the recording goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Going,
    Full,
}

impl<T: Fn(Incident)> Writer<T> {
    pub(super) fn new(file: File, limit_bytes: u64, shared: Arc<Shared>, tell: T) -> Self {
        Self {
            file: BufWriter::new(file),
            written_bytes: 0,
            limit_bytes,
            shared,
            step: None,
            has_gap: false,
            tell,
        }
    }

    /// Writes until the recording ends.
    pub(super) fn run(mut self, header: Header) {
        let ended = self.write_all(header);
        self.shared.is_closed.store(true, Ordering::Relaxed);
        match ended {
            Ok(End::Stopped) => {}
            Ok(End::SizeLimit) => (self.tell)(Incident::SizeLimit),
            Err(error) => (self.tell)(Incident::Failed(error)),
        }
    }

    fn write_all(&mut self, header: Header) -> io::Result<End> {
        let mut progress = self.put(&Line::Header(Box::new(header)))?;
        let end = loop {
            // Before the look: what was put in until then is seen.
            let is_over = self.shared.is_over.load(Ordering::Acquire);
            if progress == Progress::Going {
                progress = self.take_all()?;
            }
            if progress == Progress::Going && is_over {
                progress = self.finish()?;
            }
            match progress {
                Progress::Full => break End::SizeLimit,
                Progress::Going if is_over => break End::Stopped,
                Progress::Going => {}
            }
            self.file.flush()?;
            thread::sleep(PAUSE);
        };
        self.file.write_all(Line::End(end).to_text().as_bytes())?;
        self.file.flush()?;
        Ok(end)
    }

    /// Writes what waits in the queue.
    fn take_all(&mut self) -> io::Result<Progress> {
        while let Some(item) = self.shared.queue.pop() {
            if self.take(item)? == Progress::Full {
                return Ok(Progress::Full);
            }
        }
        Ok(Progress::Going)
    }

    fn take(&mut self, item: Item) -> io::Result<Progress> {
        let next = match item {
            Item::Start { at_ns } => Step { at_ns, event: None, effects: Vec::new() },
            Item::Event { at_ns, event } => Step { at_ns, event: Some(event), effects: Vec::new() },
            Item::Effect(effect) => {
                let step =
                    self.step.as_mut().expect("an effect is put in behind its event, or counted as lost");
                step.effects.push(effect);
                return Ok(Progress::Going);
            }
            Item::Gap { lost } => return self.gap(lost),
        };
        match self.step.replace(next) {
            Some(complete) => self.put(&Line::Step(complete)),
            None => Ok(Progress::Going),
        }
    }

    /// Writes what is left when nothing more can come.
    fn finish(&mut self) -> io::Result<Progress> {
        match self.shared.lost_at_end.load(Ordering::Relaxed) {
            0 => match self.step.take() {
                Some(complete) => self.put(&Line::Step(complete)),
                None => Ok(Progress::Going),
            },
            lost => self.gap(lost),
        }
    }

    /// Writes a gap. The step before it may lack effects, so it is lost as well.
    fn gap(&mut self, lost: u64) -> io::Result<Progress> {
        let step = self.step.take().map_or(0, |step| 1 + step.effects.len() as u64);
        let lost = lost + step;
        // A replay ends at the first.
        if !std::mem::replace(&mut self.has_gap, true) {
            (self.tell)(Incident::Gap { lost });
        }
        self.put(&Line::Gap { lost })
    }

    /// Writes a line, unless no end would fit behind it.
    fn put(&mut self, line: &Line) -> io::Result<Progress> {
        let text = line.to_text();
        let end_bytes = Line::End(End::SizeLimit).to_text().len() as u64;
        let bytes = self.written_bytes + text.len() as u64;
        if bytes + end_bytes > self.limit_bytes {
            return Ok(Progress::Full);
        }
        self.written_bytes = bytes;
        self.file.write_all(text.as_bytes())?;
        Ok(Progress::Going)
    }
}
