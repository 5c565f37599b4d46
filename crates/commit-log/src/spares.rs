//! The pool of files that are ready to become segments: recycled ones first, new ones if need be.

use crate::directory::{Directory, NamedFile};
use crate::disk::Disk;
use crate::error::{OpenError, Trouble};
use crate::name::{FileName, Files};

/// Spares held back for what has to get through on a full disk.
const RESERVE: usize = 1;

/// Spares a log in work keeps ready: the reserve, and one so that no append waits for zero bytes.
pub(crate) const READY: usize = RESERVE + 1;

/// Spares kept after a busy time; any beyond are removed.
const KEPT_MAX: usize = 8;

/// Who asks for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Leaves the reserve alone.
    Ordinary,
    /// May take the last one.
    Reserved,
}

/// Why no file could be had.
#[derive(Debug)]
pub(crate) enum Shortage {
    /// No room on the disk; everything is as it was.
    Full(Trouble),
    /// The file system failed.
    Failed(Trouble),
}

impl From<Shortage> for Trouble {
    fn from(shortage: Shortage) -> Trouble {
        match shortage {
            Shortage::Full(trouble) | Shortage::Failed(trouble) => trouble,
        }
    }
}

impl From<Shortage> for OpenError {
    fn from(shortage: Shortage) -> OpenError {
        Trouble::from(shortage).into()
    }
}

/// The pool.
#[derive(Debug)]
pub(crate) struct Spares {
    /// Spare files, each `segment_bytes` long; after a crash none of them is named a segment.
    numbers: Vec<u64>,
    /// The number of the next spare or fresh file.
    next: u64,
    /// The length every spare has.
    segment_bytes: u64,
    /// Whether the last attempt to make a file found no room for it.
    disk_full: bool,
}

impl Spares {
    /// An empty pool beside the files of a directory.
    pub(crate) fn new(files: &Files, segment_bytes: u64) -> Spares {
        Spares {
            numbers: Vec::new(),
            next: files.next_number(),
            segment_bytes,
            disk_full: false,
        }
    }

    /// How many files are ready.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is no more to be had than what is in the pool.
    pub(crate) fn is_last(&self) -> bool {
        self.disk_full && self.numbers.len() <= RESERVE
    }

    /// Takes in a spare that is already there, or removes it if it has another length. Its name
    /// must be durable: the caller has synced the directory since it was listed.
    pub(crate) fn adopt<D: Disk>(
        &mut self,
        directory: &mut Directory<D>,
        number: u64,
    ) -> Result<(), Trouble> {
        let name = FileName::Spare(number);
        let length = directory.open(name)?.len()?;
        if length == self.segment_bytes && self.numbers.len() < KEPT_MAX {
            self.numbers.push(number);
            Ok(())
        } else {
            directory.remove(name)
        }
    }

    /// Turns segments that nobody needs into spares, and makes that durable.
    pub(crate) fn recycle<D: Disk>(
        &mut self,
        directory: &mut Directory<D>,
        segments: &[FileName],
    ) -> Result<(), Trouble> {
        if segments.is_empty() {
            return Ok(());
        }
        let mut renamed = Vec::new();
        for &segment in segments {
            renamed.push(self.next);
            directory.rename(segment, FileName::Spare(self.next))?;
            self.next += 1;
        }
        // Crash here: some of the segments are spares, some are still segments below the ones
        // needed, in any combination; a scan takes both. None was written to.
        directory.sync_names()?;
        for number in renamed {
            self.adopt(directory, number)?;
        }
        Ok(())
    }

    /// Makes spares until there are `wanted`.
    pub(crate) fn top_up<D: Disk>(
        &mut self,
        directory: &mut Directory<D>,
        wanted: usize,
    ) -> Result<(), Shortage> {
        while self.numbers.len() < wanted {
            let made = self.make_fresh(directory)?;
            // Crash here: a fresh file is left, which the next opening removes.
            let number = self.next;
            self.next += 1;
            directory
                .rename(made.name, FileName::Spare(number))
                .map_err(Shortage::Failed)?;
            self.numbers.push(number);
        }
        Ok(())
    }

    /// Makes a file of zero bytes, durable but for its name.
    pub(crate) fn make_fresh<D: Disk>(
        &mut self,
        directory: &mut Directory<D>,
    ) -> Result<NamedFile<D::File>, Shortage> {
        let name = FileName::Fresh(self.next);
        self.next += 1;
        let made = directory.create(name, self.segment_bytes);
        self.disk_full = made.as_ref().is_err_and(Trouble::is_full);
        match made {
            Ok(file) => Ok(file),
            Err(trouble) if trouble.is_full() => {
                directory.remove_if_there(name).map_err(Shortage::Failed)?;
                Err(Shortage::Full(trouble))
            }
            Err(trouble) => Err(Shortage::Failed(trouble)),
        }
    }

    /// Hands out one file to be filled. Whoever takes it syncs its bytes, then renames it to a
    /// segment, then syncs the directory: until then its bytes mean nothing.
    pub(crate) fn take<D: Disk>(
        &mut self,
        directory: &mut Directory<D>,
        access: Access,
    ) -> Result<NamedFile<D::File>, Shortage> {
        let least = match access {
            Access::Ordinary => READY,
            Access::Reserved => RESERVE,
        };
        self.top_up(directory, least)?;
        // The youngest: the one whose pages are likeliest still in memory.
        let number = self.numbers[self.numbers.len() - 1];
        let spare = directory
            .open(FileName::Spare(number))
            .map_err(Shortage::Failed)?;
        self.numbers.pop();
        Ok(spare)
    }
}
