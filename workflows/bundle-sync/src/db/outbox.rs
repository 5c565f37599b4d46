//! Messages to the other app, from the transaction that gives reason for them to their delivery.
//!
//! A message is *owed* while a run sends it, *delivered* once the other app accepted it, *failed*
//! when the attempts are used up (it is sent again by itself), *held* when a person has to correct
//! something first, *rejected* when the other app will never take it. Its body is written once.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::alerts::{self, Alert};
use super::{DbError, now, syncs};
use crate::app::AppName;
use crate::bridge::{Message, Verdict};
use crate::event::BridgeEvent;

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub enum OutboxStatus {
    /// A run sends it.
    Owed,
    /// The other app has it.
    Delivered,
    /// The attempts are used up.
    Failed,
    /// A person has to correct something.
    Held,
    /// The other app will never take it.
    Rejected,
}

/// What became of sending a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Sent {
    /// The other app has it.
    Delivered,
    /// It was settled before, or is another run's to send.
    Settled,
    /// The attempts are used up.
    GaveUp {
        /// What the last one said.
        error: String,
    },
    /// A person has to correct something.
    Held {
        /// What the other app said.
        error: String,
    },
    /// The other app will never take it.
    Rejected {
        /// What it said.
        error: String,
    },
}

impl Sent {
    /// The outcome of an attempt that failed with `verdict`.
    #[must_use]
    pub fn of(verdict: Verdict, error: String) -> Self {
        match verdict {
            Verdict::Retry => Self::GaveUp { error },
            Verdict::Hold => Self::Held { error },
            Verdict::Refuse => Self::Rejected { error },
        }
    }
}

/// Owes `event` to `target`, and returns the id under which it is sent. One that is there already,
/// delivered or not, stays as it is: the same id is the same message. `sync_id` names the sync row
/// whose failure it would be.
///
/// # Errors
/// When the event has no JSON, or the database does not answer.
pub async fn put<E: BridgeEvent>(
    tx: &mut SqliteConnection,
    target: AppName,
    event: &E,
    sync_id: Option<&str>,
) -> Result<String, DbError> {
    let id = event.id();
    sqlx::query(
        "INSERT INTO outbox (id, target_app, name, body, sync_id, status, created_at)
         VALUES ($1, $2, $3, $4, $5, 'owed', $6)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(&id)
    .bind(target.as_str())
    .bind(E::NAME)
    .bind(serde_json::to_string(event)?)
    .bind(sync_id)
    .bind(now())
    .execute(tx)
    .await?;
    Ok(id)
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    body: String,
    status: OutboxStatus,
}

/// The message of this id while it is owed.
///
/// # Errors
/// When the database does not answer.
pub async fn owed(pool: &sqlx::SqlitePool, id: &str) -> Result<Option<Message>, DbError> {
    let row: Option<Row> = sqlx::query_as("SELECT name, body, status FROM outbox WHERE id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await?;
    let owed = row.filter(|row| row.status == OutboxStatus::Owed);
    Ok(owed.map(|Row { name, body, .. }| Message {
        id: id.to_owned(),
        name,
        body,
    }))
}

/// Records what became of sending an owed message at the instant `at`; with it fails the sync row
/// that waits for it.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub async fn settle(
    tx: &mut SqliteConnection,
    id: &str,
    sent: &Sent,
    at: &str,
) -> Result<(), DbError> {
    let (status, error) = match sent {
        Sent::Settled => return Ok(()),
        Sent::Delivered => (OutboxStatus::Delivered, None),
        Sent::GaveUp { error } => (OutboxStatus::Failed, Some(error)),
        Sent::Held { error } => (OutboxStatus::Held, Some(error)),
        Sent::Rejected { error } => (OutboxStatus::Rejected, Some(error)),
    };
    let settled: Option<Option<String>> = sqlx::query_scalar(
        "UPDATE outbox
         SET status = $2, error = $3, settled_at = $4,
             failed_since = CASE WHEN $2 = 'failed' THEN COALESCE(failed_since, $4) END
         WHERE id = $1 AND status = 'owed' RETURNING sync_id",
    )
    .bind(id)
    .bind(status)
    .bind(error)
    .bind(at)
    .fetch_optional(&mut *tx)
    .await?;
    let (Some(sync_id), Some(error)) = (settled, error) else {
        return Ok(());
    };
    if matches!(status, OutboxStatus::Held | OutboxStatus::Rejected) {
        alerts::raise(&mut *tx, Alert::MessageHeld, id, error).await?;
    }
    match sync_id {
        Some(sync_id) => syncs::give_up(tx, &sync_id, error).await,
        None => Ok(()),
    }
}

/// Owes again what failed and is to be sent again, and returns the ids in their order. What failed
/// since before `held_before` waits for a person from here on: it may not be wanted any more.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub async fn owe_failed(
    tx: &mut SqliteConnection,
    held_before: &str,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    let late: Vec<String> = sqlx::query_scalar(
        "UPDATE outbox SET status = 'held' WHERE status = 'failed' AND failed_since < $1
         RETURNING id",
    )
    .bind(held_before)
    .fetch_all(&mut *tx)
    .await?;
    for id in &late {
        let detail = "it could not be delivered for a day: release it if it is still wanted";
        alerts::raise(&mut *tx, Alert::MessageHeld, id, detail).await?;
    }
    let failed: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM outbox WHERE status = 'failed' ORDER BY created_at, id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    for id in &failed {
        owe_again(&mut *tx, id).await?;
    }
    Ok(failed)
}

/// Owes a held message again, as a person decides; `false` when it is not held.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub async fn release(tx: &mut SqliteConnection, id: &str) -> Result<bool, DbError> {
    let released = sqlx::query(
        "UPDATE outbox SET status = 'failed', failed_since = NULL WHERE id = $1 AND status = 'held'",
    )
    .bind(id)
    .execute(&mut *tx)
    .await?;
    if released.rows_affected() == 0 {
        return Ok(false);
    }
    alerts::clear(&mut *tx, Alert::MessageHeld, id).await?;
    owe_again(tx, id).await?;
    Ok(true)
}

/// Owes a failed message again.
async fn owe_again(tx: &mut SqliteConnection, id: &str) -> Result<(), DbError> {
    let owed: Option<Option<String>> = sqlx::query_scalar(
        "UPDATE outbox SET status = 'owed', error = NULL, settled_at = NULL
         WHERE id = $1 AND status = 'failed' RETURNING sync_id",
    )
    .bind(id)
    .fetch_optional(&mut *tx)
    .await?;
    match owed.flatten() {
        Some(sync_id) => syncs::replay(tx, &sync_id).await,
        None => Ok(()),
    }
}
