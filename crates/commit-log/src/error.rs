//! What can go wrong: one enum for opening a log, one for writing to it.
//!
//! Every variant answers three questions by method: whose fault, is it worth trying again, and
//! did it become durable.

use crate::types::RecordNumber;
use std::io;

/// Whether what was asked for became durable although an error came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// It did not, and never will.
    No,
    /// It did.
    Yes,
    /// Nobody can tell before the log is opened again: treat it as a crash.
    Unknown,
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller asked for something that cannot be.
    Caller,
    /// The disk, the file system, or whoever else writes there.
    World,
}

/// Why a log could not be created, scanned or taken over.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system refused.
    #[error("use {file} of the commit log; check the disk, then start again")]
    Io {
        /// The file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
    /// Bytes that must be there are damaged or missing. Nothing was changed.
    #[error(
        "read the commit log: {file} is damaged at byte {offset}: {what}; keep the directory as it is and restore a backup"
    )]
    Corrupt {
        /// The file.
        file: String,
        /// Where in the file, in bytes.
        offset: u64,
        /// What was expected and what was found.
        what: String,
    },
    /// A later version of this program wrote the log. Nothing was changed.
    #[error(
        "read {file} of the commit log: it has format {found}, this program reads up to {supported}; use the newer program"
    )]
    NewerFormat {
        /// The file.
        file: String,
        /// The format of the file.
        found: u32,
        /// The newest format this program knows.
        supported: u32,
    },
    /// A log was to be created where one is.
    #[error("create a commit log: {file} shows that one exists here; open it instead")]
    Exists {
        /// A file of the log that exists.
        file: String,
    },
    /// There is no log here.
    #[error("open the commit log: there is none in this directory; create it, or look elsewhere")]
    Missing,
    /// No space for the segments of a new opening. No record is lost; the log can be scanned.
    #[error("make {file} of the commit log: the disk is full; free some space, then start again")]
    Full {
        /// The file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
    /// The file system takes no writes. No record is lost; the log can be scanned.
    #[error("write {file} of the commit log: the file system is read-only; mount it writable")]
    ReadOnly {
        /// The file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
    /// The settings cannot work. Nothing was touched.
    #[error("open the commit log with these settings: {what}")]
    Options {
        /// Which setting, what it is, and what was expected.
        what: String,
    },
}

impl OpenError {
    /// Whether the new opening became durable. Its records are the ones the log had, either way.
    #[must_use]
    pub fn durable(&self) -> Durable {
        match self {
            OpenError::Io { .. } | OpenError::Full { .. } | OpenError::ReadOnly { .. } => {
                Durable::Unknown
            }
            OpenError::Corrupt { .. }
            | OpenError::NewerFormat { .. }
            | OpenError::Exists { .. }
            | OpenError::Missing
            | OpenError::Options { .. } => Durable::No,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            OpenError::Io { .. }
            | OpenError::Corrupt { .. }
            | OpenError::Full { .. }
            | OpenError::ReadOnly { .. } => Fault::World,
            OpenError::NewerFormat { .. }
            | OpenError::Exists { .. }
            | OpenError::Missing
            | OpenError::Options { .. } => Fault::Caller,
        }
    }

    /// Whether scanning and opening again may succeed without a change by a person.
    #[must_use]
    pub fn retry(&self) -> bool {
        match self {
            OpenError::Io { .. } | OpenError::Full { .. } => true,
            OpenError::Corrupt { .. }
            | OpenError::NewerFormat { .. }
            | OpenError::Exists { .. }
            | OpenError::Missing
            | OpenError::ReadOnly { .. }
            | OpenError::Options { .. } => false,
        }
    }
}

/// Why a record, a checkpoint or a seal was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// More bytes than one record may have. The log is as it was.
    #[error("append a record of {bytes} bytes to the commit log: {limit} are allowed; split it")]
    TooLarge {
        /// Bytes given.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A checkpoint that goes back, or beyond the last record. The log is as it was.
    #[error(
        "checkpoint the commit log at record {settled}: expected a number from {least} to {last}"
    )]
    SettledOutOfRange {
        /// The number given.
        settled: RecordNumber,
        /// The number of the checkpoint before.
        least: RecordNumber,
        /// The number of the last record.
        last: RecordNumber,
    },
    /// A write or sync failed. The log takes nothing more until it is opened again.
    #[error("write {file} of the commit log; stop, check the disk, then start again")]
    Io {
        /// The file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
    /// No space for another segment. The log is as it was, and usable: checkpoint it, free some
    /// space, or use `append_reserved` for what has to get through.
    #[error("make {file} of the commit log: the disk is full; free some space")]
    Full {
        /// The file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
    /// An earlier write or sync failed, so nothing was tried.
    #[error("write to the commit log: an earlier write or sync failed; open the log again")]
    Poisoned,
}

impl AppendError {
    /// Whether the record of this call became durable.
    #[must_use]
    pub fn durable(&self) -> Durable {
        match self {
            AppendError::Io { .. } => Durable::Unknown,
            AppendError::TooLarge { .. }
            | AppendError::SettledOutOfRange { .. }
            | AppendError::Full { .. }
            | AppendError::Poisoned => Durable::No,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            AppendError::TooLarge { .. } | AppendError::SettledOutOfRange { .. } => Fault::Caller,
            AppendError::Io { .. } | AppendError::Full { .. } | AppendError::Poisoned => {
                Fault::World
            }
        }
    }

    /// Whether the same call on the same log may succeed later.
    #[must_use]
    pub fn retry(&self) -> bool {
        match self {
            AppendError::Full { .. } => true,
            AppendError::TooLarge { .. }
            | AppendError::SettledOutOfRange { .. }
            | AppendError::Io { .. }
            | AppendError::Poisoned => false,
        }
    }
}

/// An I/O error and the file it is about, before the operation says what that means for it.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// The file, or the directory as `.`.
    pub(crate) file: String,
    /// What the file system said.
    pub(crate) source: io::Error,
}

impl Trouble {
    /// Whether there was no room: disk, quota, or file-size limit.
    pub(crate) fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> OpenError {
        let full = trouble.is_full();
        let Trouble { file, source } = trouble;
        if full {
            OpenError::Full { file, source }
        } else if source.kind() == io::ErrorKind::ReadOnlyFilesystem {
            OpenError::ReadOnly { file, source }
        } else {
            OpenError::Io { file, source }
        }
    }
}
