//! A store on the wire.

use serde::{Deserialize, Serialize};

/// What a store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreJson {
    /// The data directory.
    pub directory: String,
    /// The store's id, given once at its making.
    pub store: String,
    /// Versions of the formats it writes.
    pub formats: StoreFormatsJson,
    /// The generation settled into.
    pub generation: u32,
    /// The number of this opening: it only grows, also when a directory is opened without an engine.
    pub opening: u64,
    /// Whether it was closed cleanly before this opening.
    pub clean: bool,
    /// Records this opening found in the log behind the last checkpoint.
    pub tail_records: u64,
    /// The highest record settled.
    pub settled: u64,
    /// The record of the last checkpoint.
    pub checkpointed: u64,
    /// Runs settled, by the store's own count.
    pub runs: u64,
    /// Bytes of the log's files.
    pub log_bytes: u64,
    /// Bytes of the table's files.
    pub table_bytes: u64,
}

/// See [`StoreJson::formats`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFormatsJson {
    /// Of a log record.
    pub record: u8,
    /// Of the settled row.
    pub settled: u8,
    /// Of the seal.
    pub seal: u8,
}
