//! Why a store could not be opened: one variant for each thing a person would do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::settled::SettledError;
use crate::table::TableError;

/// Why a store could not be opened. Nothing that was durable is lost by any.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another engine has the directory open.
    #[error("data directory {directory} is in use by {}: stop that engine first", holder(*pid))]
    Locked {
        /// The data directory.
        directory: String,
        /// The engine that holds it, as far as it said.
        pid: Option<u32>,
    },
    /// The disk is full; opening needs some space.
    #[error("disk is full at {file}: free some space, then start again")]
    Full {
        /// The file that could not be made or written.
        file: String,
    },
    /// The file system takes no writes.
    #[error("{file} cannot be written: file system is read-only, mount it writable")]
    ReadOnly {
        /// The file.
        file: String,
    },
    /// What is there is not what was written. Nothing was changed.
    #[error(
        "{file} is damaged{}: {what}: keep the directory as it is and restore a backup",
        at(*offset)
    )]
    Corrupt {
        /// The file, relative to the data directory.
        file: String,
        /// Where in the file, in bytes, when known.
        offset: Option<u64>,
        /// What was expected and what was found.
        what: String,
    },
    /// A later release wrote the store. Nothing was changed.
    #[error("{file} has format {found}, this build reads up to {supported}: use a newer build")]
    NewerFormat {
        /// The file, relative to the data directory.
        file: String,
        /// The format found.
        found: u32,
        /// The newest format this build reads.
        supported: u32,
    },
    /// There is no store where one was asked for.
    #[error("{directory} holds no store: check the path, or start the engine there first")]
    Missing {
        /// The data directory.
        directory: String,
    },
    /// The directory holds something that is not a store.
    #[error("{directory} holds {found} and no store: give a directory that is empty or absent")]
    Foreign {
        /// The data directory.
        directory: String,
        /// Something found in it.
        found: String,
    },
    /// The settings cannot work. Nothing was touched.
    #[error("store cannot be opened with these settings: {what}")]
    Options {
        /// Which setting, and what was expected.
        what: String,
    },
    /// The file system failed in another way.
    #[error("{file} cannot be used: check the disk, then start again")]
    Io {
        /// The file.
        file: String,
        /// What the file system said.
        source: io::Error,
    },
}

impl OpenError {
    /// Sorts what the file system said about `file`.
    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        let file = file.display().to_string();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { file },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { file },
            _ => Self::Io { file, source },
        }
    }

    /// Damage to `file`, relative to the data directory.
    pub(crate) fn corrupt(
        file: impl Into<String>,
        offset: Option<u64>,
        what: impl Into<String>,
    ) -> Self {
        Self::Corrupt {
            file: file.into(),
            offset,
            what: what.into(),
        }
    }

    /// What the log said when it was opened; its files stand in `log/`.
    pub(crate) fn of_log(error: stepwell_commit_log::OpenError) -> Self {
        use stepwell_commit_log::OpenError as Log;
        let named = |file: String| in_log(&file);
        match error {
            Log::Io { file, source } => Self::Io {
                file: named(file),
                source,
            },
            Log::Corrupt { file, offset, what } => Self::Corrupt {
                file: named(file),
                offset: Some(offset),
                what,
            },
            Log::NewerFormat {
                file,
                found,
                supported,
            } => Self::NewerFormat {
                file: named(file),
                found,
                supported,
            },
            Log::Exists { file } => Self::Foreign {
                directory: "data directory".to_owned(),
                found: named(file),
            },
            Log::Missing => Self::Corrupt {
                file: "log".to_owned(),
                offset: None,
                what: "commit log has no segment although the store exists".to_owned(),
            },
            Log::Full { file, .. } => Self::Full { file: named(file) },
            Log::ReadOnly { file, .. } => Self::ReadOnly { file: named(file) },
            Log::Options { what } => Self::Options { what },
        }
    }

    /// What the log said when it was written; its files stand in `log/`.
    pub(crate) fn of_append(error: stepwell_commit_log::AppendError) -> Self {
        use stepwell_commit_log::AppendError as Append;
        match error {
            Append::Io { file, source } => Self::Io {
                file: in_log(&file),
                source,
            },
            Append::Full { file, .. } => Self::Full {
                file: in_log(&file),
            },
            Append::TooLarge { .. } | Append::SettledOutOfRange { .. } | Append::Poisoned => {
                Self::Io {
                    file: "log".to_owned(),
                    source: io::Error::other(error),
                }
            }
        }
    }

    /// A table that failed, under `file`.
    pub(crate) fn of_table(file: &str, error: TableError) -> Self {
        match error {
            TableError::Full { .. } => Self::Full {
                file: file.to_owned(),
            },
            error @ TableError::Failed { .. } => Self::Io {
                file: file.to_owned(),
                source: io::Error::other(error),
            },
        }
    }

    /// A settled row that cannot be used, in the table under `file`.
    pub(crate) fn of_settled(file: &str, error: SettledError) -> Self {
        match error {
            SettledError::Missing => Self::corrupt(file, None, "settled row is missing"),
            SettledError::Damaged(what) => {
                Self::corrupt(file, None, format!("settled row: {what}"))
            }
            SettledError::NewerFormat(found) => Self::NewerFormat {
                file: file.to_owned(),
                found: u32::from(found),
                supported: u32::from(crate::settled::FORMAT),
            },
            SettledError::Table(error) => Self::of_table(file, error),
        }
    }
}

fn in_log(file: &str) -> String {
    PathBuf::from("log").join(file).display().to_string()
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

fn at(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" at byte {offset}"))
}
