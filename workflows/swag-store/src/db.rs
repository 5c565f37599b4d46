//! The shop's database: opened, brought to the current schema, seeded once.

pub mod catalogue;
pub mod inventory;
pub mod orders;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};
use thiserror::Error;

/// How long a writer waits for another writer before it gives up and its step is tried again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// SQLite has one writer at a time; the others read.
const CONNECTIONS_MAX: u32 = 8;

/// Why the database could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file cannot be created or opened.
    #[error("create the shop's database {file}: {source}")]
    Create {
        /// The database file.
        file: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// SQLite cannot use the file.
    #[error("open the shop's database {file}: {source}")]
    Open {
        /// The database file.
        file: String,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The schema in the file is not one this version can bring forward.
    #[error("bring the shop's database {file} to the current schema: {source}")]
    Migrate {
        /// The database file.
        file: String,
        /// Which migration, and why.
        source: MigrateError,
    },
}

/// Opens the database, creating the file if it is absent.
///
/// # Errors
/// When the file cannot be opened, or its schema is newer than this program.
pub async fn open(options: SqliteConnectOptions) -> Result<SqlitePool, OpenError> {
    let file = options.get_filename().display().to_string();
    create_private(options.get_filename()).map_err(|source| OpenError::Create {
        file: file.clone(),
        source,
    })?;
    let options = options
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        // Every commit is on the disk before it is answered: a journaled step must not outlive the
        // rows it wrote.
        .synchronous(SqliteSynchronous::Full);
    let failed = |source| OpenError::Open {
        file: file.clone(),
        source,
    };
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .connect_with(options)
        .await
        .map_err(failed)?;
    let migrated = sqlx::migrate!().run(&pool).await;
    migrated.map_err(|source| OpenError::Migrate {
        file: file.clone(),
        source,
    })?;
    catalogue::seed(&pool).await.map_err(failed)?;
    Ok(pool)
}

/// Makes the file readable to its owner alone: it will hold names and addresses. SQLite gives the
/// files it puts beside it the same mode. One that is there keeps the mode it has.
fn create_private(file: &Path) -> std::io::Result<()> {
    // Crash here: an empty file is an empty database.
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(file)?;
    Ok(())
}

/// A transaction that is a writer from its first statement. One that begins as a reader and writes
/// later cannot wait its turn: SQLite refuses it at once when another writer was there in between.
pub(crate) async fn begin_writing(pool: &SqlitePool) -> sqlx::Result<Transaction<'static, Sqlite>> {
    pool.begin_with("BEGIN IMMEDIATE").await
}

/// The present moment as the tables keep it: ISO 8601, UTC, milliseconds.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests;
