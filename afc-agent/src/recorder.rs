//! Records what the engine is handed and what it asks for, beside a fast path that does not notice.
//!
//! The fast path puts each event and effect into a bounded queue and never waits: what finds no room is counted, and is a
//! gap in the recording. One thread takes them out and writes lines (see [`afc_engine::recording`] for their form).

mod writer;

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use afc_engine::{Effect, Event, recording::Header};
use crossbeam_queue::ArrayQueue;

use crate::heartbeat::scheduling::STACK_BYTES;
use writer::Writer;

/// Events and effects that wait for the writer, at most: seconds of them at the usual intervals. More are lost, and the
/// recording has a gap.
const ITEMS: usize = 1 << 16;

/// What waits in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// The engine was made; its first effects follow.
    Start { at_ns: u64 },
    /// An event is handed in; its effects follow.
    Event { at_ns: u64, event: Event },
    /// The engine asked for this.
    Effect(Effect),
    /// So many found no room here.
    Gap { lost: u64 },
}

// The fast path copies them, which must not allocate.
const _: () = assert!(!std::mem::needs_drop::<Item>());

/// What both ends know.
struct Shared {
    queue: ArrayQueue<Item>,
    /// The fast path has ended: nothing is put in any more.
    is_over: AtomicBool,
    /// What was lost behind the last item.
    lost_at_end: AtomicU64,
    /// The writer has ended: nothing is taken out any more.
    is_closed: AtomicBool,
}

/// The fast path's end. Dropping it ends the recording.
pub struct Recorder {
    shared: Arc<Shared>,
    /// Not yet told to the writer.
    lost: u64,
}

/// What happens to a recording while the agent runs.
#[derive(Debug)]
pub enum Incident {
    /// So many events and effects were lost: the writer was too slow.
    Gap {
        /// How many.
        lost: u64,
    },
    /// The size limit is reached, and the recording has ended.
    SizeLimit,
    /// The file cannot be written, and the recording has ended.
    Failed(io::Error),
}

/// Starts a recording at `path`, and says what happens to it. A file that is there already is kept beside it as `.old`,
/// in place of an earlier one.
///
/// # Errors
/// The file cannot be made, or the thread.
pub fn start(
    path: &Path,
    limit_bytes: u64,
    header: Header,
    tell: impl Fn(Incident) + Send + 'static,
) -> io::Result<(Recorder, JoinHandle<()>)> {
    set_aside(path)?;
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let (recorder, shared) = Recorder::with_room_for(ITEMS);
    let writer = Writer::new(file, limit_bytes, shared, tell);
    let thread = thread::Builder::new()
        .name("afc-record".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || writer.run(header))?;
    Ok((recorder, thread))
}

fn set_aside(path: &Path) -> io::Result<()> {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    match fs::rename(path, PathBuf::from(old)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Recorder {
    fn with_room_for(items: usize) -> (Self, Arc<Shared>) {
        let shared = Arc::new(Shared {
            queue: ArrayQueue::new(items),
            is_over: AtomicBool::new(false),
            lost_at_end: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        });
        (Self { shared: Arc::clone(&shared), lost: 0 }, shared)
    }

    /// The engine was made then.
    pub fn start(&mut self, at_ns: u64) {
        self.put_step(Item::Start { at_ns });
    }

    /// The engine is handed an event.
    pub fn event(&mut self, at_ns: u64, event: &Event) {
        self.put_step(Item::Event { at_ns, event: event.clone() });
    }

    /// The engine asked for something, because of the event before.
    pub fn effect(&mut self, effect: &Effect) {
        // An effect behind a lost event would be taken for one of the event before.
        if self.lost > 0 || !self.put(Item::Effect(effect.clone())) {
            self.lost += 1;
        }
    }

    fn put_step(&mut self, item: Item) {
        if self.lost > 0 && self.put(Item::Gap { lost: self.lost }) {
            self.lost = 0;
        }
        if self.lost > 0 || !self.put(item) {
            self.lost += 1;
        }
    }

    /// Whether there was room. One place stays free: in the last one a push would wait for a writer that was interrupted
    /// while it took out the item there.
    fn put(&self, item: Item) -> bool {
        if self.shared.is_closed.load(Ordering::Relaxed) {
            return true;
        }
        self.shared.queue.len() + 1 < self.shared.queue.capacity() && self.shared.queue.push(item).is_ok()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.lost_at_end.store(self.lost, Ordering::Relaxed);
        self.shared.is_over.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
