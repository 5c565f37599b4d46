//! A log in work: appending, going on to the next segment, checkpoints, and the clean end.
//!
//! Invariant: every byte before `active.offset` is durable, every segment of this opening is
//! durable under its name, and the last segment alone takes records. The first failed write or
//! sync poisons the log, because nobody knows which of its bytes the disk has.

use crate::directory::{Directory, NamedFile};
use crate::disk::Disk;
use crate::error::{AppendError, OpenError, Trouble};
use crate::format::{
    BLOCK, Footer, Kind, Link, Origin, Salted, SegmentHeader, encode_record, record_bytes,
    record_space,
};
use crate::kill;
use crate::name::FileName;
use crate::open;
use crate::scan::{self, Scan, SegmentReport};
use crate::spares::{Access, READY, Shortage, Spares};
use crate::types::{Counters, LogOptions, RecordNumber, StoreId};
use std::borrow::Borrow;
use std::collections::VecDeque;
use std::fmt;

/// Longest state of a checkpoint, in bytes.
const CHECKPOINT_BYTES_MAX: u64 = 64 << 10;

/// Longest state of a seal, in bytes.
const SEAL_BYTES_MAX: u64 = 1 << 20;

/// An open log; see the [crate documentation](crate). One thread at a time uses it.
pub struct Log<D: Disk> {
    pub(crate) directory: Directory<D>,
    pub(crate) options: LogOptions,
    /// Who this opening is; in every header and, mixed in, in every checksum.
    pub(crate) origin: Origin,
    pub(crate) salted: Salted,
    /// Where the chain stands; moves when a record is durable, never before.
    pub(crate) link: Link,
    /// The number of the last durable checkpoint.
    pub(crate) settled: RecordNumber,
    /// The segment that takes records.
    pub(crate) active: Active<D::File>,
    /// Older segments of this opening that are still needed, oldest first.
    pub(crate) retained: VecDeque<Retained>,
    pub(crate) spares: Spares,
    /// The record being written; kept for its allocation.
    pub(crate) buffer: Vec<u8>,
    /// Set by the first failed write or sync, never cleared.
    pub(crate) poisoned: bool,
}

/// The segment that takes records.
pub(crate) struct Active<F> {
    /// The file, under its segment name.
    pub(crate) file: NamedFile<F>,
    /// Where its first record links in.
    pub(crate) base: Link,
    /// Where the next record goes, in bytes: a multiple of the block.
    pub(crate) offset: u64,
}

/// A segment that takes no more records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retained {
    pub(crate) name: FileName,
    /// The last record number before the segment.
    pub(crate) before: RecordNumber,
    /// The last record number of the segment.
    pub(crate) last: RecordNumber,
    /// Bytes in use, the header included.
    pub(crate) bytes_used: u64,
}

impl<D: Disk> Log<D> {
    /// Makes the log of a new store, whose records start at 1. `salt` is drawn at random.
    ///
    /// # Errors
    ///
    /// `Exists` if any segment of a log is there, complete or not. What an earlier, interrupted
    /// creation left behind is removed.
    pub fn create(
        disk: D,
        options: LogOptions,
        store: StoreId,
        salt: u64,
    ) -> Result<Log<D>, OpenError> {
        open::create(disk, options, store, salt)
    }

    /// Reads and checks every record the log still has. Reads only: nothing is written, renamed
    /// or removed, so it also works on a read-only or full file system. The caller sees to it
    /// that nobody writes meanwhile.
    ///
    /// What it shows may not be durable yet, see [`Log::take_over`].
    ///
    /// # Errors
    ///
    /// `Missing` if there is no log, `Corrupt` with file and offset if any record, header or
    /// segment that must be there is not, `NewerFormat` if a later version wrote the log.
    pub fn scan(disk: &mut D, options: &LogOptions) -> Result<Scan, OpenError> {
        options.check()?;
        scan::scan(disk)
    }

    /// Starts a new opening on top of what [`Log::scan`] found: writes the last checkpoint and
    /// the tail into fresh segments, syncs them, and only then lets go of the old ones. When it
    /// returns `Ok`, everything the scan showed is durable. A crash anywhere leaves a log that
    /// scans to the same records, and [`Log::opening`] numbers never come back.
    ///
    /// `salt` is drawn at random for each call, never the same twice: it tells this opening's
    /// records from the stale bytes of any other, also of one that was cut off before it counted
    /// and had the same number. `scan` is given by value or by reference, unchanged.
    ///
    /// # Errors
    ///
    /// `Full` if there is no room for the tail, `ReadOnly`, or `Io`. No record is lost by any.
    pub fn take_over(
        disk: D,
        options: LogOptions,
        scan: impl Borrow<Scan>,
        salt: u64,
    ) -> Result<Log<D>, OpenError> {
        open::take_over(disk, options, scan.borrow(), salt)
    }

    /// The number of this opening, greater than that of any before: the fencing token.
    #[must_use]
    pub fn opening(&self) -> u64 {
        self.origin.opening
    }

    /// The store the log belongs to.
    #[must_use]
    pub fn store(&self) -> StoreId {
        self.origin.store
    }

    /// The number of the last durable record; 0 if there never was one.
    #[must_use]
    pub fn last(&self) -> RecordNumber {
        self.link.last
    }

    /// The number of the last checkpoint; 0 if there never was one.
    #[must_use]
    pub fn settled(&self) -> RecordNumber {
        self.settled
    }

    /// What this opening has asked of the disk.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.directory.counters
    }

    /// Segment files ready to be used, the one held in reserve included.
    #[must_use]
    pub fn spares(&self) -> usize {
        self.spares.len()
    }

    /// The segments in use, oldest first; the last one takes records. The first can be recycled
    /// once a checkpoint reaches the last of its records.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentReport> {
        let active = Retained {
            name: self.active.file.name,
            before: self.active.base.last,
            last: self.link.last,
            bytes_used: self.active.offset,
        };
        let all = self.retained.iter().chain([&active]);
        all.map(|segment| SegmentReport {
            file: segment.name.to_string(),
            first: segment.before.next(),
            records: segment.last.0 - segment.before.0,
            bytes_used: segment.bytes_used,
            bytes: self.options.segment_bytes,
        })
        .collect()
    }

    /// Appends one record, all `parts` in a row, and returns its number once it is durable.
    ///
    /// # Errors
    ///
    /// `Full` if the segment has no room and the disk none for another but the reserve; after
    /// `Io` the record may or may not be found at the next opening, and the log is poisoned.
    pub fn append(&mut self, parts: &[&[u8]]) -> Result<RecordNumber, AppendError> {
        self.append_data(parts, Access::Ordinary)
    }

    /// Appends as [`Log::append`] does, and may use up the reserve: for what has to get through
    /// on a full disk, so that space can be given back or the engine can stop in order.
    ///
    /// # Errors
    ///
    /// As for [`Log::append`]; `Full` if the reserve is used up too.
    pub fn append_reserved(&mut self, parts: &[&[u8]]) -> Result<RecordNumber, AppendError> {
        self.append_data(parts, Access::Reserved)
    }

    /// Notes that every record up to `settled` is durable elsewhere, with the caller's `state`
    /// (64 KiB at most), then recycles the segments nobody needs. May use the reserve.
    ///
    /// # Errors
    ///
    /// `SettledOutOfRange` if `settled` is below the last checkpoint's or above the last record;
    /// `TooLarge`, `Full`, `Io` and `Poisoned` as for [`Log::append`].
    pub fn checkpoint(&mut self, settled: RecordNumber, state: &[u8]) -> Result<(), AppendError> {
        self.refuse_if_poisoned()?;
        if !(self.settled..=self.link.last).contains(&settled) {
            return Err(AppendError::SettledOutOfRange {
                settled,
                least: self.settled,
                last: self.link.last,
            });
        }
        // The number in front of the state takes 8 bytes.
        let limit = self
            .options
            .content_bytes_max()
            .min(CHECKPOINT_BYTES_MAX + 8)
            - 8;
        refuse_if_longer(&[state], limit)?;
        kill::point("before-checkpoint");
        self.write_checkpoint(settled, state)?;
        // Crash here: the segments below are found again, and recycled by a later checkpoint.
        self.settled = settled;
        self.recycle().map_err(|trouble| self.poison(trouble))?;
        kill::point("after-checkpoint");
        Ok(())
    }

    /// Ends the log cleanly with the caller's `state` (1 MiB at most): nothing follows a seal, so
    /// the next scan knows that no record is missing. May use the reserve.
    ///
    /// # Errors
    ///
    /// As for [`Log::append`]. Whatever it says, the log is closed; its records are as safe as
    /// without a seal.
    pub fn seal(mut self, state: &[u8]) -> Result<(), AppendError> {
        self.refuse_if_poisoned()?;
        let limit = self.options.content_bytes_max().min(SEAL_BYTES_MAX);
        refuse_if_longer(&[state], limit)?;
        let link = self.encode(Kind::Seal, &[state]);
        self.make_room(Access::Reserved)?;
        self.write_encoded(link)
            .map_err(|trouble| self.poison(trouble))
    }

    fn append_data(
        &mut self,
        parts: &[&[u8]],
        access: Access,
    ) -> Result<RecordNumber, AppendError> {
        self.refuse_if_poisoned()?;
        let bytes = refuse_if_longer(parts, self.options.max_record_bytes)?;
        let link = self.encode(Kind::Data, parts);
        self.make_room(access)?;
        kill::point("before-write");
        self.write_buffer()
            .map_err(|trouble| self.poison(trouble))?;
        kill::point("after-write");
        self.sync_buffer(link)
            .map_err(|trouble| self.poison(trouble))?;
        kill::point("after-sync");
        self.directory.counters.bytes_appended += bytes;
        Ok(link.last)
    }

    fn refuse_if_poisoned(&self) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        Ok(())
    }

    fn poison(&mut self, trouble: Trouble) -> AppendError {
        self.poisoned = true;
        AppendError::Io {
            file: trouble.file,
            source: trouble.source,
        }
    }

    /// Encodes the next record into the buffer; returns where the chain stands once it is durable.
    fn encode(&mut self, kind: Kind, parts: &[&[u8]]) -> Link {
        encode_record(&mut self.buffer, &self.salted, self.link, kind, parts)
    }

    /// Bytes the segment has left for records.
    fn room(&self) -> u64 {
        BLOCK as u64 + record_space(self.options.segment_bytes) - self.active.offset
    }

    /// Goes on to the next segment if the encoded record does not fit into this one.
    fn make_room(&mut self, access: Access) -> Result<(), AppendError> {
        if self.buffer.len() as u64 <= self.room() {
            return Ok(());
        }
        self.go_on(access)
    }

    fn go_on(&mut self, access: Access) -> Result<(), AppendError> {
        let spare = match self.spares.take(&mut self.directory, access) {
            Ok(spare) => spare,
            Err(Shortage::Full(Trouble { file, source })) => {
                return Err(AppendError::Full { file, source });
            }
            Err(Shortage::Failed(trouble)) => return Err(self.poison(trouble)),
        };
        self.go_on_in(spare).map_err(|trouble| self.poison(trouble))
    }

    /// Makes `next` the segment that takes records.
    fn go_on_in(&mut self, mut next: NamedFile<D::File>) -> Result<(), Trouble> {
        let header = SegmentHeader {
            origin: self.origin,
            base: self.link,
            segment_bytes: self.options.segment_bytes,
            complete: true,
        };
        let spare_name = next.name;
        self.directory.write(&mut next, 0, &header.encode())?;
        self.directory.sync(&mut next)?;
        // Crash here: a spare stays a spare, whatever is in it.
        next.name = FileName::Segment {
            opening: self.origin.opening,
            serial: self.link.serial,
        };
        self.directory.rename(spare_name, next.name)?;
        self.directory.sync_names()?;
        // Crash here: the chain goes on in an empty segment.
        let mut left = std::mem::replace(
            &mut self.active,
            Active {
                file: next,
                base: self.link,
                offset: BLOCK as u64,
            },
        );
        self.retained.push_back(Retained {
            name: left.file.name,
            before: left.base.last,
            last: self.link.last,
            bytes_used: left.offset,
        });
        let footer = Footer {
            base_serial: left.base.serial,
            next_serial: self.link.serial,
            next_chain: self.link.chain,
        };
        let offset = self.options.segment_bytes - BLOCK as u64;
        self.directory
            .write(&mut left.file, offset, &footer.encode(&self.salted))?;
        self.directory.sync(&mut left.file)
    }

    /// The one write and the one sync of a record that is not the caller's.
    fn write_encoded(&mut self, link: Link) -> Result<(), Trouble> {
        self.write_buffer()?;
        self.sync_buffer(link)
    }

    /// The one write of a record.
    fn write_buffer(&mut self) -> Result<(), Trouble> {
        // Crash here: any part of the record may be found later, and only a whole one counts.
        let Active { file, offset, .. } = &mut self.active;
        self.directory.write(file, *offset, &self.buffer)
    }

    /// The one sync of a record; once it returns, the record counts.
    fn sync_buffer(&mut self, link: Link) -> Result<(), Trouble> {
        self.directory.sync(&mut self.active.file)?;
        self.active.offset += self.buffer.len() as u64;
        self.link = link;
        Ok(())
    }

    fn write_checkpoint(&mut self, settled: RecordNumber, state: &[u8]) -> Result<(), AppendError> {
        let link = self.encode(Kind::Checkpoint, &[&settled.0.to_le_bytes(), state]);
        // On a full disk a segment that is settled to its end, but too full for another record,
        // is the only room there is: with the checkpoint in the reserve, it becomes the reserve.
        let largest = record_bytes(self.options.max_record_bytes);
        let stuck = self.spares.is_last() && self.room() < largest;
        if stuck && settled == self.link.last && self.spares.len() > 0 {
            self.go_on(Access::Reserved)?;
        }
        self.make_room(Access::Reserved)?;
        self.write_encoded(link)
            .map_err(|trouble| self.poison(trouble))
    }

    /// Gives back the segments below the checkpoint, and sees to it that spares are ready.
    fn recycle(&mut self) -> Result<(), Trouble> {
        let settled = self.settled;
        let done = self
            .retained
            .iter()
            .take_while(|segment| segment.last <= settled)
            .count();
        let names: Vec<FileName> = self.retained.drain(..done).map(|done| done.name).collect();
        self.spares.recycle(&mut self.directory, &names)?;
        match self.spares.top_up(&mut self.directory, READY) {
            // The checkpoint is durable; an append that needs the space will say that it is full.
            Ok(()) | Err(Shortage::Full(_)) => Ok(()),
            Err(Shortage::Failed(trouble)) => Err(trouble),
        }
    }
}

/// The length of all parts, if it is within the limit.
fn refuse_if_longer(parts: &[&[u8]], limit: u64) -> Result<u64, AppendError> {
    let bytes = parts.iter().map(|part| part.len() as u64).sum();
    if bytes > limit {
        return Err(AppendError::TooLarge { bytes, limit });
    }
    Ok(bytes)
}

impl<D: Disk> fmt::Debug for Log<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("origin", &self.origin)
            .field("last", &self.link.last)
            .field("settled", &self.settled)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}
