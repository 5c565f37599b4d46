//! The seam to what lies behind the log: an ordered table of small rows.
//!
//! Settling, checkpoints, opening and reading are written against [`Table`] alone, so that a
//! simulator can drive them. Nothing applied is durable before [`Table::barrier`] returns; until
//! then a power cut may take any suffix of the batches applied since the barrier before, but never
//! part of a batch, and never a batch without those behind it.

use std::borrow::Cow;
use std::collections::HashMap;

/// An ordered table of rows.
pub trait Table: Send + Sync + 'static {
    /// The value under `key`.
    ///
    /// # Errors
    /// When the table cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TableError>;

    /// Up to `limit` rows with keys from `from` (inclusive) up to `to` (exclusive, or the end of
    /// the table), in the order asked for.
    ///
    /// # Errors
    /// When the table cannot be read.
    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Row>, TableError>;

    /// Applies a batch: all of it or nothing, behind every batch before it.
    ///
    /// # Errors
    /// When the table cannot be written; it is then of no further use.
    fn apply(&self, batch: Batch<'_>) -> Result<(), TableError>;

    /// Makes everything applied before the call durable.
    ///
    /// # Errors
    /// When that failed; what became durable is unknown and the table is of no further use.
    fn barrier(&self) -> Result<(), TableError>;
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Which end a scan begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The smallest key first.
    Ascending,
    /// The largest key first.
    Descending,
}

/// Why a table failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The disk is full.
    #[error("{what}: the disk is full; free some space, then start again")]
    Full {
        /// What was being done.
        what: String,
    },
    /// The disk, or the library in front of it, failed.
    #[error("{what}: {why}")]
    Failed {
        /// What was being done.
        what: String,
        /// The failure.
        why: String,
    },
}

/// Row changes that are applied together; a later change of a key replaces an earlier one.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    rows: HashMap<Cow<'a, [u8]>, Option<Cow<'a, [u8]>>>,
    bytes: usize,
}

impl<'a> Batch<'a> {
    /// Puts `value` under `key`.
    pub fn put(&mut self, key: impl Into<Cow<'a, [u8]>>, value: impl Into<Cow<'a, [u8]>>) {
        let (key, value) = (key.into(), value.into());
        self.bytes += key.len() + value.len();
        self.rows.insert(key, Some(value));
    }

    /// Deletes `key`, which may be absent.
    pub fn delete(&mut self, key: impl Into<Cow<'a, [u8]>>) {
        let key = key.into();
        self.bytes += key.len();
        self.rows.insert(key, None);
    }

    /// What this batch does to `key`: nothing, a put, or a delete (`Some(None)`).
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.rows.get(key).map(Option::as_deref)
    }

    /// Bytes of keys and values put into it so far, replaced ones included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The changes, each key once, in no order.
    pub fn into_rows(self) -> impl Iterator<Item = (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>)> {
        self.rows.into_iter()
    }
}

/// The first key behind every key that begins with `prefix`, or `None` when there is none.
pub(crate) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}
