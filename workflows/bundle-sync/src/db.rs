//! An app's database: opened, brought to the current schema; the SQL of every workflow below.
//!
//! Functions that write take the connection of a step's transaction. Where a status changes, they
//! read it, ask `machine`, and write what it says only over what they read.

pub mod alerts;
pub mod grants;
pub mod links;
pub mod mails;
pub mod outbox;
pub mod purchases;
pub mod shop;
pub mod syncs;

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::SqlitePool;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use thiserror::Error;

/// How long a writer waits for another writer before it gives up and its step is tried again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// SQLite has one writer at a time; the others read.
const CONNECTIONS_MAX: u32 = 8;
/// Bytes of a derived id, before hex.
const ID_BYTES: usize = 16;

/// Why the database could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// SQLite cannot use the file.
    #[error("open the app's database: {0}")]
    Open(#[from] sqlx::Error),
    /// The schema in the file is not one this version can bring forward.
    #[error("bring the app's database to the current schema: {0}")]
    Migrate(#[from] MigrateError),
}

/// A row that another writer changed between reading and writing: the step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{table} changed meanwhile: try again")]
pub struct Raced {
    /// The table.
    pub table: &'static str,
}

/// Why a step's transaction did not do what it is for.
#[derive(Debug, Error)]
pub enum DbError {
    /// The database did not answer.
    #[error("use the app's database: {0}")]
    Sql(#[from] sqlx::Error),
    /// Another writer was faster.
    #[error(transparent)]
    Raced(#[from] Raced),
    /// An event has no JSON.
    #[error("write an event: {0}")]
    Encode(#[from] serde_json::Error),
}

/// Opens the database, creating the file if it is absent.
///
/// # Errors
/// When the file cannot be opened, or its schema is newer than this program.
pub async fn open(options: SqliteConnectOptions) -> Result<SqlitePool, OpenError> {
    let options = options
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        // Every commit is on the disk before it is answered: a journaled step must not outlive the
        // rows it wrote.
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .connect_with(options)
        .await?;
    sqlx::migrate!().run(&pool).await?;
    Ok(pool)
}

/// The present moment as the tables keep it: ISO 8601, UTC, milliseconds.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// An instant of the engine's as the tables keep it, so that texts compare as instants do.
pub(crate) fn instant(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let instant = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    format!("{instant:.3}")
}

/// An id made of what a row is about, the same whoever makes it and however often.
pub(crate) fn derived_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length, so that no two lists of parts read the same.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    hex::encode(digest.get(..ID_BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests;
