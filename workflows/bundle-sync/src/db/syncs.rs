//! Sync rows: how far the other app is with each product of each purchase.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::{DbError, Raced, derived_id, now};
use crate::machine::{SyncMessage, SyncStatus, sync_after};

/// What identifies a sync row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncKey {
    /// The purchase.
    pub purchase_id: String,
    /// The app that has the product.
    pub target_app: String,
    /// The product.
    pub target_product_id: String,
}

/// A sync row.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Sync {
    /// Its id, made of its key.
    pub id: String,
    /// The product.
    pub target_product_id: String,
    /// Its status.
    pub status: SyncStatus,
}

impl SyncKey {
    /// The id of the row.
    #[must_use]
    pub fn id(&self) -> String {
        derived_id(&[
            "sync",
            &self.purchase_id,
            &self.target_app,
            &self.target_product_id,
        ])
    }
}

/// What the other app said it has given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenThere<'a> {
    /// Its first entitlement.
    pub entitlement_id: Option<&'a str>,
    /// Whose it is, once that is known.
    pub user_id: Option<&'a str>,
}

/// What a message did to a sync row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Before; `None` when there was no row.
    pub from: Option<SyncStatus>,
    /// After; `None` when there is no row still.
    pub to: Option<SyncStatus>,
}

/// Lets `message` move the row of `key`, which is made if the message makes one.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub async fn hear(
    tx: &mut SqliteConnection,
    key: &SyncKey,
    message: SyncMessage,
) -> Result<Moved, DbError> {
    let id = key.id();
    let from = status(&mut *tx, &id).await?;
    let to = sync_after(from, message);
    match (from, to) {
        (None, Some(to)) => insert(tx, key, &id, to).await?,
        (Some(from), Some(to)) if from != to => turn(tx, &id, from, to).await?,
        (None | Some(_), _) => {}
    }
    Ok(Moved { from, to })
}

async fn status(tx: &mut SqliteConnection, id: &str) -> Result<Option<SyncStatus>, DbError> {
    let status = sqlx::query_scalar("SELECT status FROM cross_app_syncs WHERE id = $1")
        .bind(id)
        .fetch_optional(tx)
        .await?;
    Ok(status)
}

async fn insert(
    tx: &mut SqliteConnection,
    key: &SyncKey,
    id: &str,
    to: SyncStatus,
) -> Result<(), DbError> {
    let now = now();
    let at = |status| (to == status).then(|| now.clone());
    let inserted = sqlx::query(
        "INSERT INTO cross_app_syncs (id, purchase_id, target_app, target_product_id, status,
             created_at, synced_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(&key.purchase_id)
    .bind(&key.target_app)
    .bind(&key.target_product_id)
    .bind(to)
    .bind(&now)
    .bind(at(SyncStatus::Synced))
    .bind(at(SyncStatus::Revoked))
    .execute(tx)
    .await?;
    written(inserted.rows_affected())
}

async fn turn(
    tx: &mut SqliteConnection,
    id: &str,
    from: SyncStatus,
    to: SyncStatus,
) -> Result<(), DbError> {
    let at = |status| (to == status).then(now);
    let turned = sqlx::query(
        "UPDATE cross_app_syncs
         SET status = $3,
             synced_at = COALESCE(synced_at, $4),
             revoked_at = COALESCE(revoked_at, $5),
             error_message = CASE WHEN $3 = 'failed' THEN error_message ELSE NULL END
         WHERE id = $1 AND status = $2",
    )
    .bind(id)
    .bind(from)
    .bind(to)
    .bind(at(SyncStatus::Synced))
    .bind(at(SyncStatus::Revoked))
    .execute(tx)
    .await?;
    written(turned.rows_affected())
}

fn written(rows: u64) -> Result<(), DbError> {
    if rows == 1 {
        return Ok(());
    }
    let table = "cross_app_syncs";
    Err(Raced { table }.into())
}

/// The other app has recorded the purchase: what it gave, and to whom once that is known.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub async fn grant(
    tx: &mut SqliteConnection,
    key: &SyncKey,
    given: &GivenThere<'_>,
) -> Result<Moved, DbError> {
    let moved = hear(&mut *tx, key, SyncMessage::Granted).await?;
    if moved.to == Some(SyncStatus::Synced) {
        sqlx::query(
            "UPDATE cross_app_syncs
             SET target_entitlement_id = COALESCE($2, target_entitlement_id),
                 target_user_id = COALESCE($3, target_user_id)
             WHERE id = $1",
        )
        .bind(key.id())
        .bind(given.entitlement_id)
        .bind(given.user_id)
        .execute(tx)
        .await?;
    }
    Ok(moved)
}

/// Telling the other app was given up.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub(super) async fn give_up(
    tx: &mut SqliteConnection,
    id: &str,
    error: &str,
) -> Result<(), DbError> {
    let from = status(&mut *tx, id).await?;
    let to = sync_after(from, SyncMessage::GaveUp);
    let (Some(from), Some(to)) = (from, to) else {
        return Ok(());
    };
    if from == to {
        return Ok(());
    }
    turn(&mut *tx, id, from, to).await?;
    sqlx::query(
        "UPDATE cross_app_syncs SET error_message = $2, retry_count = retry_count + 1 WHERE id = $1",
    )
    .bind(id)
    .bind(error)
    .execute(tx)
    .await?;
    Ok(())
}

/// The other app is told again.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub(super) async fn replay(tx: &mut SqliteConnection, id: &str) -> Result<(), DbError> {
    let from = status(&mut *tx, id).await?;
    match (from, sync_after(from, SyncMessage::Replayed)) {
        (Some(from), Some(to)) if from != to => turn(tx, id, from, to).await,
        (None | Some(_), _) => Ok(()),
    }
}

/// The rows of a purchase, in the order of their products.
///
/// # Errors
/// When the database does not answer.
pub async fn of_purchase(
    tx: &mut SqliteConnection,
    purchase_id: &str,
    target_app: &str,
) -> Result<Vec<Sync>, DbError> {
    let rows = sqlx::query_as(
        "SELECT id, target_product_id, status FROM cross_app_syncs
         WHERE purchase_id = $1 AND target_app = $2 ORDER BY target_product_id",
    )
    .bind(purchase_id)
    .bind(target_app)
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// Notes when the other app was asked to revoke, the first time it is.
///
/// # Errors
/// When the database does not answer.
pub async fn request_revocation(
    tx: &mut SqliteConnection,
    id: &str,
    at: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE cross_app_syncs SET revoke_requested_at = COALESCE(revoke_requested_at, $2)
         WHERE id = $1",
    )
    .bind(id)
    .bind(at)
    .execute(tx)
    .await?;
    Ok(())
}
