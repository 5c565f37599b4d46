//! Values in the table: whole up to [`ROW_BYTES_MAX`], in parts beyond.
//!
//! sled moves nodes with large values into files it never syncs, so no row is larger than
//! [`ROW_BYTES_MAX`]. A larger value is cut: its first row, under the value's own key, is sealed
//! as [`ValueKind::Chunked`] and holds the length of the whole value (4 bytes), its CRC-32 (4),
//! the number of further parts (4) and the first slice; part `n` from 1 is sealed as
//! [`ValueKind::Chunk`] under [`keys::part`] and holds the next slice. Numbers are little-endian.
//! The slices joined are the value as it stands in the log, with its own envelope. A part counts
//! only when a first row speaks of it.

use std::borrow::Cow;

use stepwell_core::Seq;
use stepwell_core::envelope::{self, DecodeError, HEAD_BYTES, ValueKind};
use stepwell_store::keys;

use crate::table::{Row, Table, TableError};

/// Largest value of one row in the table, its envelope included, in bytes.
pub(crate) const ROW_BYTES_MAX: usize = 4096;

const FIRST_HEAD_BYTES: usize = 12;
const FIRST_SLICE_BYTES: usize = ROW_BYTES_MAX - HEAD_BYTES - FIRST_HEAD_BYTES;
const SLICE_BYTES: usize = ROW_BYTES_MAX - HEAD_BYTES;

/// Why a value could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ValueError {
    /// It is not what was written.
    Damaged(String),
    /// The table cannot be read.
    Table(TableError),
}

impl From<TableError> for ValueError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

impl From<DecodeError> for ValueError {
    fn from(error: DecodeError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// The rows of a value: the first under its own key, then its parts.
pub(crate) struct Rows<'a> {
    /// The value under its own key.
    pub(crate) first: Cow<'a, [u8]>,
    /// The further parts with their keys; empty for a value that fits one row.
    pub(crate) parts: Vec<Row>,
}

/// Cuts `value` into rows.
pub(crate) fn cut<'a>(key: &[u8], value: &'a [u8]) -> Result<Rows<'a>, envelope::EncodeError> {
    if value.len() <= ROW_BYTES_MAX {
        return Ok(Rows {
            first: Cow::Borrowed(value),
            parts: Vec::new(),
        });
    }
    let (slice, rest) = value.split_at(FIRST_SLICE_BYTES);
    let mut parts = Vec::with_capacity(rest.len().div_ceil(SLICE_BYTES));
    for (number, slice) in (1..).zip(rest.chunks(SLICE_BYTES)) {
        let key = keys::part(key, number);
        let part = envelope::seal(ValueKind::Chunk, &key, None, Seq::FIRST, slice)?;
        parts.push((key, part));
    }
    let too_large = envelope::EncodeError::TooLarge;
    let length = u32::try_from(value.len()).map_err(|_| too_large)?;
    let count = u32::try_from(parts.len()).map_err(|_| envelope::EncodeError::TooLarge)?;
    let mut body = Vec::with_capacity(ROW_BYTES_MAX);
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(&crc32fast::hash(value).to_le_bytes());
    body.extend_from_slice(&count.to_le_bytes());
    body.extend_from_slice(slice);
    let first = envelope::seal(ValueKind::Chunked, key, None, Seq::FIRST, &body)?;
    Ok(Rows {
        first: Cow::Owned(first),
        parts,
    })
}

/// The number of further parts the first row `value` under `key` speaks of.
pub(crate) fn parts_of(key: &[u8], value: &[u8]) -> u32 {
    match envelope::open(key, value) {
        Ok(opened) if opened.kind == ValueKind::Chunked => {
            FirstHead::of(opened.body).map_or(0, |head| head.parts)
        }
        // A row that cannot be trusted speaks of no parts: what it may leave behind is unused.
        Ok(_) | Err(_) => 0,
    }
}

/// The whole value whose first row is `value` under `key`, as it stood in the log.
pub(crate) fn whole<T: Table>(
    table: &T,
    key: &[u8],
    value: Vec<u8>,
) -> Result<Vec<u8>, ValueError> {
    let opened = envelope::open(key, &value)?;
    if opened.kind != ValueKind::Chunked {
        return Ok(value);
    }
    let Some(head) = FirstHead::of(opened.body) else {
        return Err(ValueError::Damaged("first part is too short".to_owned()));
    };
    let length = head.length as usize;
    let most = FIRST_SLICE_BYTES + head.parts as usize * SLICE_BYTES;
    if length > most {
        return Err(ValueError::Damaged(format!(
            "{} parts cannot hold {length} bytes",
            head.parts
        )));
    }
    let mut joined = Vec::with_capacity(length);
    joined.extend_from_slice(&opened.body[FIRST_HEAD_BYTES..]);
    for number in 1..=head.parts {
        let key = keys::part(key, number);
        let Some(part) = table.get(&key)? else {
            return Err(ValueError::Damaged(format!("part {number} is missing")));
        };
        let part = envelope::open_as(ValueKind::Chunk, "a further part", &key, &part)
            .map_err(|error| ValueError::Damaged(format!("part {number}: {error}")))?;
        joined.extend_from_slice(part.body);
    }
    if joined.len() != length || crc32fast::hash(&joined) != head.checksum {
        return Err(ValueError::Damaged(
            "parts do not join to the value written".to_owned(),
        ));
    }
    Ok(joined)
}

struct FirstHead {
    length: u32,
    checksum: u32,
    parts: u32,
}

impl FirstHead {
    fn of(body: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let bytes = body.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        Some(Self {
            length: number(0)?,
            checksum: number(4)?,
            parts: number(8)?,
        })
    }
}
