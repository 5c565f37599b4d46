//! What can go wrong at a store, and for each: whose fault, whether to retry, what became durable.

use stepwell_core::{EventId, Fence, RunId, Seq};

/// Whether a failed commit may be found after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It will not be found.
    No,
    /// It may or may not be found; treat it as a crash and read again.
    Unknown,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller asked for something it may not have.
    Caller,
    /// The world: a disk, another opening.
    World,
}

/// Why a commit did not become durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The fencing token belongs to another opening of the store.
    #[error("commit carries fencing token {found:?}, the store is at {current:?}")]
    Fenced {
        /// The store's token.
        current: Fence,
        /// The commit's.
        found: Fence,
    },
    /// A run does not stand where the commit expects it.
    #[error("run {run} is not at entry {expected}")]
    OutOfSequence {
        /// The run.
        run: RunId,
        /// Where the commit expected it.
        expected: Seq,
    },
    /// An event with this id is already stored.
    #[error("event {id} is already stored")]
    EventExists {
        /// The event.
        id: EventId,
    },
    /// The look this commit rests on is too old to be checked; look again and retry.
    #[error("the look behind this commit is too old: look again")]
    Stale,
    /// The commit is larger than the store takes.
    #[error("commit of {bytes} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The disk is full; nothing of the commit was written.
    #[error("disk is full: free space in the data directory, then restart the engine")]
    Full,
    /// Writing stopped before this commit was written.
    #[error("store stopped writing before this commit: {why}")]
    Failed {
        /// The first failure.
        why: String,
    },
    /// Writing stopped while this commit was being written or synced.
    #[error("store stopped while writing this commit, which may or may not be kept: {why}")]
    Unknown {
        /// The failure.
        why: String,
    },
    /// The store is closed.
    #[error("store is closed")]
    Closed,
}

impl CommitError {
    /// Whether the commit may be found after a restart.
    #[must_use]
    pub fn durability(&self) -> Durability {
        match self {
            Self::Unknown { .. } => Durability::Unknown,
            Self::Fenced { .. }
            | Self::OutOfSequence { .. }
            | Self::EventExists { .. }
            | Self::Stale
            | Self::TooLarge { .. }
            | Self::Full
            | Self::Failed { .. }
            | Self::Closed => Durability::No,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::OutOfSequence { .. }
            | Self::EventExists { .. }
            | Self::Stale
            | Self::TooLarge { .. } => Fault::Caller,
            Self::Fenced { .. }
            | Self::Full
            | Self::Failed { .. }
            | Self::Unknown { .. }
            | Self::Closed => Fault::World,
        }
    }

    /// Whether the same request, made again after a fresh look, may succeed on this opening.
    #[must_use]
    pub fn retry(&self) -> bool {
        match self {
            Self::Stale | Self::EventExists { .. } | Self::OutOfSequence { .. } => true,
            Self::Fenced { .. }
            | Self::TooLarge { .. }
            | Self::Full
            | Self::Failed { .. }
            | Self::Unknown { .. }
            | Self::Closed => false,
        }
    }
}

/// Why something stored cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// An entry of a run's journal is not what was written.
    #[error("journal of run {run} is damaged at entry {seq}: {what}")]
    Damaged {
        /// The run.
        run: RunId,
        /// The first entry that cannot be trusted.
        seq: Seq,
        /// What is wrong.
        what: String,
    },
    /// Another value is not what was written.
    #[error("{value} is damaged: {what}")]
    DamagedValue {
        /// Which value, in words.
        value: String,
        /// What is wrong.
        what: String,
    },
    /// The disk, or the library in front of it, failed.
    #[error("store cannot be read: {why}")]
    Failed {
        /// The failure.
        why: String,
    },
}
