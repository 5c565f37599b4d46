//! The row that says how far the log is settled, written in the same batch as what it speaks of.
//!
//! It stands under `m settled`, sealed as [`ValueKind::Store`]; its body, little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | format version, [`FORMAT`] |
//! | 1..5 | generation |
//! | 5..13 | highest record of the log that is settled whole |
//! | 13..17 | row changes of the record behind it that are settled as well |
//! | 17..25 | runs this generation holds |
//! | 25..33 | journal blocks and events it holds |
//! | 33..41 | wrapping sum of [`key_hash`] over the keys of those, which no order changes |
//!
//! Because the row travels with the changes it counts, settling a record again after a crash
//! continues behind the last change that is there and counts nothing twice; and a journal block
//! or an event that vanished from the table shows in the count or the sum. Blocks and events are
//! written once and never changed, so counting them needs no look at what was there.

use stepwell_core::Seq;
use stepwell_core::envelope::{self, ValueKind};
use stepwell_store::keys;

use crate::table::{Table, TableError};

/// The format version of the row written by this build.
pub(crate) const FORMAT: u8 = 1;

const BODY_BYTES: usize = 41;

/// How far the log is settled, and what the generation holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The generation settled into.
    pub(crate) generation: u32,
    /// The highest record that is settled whole.
    pub(crate) record: u64,
    /// Row changes of the next record that are settled too; 0 except within a record.
    pub(crate) changes: u32,
    /// Runs created in this generation and still there.
    pub(crate) runs: u64,
    /// Journal blocks and events there.
    pub(crate) rows: u64,
    /// Wrapping sum of the hashes of their keys.
    pub(crate) keys: u64,
}

/// The row cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SettledError {
    /// There is none, which no table of ours is without.
    Missing,
    /// It is not what was written.
    Damaged(String),
    /// A later release wrote it.
    NewerFormat(u8),
    /// The table cannot be read.
    Table(TableError),
}

impl Settled {
    /// The row of a table nothing was settled into.
    pub(crate) const fn new(generation: u32) -> Self {
        Self {
            generation,
            record: 0,
            changes: 0,
            runs: 0,
            rows: 0,
            keys: 0,
        }
    }

    /// Counts a row that is being settled, if it is of a kind that is counted.
    pub(crate) fn count(&mut self, key: &[u8]) {
        if !is_counted(key) {
            return;
        }
        self.rows = self.rows.wrapping_add(1);
        self.keys = self.keys.wrapping_add(key_hash(key));
        if let Some((_, Seq::FIRST)) = keys::parse_journal(key) {
            self.runs = self.runs.wrapping_add(1);
        }
    }

    /// The key of the row.
    pub(crate) fn key() -> Vec<u8> {
        keys::meta("settled")
    }

    /// The sealed row.
    pub(crate) fn seal(&self) -> Result<Vec<u8>, envelope::EncodeError> {
        let mut body = Vec::with_capacity(BODY_BYTES);
        body.push(FORMAT);
        body.extend_from_slice(&self.generation.to_le_bytes());
        body.extend_from_slice(&self.record.to_le_bytes());
        body.extend_from_slice(&self.changes.to_le_bytes());
        body.extend_from_slice(&self.runs.to_le_bytes());
        body.extend_from_slice(&self.rows.to_le_bytes());
        body.extend_from_slice(&self.keys.to_le_bytes());
        envelope::seal(ValueKind::Store, &Self::key(), None, Seq::FIRST, &body)
    }

    /// Reads the row.
    pub(crate) fn read<T: Table>(table: &T) -> Result<Self, SettledError> {
        let key = Self::key();
        let value = table.get(&key).map_err(SettledError::Table)?;
        let value = value.ok_or(SettledError::Missing)?;
        let opened = envelope::open_as(ValueKind::Store, "the settled row", &key, &value)
            .map_err(|error| SettledError::Damaged(error.to_string()))?;
        match opened.body.first() {
            Some(&format) if format > FORMAT => return Err(SettledError::NewerFormat(format)),
            Some(_) | None => {}
        }
        let body: &[u8; BODY_BYTES] = opened
            .body
            .try_into()
            .map_err(|_| SettledError::Damaged("settled row has another length".to_owned()))?;
        Ok(Self {
            generation: u32_at(body, 1),
            record: u64_at(body, 5),
            changes: u32_at(body, 13),
            runs: u64_at(body, 17),
            rows: u64_at(body, 25),
            keys: u64_at(body, 33),
        })
    }
}

/// Whether rows under `key` are counted.
pub(crate) fn is_counted(key: &[u8]) -> bool {
    matches!(key.first(), Some(&keys::JOURNAL | &keys::EVENT))
}

/// A well-spread hash of a key, fixed for ever because sums of it are stored.
fn key_hash(key: &[u8]) -> u64 {
    let mut hash = mix(key.len() as u64);
    for word in key.chunks(8) {
        let word = word
            .iter()
            .rev()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        hash = mix(hash ^ word);
    }
    hash
}

/// The finalizer of splitmix64.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn u32_at(body: &[u8; BODY_BYTES], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&body[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn u64_at(body: &[u8; BODY_BYTES], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&body[at..at + 8]);
    u64::from_le_bytes(bytes)
}
