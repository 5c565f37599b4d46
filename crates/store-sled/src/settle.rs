//! Settling: durable records of the log become rows of the table, in order, in small batches.
//!
//! A batch is at most [`BATCH_BYTES_MAX`] and carries the `settled` row, so that after a crash
//! settling continues exactly behind the last change that is there. Small commits share a batch
//! and never cross one. A commit larger than a batch is settled alone: first the further parts of
//! its large values, to which nothing refers yet, then its rows.

use std::sync::{PoisonError, RwLock};

use stepwell_store::keys;

use crate::kill;
use crate::record::{self, Change, RecordError};
use crate::settled::Settled;
use crate::table::{Batch, Table, TableError};
use crate::value;

/// Largest batch given to the table, in bytes of keys and values.
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// What every batch keeps free for the `settled` row.
const RESERVED_BYTES: usize = 128;

/// A record whose sync returned.
#[derive(Debug)]
pub(crate) struct DurableRecord {
    /// Its number in the log.
    pub(crate) number: u64,
    /// Its commits, as they were written.
    pub(crate) commits: Vec<Vec<u8>>,
    /// Its length in the log, in bytes.
    pub(crate) bytes: u64,
}

/// Why a record could not be settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettleError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The record cannot be understood.
    #[error("record {number} of the log: {source}")]
    Record {
        /// Its number.
        number: u64,
        /// What is wrong with it.
        source: RecordError,
    },
    /// A value is too large for its envelope; no record we wrote holds one.
    #[error("record {number} of the log holds a value that is too large to settle")]
    TooLarge {
        /// The record's number.
        number: u64,
    },
}

/// The table behind its gate: shared for reads and single batches, alone for the batches of one
/// large commit, so that no reader sees half a commit. `None` once the store is closed.
pub(crate) type Gate<T> = RwLock<Option<T>>;

/// Settles records into one table.
pub(crate) struct Settler<'t, T> {
    gate: &'t Gate<T>,
    settled: Settled,
    written: Settled,
}

impl<'t, T: Table> Settler<'t, T> {
    /// Continues behind `settled`, the row the table holds.
    pub(crate) fn new(gate: &'t Gate<T>, settled: Settled) -> Self {
        Self {
            gate,
            settled,
            written: settled,
        }
    }

    /// Settles `records`, which follow each other and what is settled; returns the row written
    /// last. Settling a record a second time changes nothing.
    pub(crate) fn settle(mut self, records: &[DurableRecord]) -> Result<Settled, SettleError> {
        let mut batch = Batch::default();
        for record in records {
            if record.number <= self.settled.record {
                continue;
            }
            let skip = self.settled.changes;
            let mut behind = 0;
            for commit in &record.commits {
                let changes = record::changes(commit).map_err(|source| SettleError::Record {
                    number: record.number,
                    source,
                })?;
                // The head of a commit bounds its changes to what 32 bits count.
                let (from, count) = (behind, u32::try_from(changes.len()).unwrap_or(u32::MAX));
                behind += count;
                if behind <= skip {
                    continue;
                }
                let left = &changes[skip.saturating_sub(from) as usize..];
                self.settle_commit(record.number, left, commit.len(), &mut batch)?;
            }
            self.settled.record = record.number;
            self.settled.changes = 0;
        }
        if self.settled != self.written {
            self.flush(batch, None)?;
        }
        Ok(self.settled)
    }

    fn settle_commit<'a>(
        &mut self,
        number: u64,
        changes: &[Change<'a>],
        bytes: usize,
        batch: &mut Batch<'a>,
    ) -> Result<(), SettleError> {
        // Every part of a value costs its key and envelope on top; a quarter covers that.
        let bytes = bytes + bytes / 4;
        if bytes > BATCH_BYTES_MAX - RESERVED_BYTES {
            let before = std::mem::take(batch);
            if !before.is_empty() {
                self.flush(before, None)?;
            }
            return self.settle_large(number, changes);
        }
        if batch.bytes() + bytes > BATCH_BYTES_MAX - RESERVED_BYTES {
            let before = std::mem::take(batch);
            self.flush(before, None)?;
        }
        for change in changes {
            let parts = self.add(number, change, batch)?;
            for (key, part) in parts {
                batch.put(key, part);
            }
        }
        Ok(())
    }

    /// One commit over several batches, with no reader between them.
    fn settle_large(&mut self, number: u64, changes: &[Change<'_>]) -> Result<(), SettleError> {
        let gate = self.gate;
        let alone = gate.write().unwrap_or_else(PoisonError::into_inner);
        let table = alone.as_ref().ok_or_else(closed)?;
        let room = BATCH_BYTES_MAX - RESERVED_BYTES - value::ROW_BYTES_MAX;
        let mut batch = Batch::default();
        for change in changes {
            let Some(whole) = change.value else { continue };
            let rows =
                value::cut(change.key, whole).map_err(|_| SettleError::TooLarge { number })?;
            for (key, part) in rows.parts {
                if batch.bytes() + key.len() + part.len() > room {
                    self.flush(std::mem::take(&mut batch), Some(table))?;
                }
                batch.put(key, part);
            }
        }
        // Crash here: parts are there that nothing refers to; they are written again, equal.
        for change in changes {
            if batch.bytes() + change.key.len() > room {
                self.flush(std::mem::take(&mut batch), Some(table))?;
            }
            self.add_with(number, change, &mut batch, table)?;
        }
        self.flush(batch, Some(table))
    }

    fn add<'a>(
        &mut self,
        number: u64,
        change: &Change<'a>,
        batch: &mut Batch<'a>,
    ) -> Result<Vec<crate::table::Row>, SettleError> {
        let gate = self.gate;
        let shared = gate.read().unwrap_or_else(PoisonError::into_inner);
        let table = shared.as_ref().ok_or_else(closed)?;
        self.add_with(number, change, batch, table)
    }

    /// Adds one change to `batch`, counts it, and returns the further parts of its value.
    fn add_with<'a>(
        &mut self,
        number: u64,
        change: &Change<'a>,
        batch: &mut Batch<'a>,
        table: &T,
    ) -> Result<Vec<crate::table::Row>, SettleError> {
        self.settled.changes += 1;
        let Some(whole) = change.value else {
            delete_parts(change.key, batch, table)?;
            batch.delete(change.key);
            return Ok(Vec::new());
        };
        self.settled.count(change.key);
        let rows = value::cut(change.key, whole).map_err(|_| SettleError::TooLarge { number })?;
        batch.put(change.key, rows.first);
        Ok(rows.parts)
    }

    fn flush(&mut self, mut batch: Batch<'_>, held: Option<&T>) -> Result<(), SettleError> {
        let row = self.settled.seal().map_err(|_| SettleError::TooLarge {
            number: self.settled.record,
        })?;
        batch.put(Settled::key(), row);
        kill::point("before-settle");
        // Crash here: the log holds the records and settles them again at the next opening.
        match held {
            Some(table) => table.apply(batch)?,
            None => {
                let shared = self.gate.read().unwrap_or_else(PoisonError::into_inner);
                shared.as_ref().ok_or_else(closed)?.apply(batch)?;
            }
        }
        self.written = self.settled;
        kill::point("after-settle");
        Ok(())
    }
}

/// Only requests to runs are both deleted and of any size, so only they can leave parts behind:
/// places on the agenda, waits and deliveries fit one row.
fn delete_parts<T: Table>(key: &[u8], batch: &mut Batch<'_>, table: &T) -> Result<(), SettleError> {
    if key.first() != Some(&keys::INBOX) {
        return Ok(());
    }
    let parts = match batch.get(key) {
        Some(Some(first)) => value::parts_of(key, first),
        Some(None) => 0,
        None => table
            .get(key)?
            .map_or(0, |first| value::parts_of(key, &first)),
    };
    for number in 1..=parts {
        batch.delete(keys::part(key, number));
    }
    Ok(())
}

fn closed() -> TableError {
    TableError::Failed {
        what: "settle the log".to_owned(),
        why: "store is closed".to_owned(),
    }
}
