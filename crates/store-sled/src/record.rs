//! What a log record holds: commits as changes of rows, byte by byte.
//!
//! A record is a head and the commits of one group, in order. Numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | format version, [`FORMAT`] |
//! | 1..5 | the generation the rows are settled into |
//! | 5..9 | number of commits |
//! | 9.. | the commits, one after another |
//!
//! A commit:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the rest of the commit |
//! | 4..8 | number of row changes |
//! | 8.. | the row changes, one after another |
//!
//! A row change is `1` (put) or `2` (delete), the length of the key (2 bytes), for a put the length
//! of the value (4 bytes), the key, and for a put the value. Keys are those of
//! [`stepwell_store::keys`], values are sealed by [`stepwell_core::envelope`] and stand here whole,
//! whatever their size. The log's own checksum covers all of it.

use stepwell_store::RowOp;

/// The format version of records written by this build.
pub const FORMAT: u8 = 1;

/// Length of a record's head, in bytes.
pub(crate) const HEAD_BYTES: usize = 9;

/// Length of a commit's head, in bytes.
const COMMIT_HEAD_BYTES: usize = 8;

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// A record cannot be understood although the log's checksum held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// A later release wrote it.
    #[error("record has format {found}, this build reads up to {FORMAT}: use a newer build")]
    NewerFormat {
        /// The version found.
        found: u8,
    },
    /// The bytes end before what a length promises, or go on behind it.
    #[error("record's lengths disagree with its bytes")]
    Length,
    /// A row change is neither a put nor a delete.
    #[error("record holds an unknown row change {found}")]
    Change {
        /// The byte found.
        found: u8,
    },
}

/// One row change, borrowed from its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    /// The key.
    pub(crate) key: &'a [u8],
    /// The sealed value, or `None` to delete.
    pub(crate) value: Option<&'a [u8]>,
}

/// A commit that is too large for its own lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Oversized;

/// The bytes of one commit, in one allocation.
pub(crate) fn encode_commit(rows: &[RowOp]) -> Result<Vec<u8>, Oversized> {
    let bytes = COMMIT_HEAD_BYTES
        + rows
            .iter()
            .map(|row| 7 + row.key.len() + row.value.as_ref().map_or(0, Vec::len))
            .sum::<usize>();
    let mut commit = Vec::with_capacity(bytes);
    commit.extend_from_slice(&[0; 4]);
    commit.extend_from_slice(&length(rows.len())?.to_le_bytes());
    for row in rows {
        let key = u16::try_from(row.key.len()).map_err(|_| Oversized)?;
        commit.push(if row.value.is_some() { PUT } else { DELETE });
        commit.extend_from_slice(&key.to_le_bytes());
        if let Some(value) = &row.value {
            commit.extend_from_slice(&length(value.len())?.to_le_bytes());
        }
        commit.extend_from_slice(&row.key);
        if let Some(value) = &row.value {
            commit.extend_from_slice(value);
        }
    }
    let rest = length(commit.len() - 4)?;
    commit[..4].copy_from_slice(&rest.to_le_bytes());
    Ok(commit)
}

/// The head of a record with `commits` commits for `generation`.
pub(crate) fn head(generation: u32, commits: u32) -> [u8; HEAD_BYTES] {
    let mut head = [FORMAT; HEAD_BYTES];
    head[1..5].copy_from_slice(&generation.to_le_bytes());
    head[5..9].copy_from_slice(&commits.to_le_bytes());
    head
}

/// The commits of a record read back from the log, each as [`encode_commit`] wrote it.
pub(crate) fn commits(record: &[u8]) -> Result<Vec<Vec<u8>>, RecordError> {
    let found = *record.first().ok_or(RecordError::Length)?;
    if found > FORMAT {
        return Err(RecordError::NewerFormat { found });
    }
    let mut rest = record;
    take(&mut rest, 5)?;
    let count = take_u32(&mut rest)?;
    let mut commits = Vec::new();
    for _ in 0..count {
        let mut ahead = rest;
        let length = take_u32(&mut ahead)? as usize;
        commits.push(take(&mut rest, 4 + length)?.to_vec());
    }
    if rest.is_empty() {
        Ok(commits)
    } else {
        Err(RecordError::Length)
    }
}

/// The row changes of one commit.
pub(crate) fn changes(commit: &[u8]) -> Result<Vec<Change<'_>>, RecordError> {
    let mut rest = commit;
    take(&mut rest, 4)?;
    let count = take_u32(&mut rest)? as usize;
    // A row change has at least three bytes, which bounds what a wrong count can ask for.
    let mut changes = Vec::with_capacity(count.min(rest.len() / 3));
    for _ in 0..count {
        changes.push(take_change(&mut rest)?);
    }
    if rest.is_empty() {
        Ok(changes)
    } else {
        Err(RecordError::Length)
    }
}

fn take_change<'a>(rest: &mut &'a [u8]) -> Result<Change<'a>, RecordError> {
    let kind = take(rest, 1)?[0];
    let key = take(rest, 2)?;
    let key = usize::from(u16::from_le_bytes([key[0], key[1]]));
    match kind {
        PUT => {
            let value = take_u32(rest)? as usize;
            let key = take(rest, key)?;
            Ok(Change {
                key,
                value: Some(take(rest, value)?),
            })
        }
        DELETE => Ok(Change {
            key: take(rest, key)?,
            value: None,
        }),
        found => Err(RecordError::Change { found }),
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], RecordError> {
    let (taken, behind) = rest.split_at_checked(length).ok_or(RecordError::Length)?;
    *rest = behind;
    Ok(taken)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, RecordError> {
    let taken = take(rest, 4)?;
    let mut bytes = [0; 4];
    bytes.copy_from_slice(taken);
    Ok(u32::from_le_bytes(bytes))
}

fn length(bytes: usize) -> Result<u32, Oversized> {
    u32::try_from(bytes).map_err(|_| Oversized)
}

#[cfg(test)]
mod tests;
