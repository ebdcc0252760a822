//! Floors of epochs on disk (design.md section 2, "Restart"): for each service a number at or above every epoch that
//! this node granted or held, reserved in blocks ahead of use and made exact by a clean stop.
//!
//! A file that cannot be trusted is kept aside and its floors are *unknown*, which is not the same as zero: a node
//! that forgot could grant below what it granted. That survives restarts until a floor is reserved anew.

mod format;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use afc_ebpf::identity::{OwnerWord, ServiceId};
use thiserror::Error;

pub use format::Damage;

use super::{
    file::{self, WriteError},
    incarnation,
};

/// The file.
const FILE: &str = "floors";
/// What a file that cannot be trusted becomes.
const DAMAGED: &str = "floors.damaged";
/// All but the owner's bits below the counter.
const CLAIMER_AND_HOP: u64 = 0xffff_f000;
/// The owner's bits.
const OWNER: u64 = 0xfff;

/// The floor of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// Every epoch with a counter up to this one may have been granted or held.
    Reserved(u32),
    /// The highest epoch granted or held, as an owner word without owner; nothing for a service never heard of.
    Exact(OwnerWord),
}

impl Floor {
    /// The lowest word at or above every epoch that this floor covers, without owner.
    pub const fn word(self) -> OwnerWord {
        match self {
            Self::Reserved(counter) => OwnerWord(((counter as u64) << 32) | CLAIMER_AND_HOP),
            Self::Exact(word) => OwnerWord(word.0 & !OWNER),
        }
    }

    fn counter(self) -> u32 {
        self.word().epoch().counter()
    }
}

/// What the file said at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// No agent ran here before: every floor is zero.
    FirstStart,
    /// The file is good. Floors may still be unknown from an earlier loss.
    Known,
    /// An agent ran here before, and its file is gone: floors are unknown.
    Lost,
    /// The file cannot be trusted: floors are unknown.
    Damaged {
        /// Where it is kept for people.
        kept: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// The floors as they are on disk.
#[derive(Clone, Debug)]
pub struct FloorStore {
    dir: PathBuf,
    table: Table,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Table {
    unlisted: Unlisted,
    floors: BTreeMap<ServiceId, Floor>,
}

/// What is known of services that are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unlisted {
    /// This node never granted or held any epoch of theirs.
    Zero,
    /// The file that would have said it is gone.
    Unknown,
}

/// Why floors could not be read or made safe.
#[derive(Debug, Error)]
pub enum FloorError {
    /// The file is there but could not be read.
    #[error("cannot read {}: {source}; let afc's user read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The damaged file could not be moved away.
    #[error("cannot keep the damaged {} aside: {source}; move it away by hand", path.display())]
    KeepAside {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The floors could not be written; what was safe before still is.
    #[error("cannot make floors safe: {0}")]
    Write(#[from] WriteError),
}

impl FloorStore {
    /// Reads the floors of a locked state directory, and says what there was to read.
    ///
    /// # Errors
    /// The disk failed. Damaged content is no error but [`Loaded::Damaged`].
    pub fn open(dir: &Path) -> Result<(Self, Loaded), FloorError> {
        let path = dir.join(FILE);
        let (table, loaded) = match fs::read(&path) {
            Ok(bytes) => match format::parse(&bytes) {
                Ok(table) => {
                    return Ok((Self { dir: dir.to_owned(), table }, Loaded::Known));
                }
                Err(damage) => (Table::unknown(), keep_aside(&path, dir, damage)?),
            },
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FloorError::Read { path, source: error });
            }
            Err(_) if was_used(dir) => (Table::unknown(), Loaded::Lost),
            Err(_) => (Table { unlisted: Unlisted::Zero, floors: BTreeMap::new() }, Loaded::FirstStart),
        };
        let store = Self { dir: dir.to_owned(), table };
        store.write(&store.table)?;
        Ok((store, loaded))
    }

    /// The floor of a service; `None` when it was lost, so that only the quarantine and the other voters' records stand
    /// between this node and an old epoch, until it reserves one anew.
    pub fn get(&self, service: ServiceId) -> Option<Floor> {
        let unlisted = match self.table.unlisted {
            Unlisted::Zero => Some(Floor::Exact(OwnerWord::NONE)),
            Unlisted::Unknown => None,
        };
        self.table.floors.get(&service).copied().or(unlisted)
    }

    /// Makes it safe to grant and hold epochs of a service with a counter up to `counter`. Never lowers a floor.
    ///
    /// # Errors
    /// The disk failed; the floor is as before.
    pub fn reserve(&mut self, service: ServiceId, counter: u32) -> Result<(), FloorError> {
        self.reserve_all([(service, counter)])
    }

    /// The same for many services with one write.
    ///
    /// # Errors
    /// The disk failed; the floors are as before.
    pub fn reserve_all(
        &mut self,
        counters: impl IntoIterator<Item = (ServiceId, u32)>,
    ) -> Result<(), FloorError> {
        let mut table = self.table.clone();
        for (service, counter) in counters {
            let floor = table.floors.entry(service).or_insert(Floor::Reserved(counter));
            if counter >= floor.counter() {
                *floor = Floor::Reserved(counter);
            }
        }
        self.change(table)
    }

    /// Replaces reserved floors by exact ones: words at or above everything granted or held. Only for a node that grants
    /// and holds nothing any more, so at a clean stop.
    ///
    /// # Errors
    /// The disk failed; the floors are as before, which is safe.
    pub fn save_exact(
        &mut self,
        words: impl IntoIterator<Item = (ServiceId, OwnerWord)>,
    ) -> Result<(), FloorError> {
        let mut table = self.table.clone();
        table.floors.extend(
            words.into_iter().map(|(service, word)| (service, Floor::Exact(OwnerWord(word.0 & !OWNER)))),
        );
        self.change(table)
    }

    fn change(&mut self, table: Table) -> Result<(), FloorError> {
        if table != self.table {
            self.write(&table)?;
            self.table = table;
        }
        Ok(())
    }

    fn write(&self, table: &Table) -> Result<(), FloorError> {
        Ok(file::replace(&self.dir, FILE, &format::render(table))?)
    }
}

impl Table {
    fn unknown() -> Self {
        Self { unlisted: Unlisted::Unknown, floors: BTreeMap::new() }
    }
}

fn keep_aside(path: &Path, dir: &Path, damage: Damage) -> Result<Loaded, FloorError> {
    let kept = dir.join(DAMAGED);
    match fs::rename(path, &kept) {
        Ok(()) => Ok(Loaded::Damaged { kept, damage }),
        Err(source) => Err(FloorError::KeepAside { path: path.to_owned(), source }),
    }
}

/// Whether an agent ran here before. In doubt it did.
fn was_used(dir: &Path) -> bool {
    dir.join(incarnation::FILE).try_exists().unwrap_or(true)
}

#[cfg(test)]
mod tests;
