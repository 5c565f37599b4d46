//! Reading a log without touching it: which opening counts, and what its records are.

use crate::directory::{self, NamedFile};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::format::{BLOCK, FORMAT_VERSION, HeaderError, Link, SegmentHeader};
use crate::name::{FileName, Files};
use crate::types::{Checkpoint, RecordNumber, StoreId};
use crate::walk::Walk;

/// What a log holds, as far as can be read.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The store the log belongs to.
    pub store: StoreId,
    /// The number of the opening that wrote the log.
    pub opening: u64,
    /// The last checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// The state the log was sealed with; `None` if it was not sealed, so that a record whose
    /// acknowledgement nobody got may follow or be missing.
    pub seal: Option<Vec<u8>>,
    /// Every data record after the last checkpoint's settled one, in order.
    pub tail: Vec<(RecordNumber, Vec<u8>)>,
    /// The number of the last data record; 0 if there never was one.
    pub last: RecordNumber,
    /// The segments of the opening, oldest first.
    pub segments: Vec<SegmentReport>,
    /// Whether the log ends in a record that was cut short before it was acknowledged.
    pub torn_tail: bool,
    /// Where the chain stands after the last record.
    pub(crate) link: Link,
    /// Every file of the log, those of other openings too.
    pub(crate) files: Files,
}

/// One segment of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file's name in the log directory.
    pub file: String,
    /// The number its first data record has or would have.
    pub first: RecordNumber,
    /// How many data records it holds.
    pub records: u64,
    /// Bytes in use, the header included.
    pub bytes_used: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
}

impl Scan {
    /// The highest number of an opening that any file tells of, begun ones included.
    pub(crate) fn highest_opening(&self) -> u64 {
        let highest = self
            .files
            .segments
            .last()
            .map_or(0, |(opening, _)| *opening);
        highest.max(self.opening)
    }

    /// The number of the last record that is durable elsewhere.
    pub(crate) fn settled(&self) -> RecordNumber {
        self.checkpoint
            .as_ref()
            .map_or(RecordNumber(0), |checkpoint| checkpoint.settled)
    }
}

/// A segment whose header is good.
struct Segment<F> {
    file: NamedFile<F>,
    header: SegmentHeader,
}

/// Reads and checks the whole log; see [`Log::scan`](crate::Log::scan).
pub(crate) fn scan<D: Disk>(disk: &mut D) -> Result<Scan, OpenError> {
    let files = directory::list(disk)?;
    if files.segments.is_empty() {
        return Err(nothing_here(&files));
    }
    let mut segments = newest_complete(disk, &files)?;
    let mut walk = Walk::new(&segments[0].header);
    let mut bytes = Vec::new();
    for at in 0..segments.len() {
        let next = segments.get(at + 1).map(|segment| segment.header);
        let segment = &mut segments[at];
        bytes.resize(segment.header.segment_bytes as usize, 0);
        segment.file.read(0, &mut bytes)?;
        walk.segment(segment.file.name, &segment.header, &bytes, next.as_ref())?;
    }
    walk.finish(files)
}

/// No segment: either there never was a log, or its segments are gone.
fn nothing_here(files: &Files) -> OpenError {
    match files.spares.first() {
        // Spares are made and recycled only beside a segment whose name is durable.
        Some(&number) => OpenError::Corrupt {
            file: FileName::Spare(number).to_string(),
            offset: 0,
            what: "a spare segment is here, and no segment".to_owned(),
        },
        None => OpenError::Missing,
    }
}

/// The segments of the newest opening that counts, oldest first.
///
/// An opening counts once a segment with the *complete* flag has its name; until then a crash
/// interrupted it before anything was built on it, and the opening before is still whole. Once it
/// counts, no segment of an older one stays for longer than `take_over` takes: so if none counts,
/// something is damaged.
fn newest_complete<D: Disk>(
    disk: &mut D,
    files: &Files,
) -> Result<Vec<Segment<D::File>>, OpenError> {
    for same_opening in files.segments.chunk_by(|a, b| a.0 == b.0).rev() {
        let mut segments: Vec<Segment<D::File>> = Vec::new();
        for &(opening, serial) in same_opening {
            let segment = read_header(disk, FileName::Segment { opening, serial })?;
            if let Some(first) = segments.first()
                && first.header.origin != segment.header.origin
            {
                return Err(header_damage(
                    &segment.file.name,
                    "its store or salt differs from the opening's first segment",
                ));
            }
            segments.push(segment);
        }
        if segments.iter().any(|segment| segment.header.complete) {
            return Ok(segments);
        }
    }
    Err(OpenError::Corrupt {
        file: FileName::Segment {
            opening: files.segments[0].0,
            serial: files.segments[0].1,
        }
        .to_string(),
        offset: 0,
        what: "no opening is complete; segments are missing".to_owned(),
    })
}

fn read_header<D: Disk>(disk: &mut D, name: FileName) -> Result<Segment<D::File>, OpenError> {
    let mut file = directory::open(disk, name)?;
    let length = file.len()?;
    if length < BLOCK as u64 {
        return Err(cut_short(&name, length, BLOCK as u64));
    }
    let mut block = vec![0; BLOCK];
    file.read(0, &mut block)?;
    let header = match SegmentHeader::decode(&block) {
        Ok(header) => header,
        Err(HeaderError::Damaged(what)) => return Err(header_damage(&name, what)),
        Err(HeaderError::Newer(found)) => {
            return Err(OpenError::NewerFormat {
                file: name.to_string(),
                found,
                supported: FORMAT_VERSION,
            });
        }
    };
    let says = FileName::Segment {
        opening: header.origin.opening,
        serial: header.base.serial,
    };
    if says != name {
        return Err(header_damage(&name, "its header belongs to another file"));
    }
    // The length was synced before the file was named a segment.
    if length < header.segment_bytes {
        return Err(cut_short(&name, length, header.segment_bytes));
    }
    Ok(Segment { file, header })
}

fn header_damage(name: &FileName, what: &str) -> OpenError {
    OpenError::Corrupt {
        file: name.to_string(),
        offset: 0,
        what: what.to_owned(),
    }
}

fn cut_short(name: &FileName, found: u64, expected: u64) -> OpenError {
    OpenError::Corrupt {
        file: name.to_string(),
        offset: found,
        what: format!("the file ends after {found} bytes, expected {expected}"),
    }
}
