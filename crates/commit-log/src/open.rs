//! Starting an opening: the creation of a log, and the rewriting of one that was read.
//!
//! A segment is filled and synced under another name and gets its own by a rename; the rename of
//! the last one, whose header has the *complete* flag, is the instant from which the new opening
//! counts. Until the rename is durable no file of the old opening is touched, so a crash leaves
//! the one or the other.

use crate::directory::{Directory, NamedFile};
use crate::disk::Disk;
use crate::error::{OpenError, Trouble};
use crate::format::{
    BLOCK, Kind, Link, Origin, Salted, SegmentHeader, encode_record, record_bytes, record_space,
};
use crate::log::{Active, Log, Retained};
use crate::name::{FileName, Files};
use crate::scan::Scan;
use crate::spares::{Access, Shortage, Spares};
use crate::types::{LogOptions, RecordNumber, StoreId};

/// Spares an opening sees to; an append or a checkpoint makes the others when it needs them.
const SPARES_AT_OPENING: usize = 1;

/// See [`Log::create`].
pub(crate) fn create<D: Disk>(
    disk: D,
    options: LogOptions,
    store: StoreId,
    salt: u64,
) -> Result<Log<D>, OpenError> {
    options.check()?;
    let mut directory = Directory::new(disk);
    let files = directory.list()?;
    if let Some(&(opening, serial)) = files.segments.first() {
        let file = FileName::Segment { opening, serial }.to_string();
        return Err(OpenError::Exists { file });
    }
    if let Some(&number) = files.spares.first() {
        let file = FileName::Spare(number).to_string();
        return Err(OpenError::Exists { file });
    }
    remove_fresh(&mut directory, &files)?;
    let origin = Origin {
        store,
        opening: 1,
        salt,
    };
    let mut spares = Spares::new(&files, options.segment_bytes);
    // Not a spare first: a spare would say that a log was here.
    let file = spares.make_fresh(&mut directory)?;
    let base = Link {
        serial: 1,
        last: RecordNumber(0),
        chain: origin.first_chain(),
    };
    let mut rewrite = Rewrite::start(directory, options, spares, origin, base, file);
    rewrite.count()?;
    Ok(rewrite.into_log(RecordNumber(0))?)
}

/// See [`Log::take_over`].
pub(crate) fn take_over<D: Disk>(
    disk: D,
    options: LogOptions,
    scan: &Scan,
    salt: u64,
) -> Result<Log<D>, OpenError> {
    options.check()?;
    refuse_if_records_do_not_fit(&options, scan)?;
    let mut directory = Directory::new(disk);
    // The names the scan relied on may not be durable yet, and what is a spare now might be a
    // segment after a crash. From here on neither can be.
    directory.sync_names()?;
    remove_fresh(&mut directory, &scan.files)?;
    let mut spares = Spares::new(&scan.files, options.segment_bytes);
    for &number in &scan.files.spares {
        spares.adopt(&mut directory, number)?;
    }
    let origin = Origin {
        store: scan.store,
        opening: scan.highest_opening() + 1,
        salt,
    };
    let base = Link {
        serial: scan.link.serial,
        last: scan.settled(),
        chain: origin.first_chain(),
    };
    let file = spares.take(&mut directory, Access::Reserved)?;
    let mut rewrite = Rewrite::start(directory, options, spares, origin, base, file);
    rewrite.copy(scan)?;
    rewrite.count()?;
    // Crash here: the new opening counts, and the files of the old ones wait for the next.
    let old: Vec<FileName> = scan
        .files
        .segments
        .iter()
        .map(|&(opening, serial)| FileName::Segment { opening, serial })
        .collect();
    rewrite.spares.recycle(&mut rewrite.directory, &old)?;
    Ok(rewrite.into_log(scan.settled())?)
}

/// Removes what was left half-made; nothing in it ever counted.
fn remove_fresh<D: Disk>(directory: &mut Directory<D>, files: &Files) -> Result<(), Trouble> {
    for &number in &files.fresh {
        directory.remove(FileName::Fresh(number))?;
    }
    Ok(())
}

/// Smaller segments than before must still hold the largest record of the tail.
fn refuse_if_records_do_not_fit(options: &LogOptions, scan: &Scan) -> Result<(), OpenError> {
    let state = scan.checkpoint.as_ref().map_or(0, |c| c.state.len() + 8);
    let largest = scan
        .tail
        .iter()
        .map(|(_, content)| content.len())
        .fold(state, usize::max);
    if record_bytes(largest as u64) <= record_space(options.segment_bytes) {
        return Ok(());
    }
    Err(OpenError::Options {
        what: format!(
            "segment_bytes is {}, and the log holds a record of {largest} bytes",
            options.segment_bytes
        ),
    })
}

/// One segment of the new opening.
struct Part<F> {
    /// Under another name until the opening counts.
    file: NamedFile<F>,
    /// Where its first record links in.
    base: Link,
    /// Where the next record goes, in bytes.
    offset: u64,
}

impl<F> Part<F> {
    fn new(file: NamedFile<F>, base: Link) -> Part<F> {
        Part {
            file,
            base,
            offset: BLOCK as u64,
        }
    }
}

/// A new opening while it is being written.
struct Rewrite<D: Disk> {
    directory: Directory<D>,
    options: LogOptions,
    spares: Spares,
    origin: Origin,
    salted: Salted,
    /// Where the chain stands.
    link: Link,
    /// The parts that are full, oldest first.
    full: Vec<Part<D::File>>,
    /// The part being filled, in the end the segment that takes records.
    last: Part<D::File>,
    /// The record being written.
    buffer: Vec<u8>,
}

impl<D: Disk> Rewrite<D> {
    fn start(
        directory: Directory<D>,
        options: LogOptions,
        spares: Spares,
        origin: Origin,
        base: Link,
        file: NamedFile<D::File>,
    ) -> Rewrite<D> {
        Rewrite {
            directory,
            options,
            spares,
            origin,
            salted: origin.salted(),
            link: base,
            full: Vec::new(),
            last: Part::new(file, base),
            buffer: Vec::new(),
        }
    }

    /// Writes the checkpoint and the tail.
    fn copy(&mut self, scan: &Scan) -> Result<(), Trouble> {
        if let Some(checkpoint) = &scan.checkpoint {
            let settled = checkpoint.settled.0.to_le_bytes();
            self.write(Kind::Checkpoint, &[&settled, &checkpoint.state])?;
        }
        for (_, content) in &scan.tail {
            self.write(Kind::Data, &[content])?;
        }
        Ok(())
    }

    /// Writes one record, unsynced.
    fn write(&mut self, kind: Kind, content: &[&[u8]]) -> Result<(), Trouble> {
        let link = encode_record(&mut self.buffer, &self.salted, self.link, kind, content);
        let end = BLOCK as u64 + record_space(self.options.segment_bytes);
        let bytes = self.buffer.len() as u64;
        if self.last.offset + bytes > end {
            let file = self.spares.take(&mut self.directory, Access::Reserved)?;
            let next = Part::new(file, self.link);
            self.full.push(std::mem::replace(&mut self.last, next));
        }
        let part = &mut self.last;
        self.directory
            .write(&mut part.file, part.offset, &self.buffer)?;
        part.offset += bytes;
        self.link = link;
        Ok(())
    }

    /// Makes everything durable, then lets it count.
    fn count(&mut self) -> Result<(), Trouble> {
        for part in &mut self.full {
            finish(&mut self.directory, &self.options, self.origin, part, false)?;
        }
        finish(
            &mut self.directory,
            &self.options,
            self.origin,
            &mut self.last,
            true,
        )?;
        // Crash here: nothing has a segment's name yet.
        if !self.full.is_empty() {
            for part in &mut self.full {
                name_segment(&mut self.directory, self.origin, part)?;
            }
            // Crash here: segments without the complete one; the old opening still counts.
            self.directory.sync_names()?;
        }
        name_segment(&mut self.directory, self.origin, &mut self.last)?;
        // Crash here: the old opening or the new one counts, and both hold the same records.
        self.directory.sync_names()
    }

    /// The log in work, once the opening counts.
    fn into_log(mut self, settled: RecordNumber) -> Result<Log<D>, Trouble> {
        match self.spares.top_up(&mut self.directory, SPARES_AT_OPENING) {
            // The log is whole; an append that needs the space will say that it is full.
            Ok(()) | Err(Shortage::Full(_)) => {}
            Err(Shortage::Failed(trouble)) => return Err(trouble),
        }
        let follows = self.full.iter().skip(1).map(|part| part.base.last);
        let lasts: Vec<RecordNumber> = follows.chain([self.last.base.last]).collect();
        let retained = self.full.iter().zip(lasts).map(|(part, last)| Retained {
            name: part.file.name,
            before: part.base.last,
            last,
            bytes_used: part.offset,
        });
        Ok(Log {
            retained: retained.collect(),
            directory: self.directory,
            options: self.options,
            origin: self.origin,
            salted: self.salted,
            link: self.link,
            settled,
            active: Active {
                file: self.last.file,
                base: self.last.base,
                offset: self.last.offset,
            },
            spares: self.spares,
            buffer: self.buffer,
            poisoned: false,
        })
    }
}

/// Writes the header of a part and makes the whole part durable.
fn finish<D: Disk>(
    directory: &mut Directory<D>,
    options: &LogOptions,
    origin: Origin,
    part: &mut Part<D::File>,
    complete: bool,
) -> Result<(), Trouble> {
    let header = SegmentHeader {
        origin,
        base: part.base,
        segment_bytes: options.segment_bytes,
        complete,
    };
    directory.write(&mut part.file, 0, &header.encode())?;
    directory.sync(&mut part.file)
}

/// Gives a part its name as a segment.
fn name_segment<D: Disk>(
    directory: &mut Directory<D>,
    origin: Origin,
    part: &mut Part<D::File>,
) -> Result<(), Trouble> {
    let name = FileName::Segment {
        opening: origin.opening,
        serial: part.base.serial,
    };
    directory.rename(part.file.name, name)?;
    part.file.name = name;
    Ok(())
}
