//! The settings of a store.

use std::time::Duration;

use stepwell_commit_log::LogOptions;

use crate::record;

/// Sizes and intervals; the defaults are meant for production.
#[derive(Debug, Clone)]
pub struct Options {
    /// Sizes of the commit log.
    pub log: LogOptions,
    /// Bytes durable in the log and not yet settled above which [`crate::SledStore::is_strained`]
    /// says so. Nothing is blocked here: intake refuses and shards pause.
    pub unsettled_bytes_max: u64,
    /// Bytes settled since the last checkpoint that call for the next one.
    pub checkpoint_bytes: u64,
    /// How long settled records wait for a checkpoint at most.
    pub checkpoint_after: Duration,
    /// Keys of recent commits kept for checking preconditions. A key leaves earlier never, and
    /// later when its record is not settled yet.
    pub overlay_keys: usize,
    /// Up to this size of sled's files, in bytes, an opening after an end that was not clean counts
    /// journal blocks and events and refuses a store some have vanished from.
    pub recount_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: LogOptions::default(),
            unsettled_bytes_max: 64 << 20,
            checkpoint_bytes: 8 << 20,
            checkpoint_after: Duration::from_secs(5),
            overlay_keys: 1 << 17,
            recount_bytes_max: 128 << 20,
        }
    }
}

/// What one sync should cover at most, so that nobody waits for long because others write much.
const GROUP_BYTES_MAX: u64 = 4 << 20;

impl Options {
    /// Longest commit, in bytes of its encoding.
    pub(crate) fn commit_bytes_max(&self) -> u64 {
        self.log
            .max_record_bytes
            .saturating_sub(record::HEAD_BYTES as u64)
    }

    /// Longest group of commits in one record, in bytes; a single larger commit stands alone.
    pub(crate) fn group_bytes_max(&self) -> u64 {
        self.commit_bytes_max().min(GROUP_BYTES_MAX)
    }
}
