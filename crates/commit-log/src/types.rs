//! The words of the log: record numbers, store ids, checkpoints, settings and counters.

use crate::error::OpenError;
use crate::format;
use std::fmt;

/// The number of a record: 1 for the first of a store, one more for each, never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordNumber(pub u64);

impl RecordNumber {
    /// The number of the record that follows.
    pub(crate) fn next(self) -> RecordNumber {
        RecordNumber(self.0 + 1)
    }
}

impl fmt::Display for RecordNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which store a log belongs to: random bytes, given once at creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Up to which record the caller needs the log no more, and what it wants to find at opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every record up to and including this one is durable elsewhere. 0: none is.
    pub settled: RecordNumber,
    /// The caller's own bytes, at most 64 KiB.
    pub state: Vec<u8>,
}

/// The sizes of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Length of a segment file in bytes: a multiple of 4096, from 16 KiB to 1 GiB. Segments of
    /// another length, left by earlier openings, are read as they are.
    pub segment_bytes: u64,
    /// Longest record in bytes: at most 8 MiB, and it must fit into one segment beside two
    /// blocks of 4096 bytes and a record head of 40 bytes.
    pub max_record_bytes: u64,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            segment_bytes: 16 << 20,
            max_record_bytes: 8 << 20,
        }
    }
}

/// Longest record any log takes, in bytes.
const RECORD_BYTES_LIMIT: u64 = 8 << 20;

/// Longest segment, in bytes: `scan` reads one segment at a time into memory.
const SEGMENT_BYTES_LIMIT: u64 = 1 << 30;

impl LogOptions {
    /// Bytes of content that fit into one record of a segment.
    pub(crate) fn content_bytes_max(&self) -> u64 {
        format::record_space(self.segment_bytes).saturating_sub(format::HEAD as u64)
    }

    /// Refuses sizes that cannot work, before anything is touched.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let block = format::BLOCK as u64;
        let whole = self.segment_bytes.is_multiple_of(block);
        if !whole || !(4 * block..=SEGMENT_BYTES_LIMIT).contains(&self.segment_bytes) {
            return Err(OpenError::Options {
                what: format!(
                    "segment_bytes is {}, expected a multiple of {block} from {} to {SEGMENT_BYTES_LIMIT}",
                    self.segment_bytes,
                    4 * block
                ),
            });
        }
        let limit = self.content_bytes_max().min(RECORD_BYTES_LIMIT);
        if !(1..=limit).contains(&self.max_record_bytes) {
            return Err(OpenError::Options {
                what: format!(
                    "max_record_bytes is {}, expected 1 to {limit} with segments of {} bytes",
                    self.max_record_bytes, self.segment_bytes
                ),
            });
        }
        Ok(())
    }
}

/// What one opening of a log has asked of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Positioned writes into files.
    pub writes: u64,
    /// Syncs of file bytes (`fdatasync`).
    pub syncs: u64,
    /// Syncs of the directory.
    pub dir_syncs: u64,
    /// Bytes of content given to `append`.
    pub bytes_appended: u64,
    /// Bytes handed to the file system by positioned writes, with heads, padding and headers.
    pub bytes_written: u64,
    /// Segment files made and filled with zero bytes; the others were recycled.
    pub segments_created: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_sizes_work() {
        LogOptions::default().check().expect("they fit");
    }

    #[test]
    fn sizes_that_cannot_work_are_refused() {
        for (segment_bytes, max_record_bytes) in [
            (0, 1),
            (12 << 10, 1),
            ((16 << 10) + 1, 1),
            (2 << 30, 1),
            (16 << 10, 0),
            (16 << 10, 8 << 10),
            (1 << 30, (8 << 20) + 1),
        ] {
            let options = LogOptions {
                segment_bytes,
                max_record_bytes,
            };
            let refused = options.check();
            assert!(
                matches!(refused, Err(OpenError::Options { .. })),
                "{options:?}"
            );
        }
    }

    #[test]
    fn the_largest_record_fills_a_segment() {
        let options = LogOptions {
            segment_bytes: 16 << 10,
            max_record_bytes: (8 << 10) - format::HEAD as u64,
        };
        options.check().expect("it fits");
    }
}
