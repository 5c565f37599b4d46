//! Grants: what a buyer in the other app has of a product here, and the entitlements that carry it.
//!
//! A grant holds the status; its entitlements, one for each resource of the product, are set to it in
//! the same transaction. Whoever changes a grant locks its row first.

use serde::{Deserialize, Serialize};
use sqlx::{SqliteConnection, SqlitePool};

use super::{DbError, Raced, derived_id, now};
use crate::event::{BundlePurchased, EntitlementRevoke, RevokeOutcome};
use crate::machine::{GrantMessage, GrantStatus, grant_after};

/// A grant as workflows record it: it names no person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Its id, made of app, purchase and product.
    pub id: String,
    /// The purchase in the other app.
    pub purchase_id: String,
    /// The product here.
    pub product_id: String,
    /// Its status.
    pub status: GrantStatus,
    /// Whose it is, once that is known.
    pub user_id: Option<String>,
    /// Its entitlements, in the order of their resources.
    pub entitlement_ids: Vec<String>,
    /// The other app's sync row.
    pub cross_app_sync_id: Option<String>,
}

/// What a revocation found and left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What it found.
    pub outcome: RevokeOutcome,
    /// The entitlements that are over.
    pub entitlement_ids: Vec<String>,
}

/// Whom a mail about a grant goes to and what it is about. Personal.
#[derive(Clone, sqlx::FromRow)]
pub struct Recipient {
    /// The user's address, else the one given at the checkout.
    pub email: Option<String>,
    /// The user's name, else the one given at the checkout.
    pub name: Option<String>,
    /// The product's name.
    pub product: Option<String>,
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recipient(withheld)")
    }
}

/// The id of the grant of a product through a purchase.
#[must_use]
pub fn grant_id(source_app: &str, purchase_id: &str, product_id: &str) -> String {
    derived_id(&["grant", source_app, purchase_id, product_id])
}

/// Whether this app has a product.
///
/// # Errors
/// When the database does not answer.
pub async fn has_product(tx: &mut SqliteConnection, product_id: &str) -> Result<bool, DbError> {
    let found: Option<String> = sqlx::query_scalar("SELECT id FROM products WHERE id = $1")
        .bind(product_id)
        .fetch_optional(tx)
        .await?;
    Ok(found.is_some())
}

/// The other app sold a product of this one; `user_id` is the buyer here, if that is known. Of a
/// purchase that was revoked before, everything is recorded as revoked.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub async fn purchase(
    tx: &mut SqliteConnection,
    sold: &BundlePurchased,
    user_id: Option<&str>,
) -> Result<Grant, DbError> {
    let app = sold.envelope.source_app.as_str();
    let id = grant_id(app, &sold.purchase_id, &sold.target_product_id);
    let from = lock(&mut *tx, &id).await?;
    let linked = user_id.is_some();
    let to = grant_after(from, GrantMessage::Purchased { linked });
    match (from, to) {
        (None, Some(to)) => {
            let email = sold.buyer_email.normalised();
            let inserted = sqlx::query(
                "INSERT INTO bundle_grants (id, source_app, source_purchase_id, product_id, status,
                     source_user_id, pending_for_email, user_id, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            )
            .bind(&id)
            .bind(app)
            .bind(&sold.purchase_id)
            .bind(&sold.target_product_id)
            .bind(to)
            .bind(&sold.source_user_id)
            .bind((to == GrantStatus::Pending).then_some(email))
            .bind(user_id)
            .bind(now())
            .execute(&mut *tx)
            .await?;
            written(inserted.rows_affected())?;
        }
        (Some(from), Some(GrantStatus::Active)) if from != GrantStatus::Active => {
            activate(&mut *tx, &id, user_id).await?;
        }
        (None | Some(_), _) => {}
    }
    remember_buyer(&mut *tx, &id, sold).await?;
    entitle(&mut *tx, &id, &sold.target_product_id).await?;
    read(tx, &id).await
}

/// What only the purchase knows, also of one that was revoked before it was heard of.
async fn remember_buyer(
    tx: &mut SqliteConnection,
    id: &str,
    sold: &BundlePurchased,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE bundle_grants
         SET cross_app_sync_id = COALESCE(cross_app_sync_id, $2),
             buyer_email = COALESCE(buyer_email, $3),
             buyer_name = COALESCE(buyer_name, $4),
             source_user_id = COALESCE(source_user_id, $5)
         WHERE id = $1",
    )
    .bind(id)
    .bind(&sold.cross_app_sync_id)
    .bind(sold.buyer_email.normalised())
    .bind(&sold.buyer_name)
    .bind(&sold.source_user_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes the entitlements of a grant that are not there yet, in its status.
async fn entitle(tx: &mut SqliteConnection, grant: &str, product_id: &str) -> Result<(), DbError> {
    let resources: Vec<(String, String)> = sqlx::query_as(
        "SELECT entitlement_type, resource_id FROM product_resources WHERE product_id = $1
         ORDER BY entitlement_type, resource_id",
    )
    .bind(product_id)
    .fetch_all(&mut *tx)
    .await?;
    for (kind, resource) in resources {
        sqlx::query(
            "INSERT INTO entitlements (id, grant_id, entitlement_type, resource_id, user_id,
                 source_app, source_purchase_id, product_id, status, pending_for_email, created_at,
                 claimed_at, deleted_at)
             SELECT $1, id, $3, $4, user_id, source_app, source_purchase_id, product_id, status,
                 pending_for_email, $5, claimed_at, revoked_at
             FROM bundle_grants WHERE id = $2
             ON CONFLICT DO NOTHING",
        )
        .bind(derived_id(&["entitlement", grant, &kind, &resource]))
        .bind(grant)
        .bind(&kind)
        .bind(&resource)
        .bind(now())
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Locks a grant's row, if there is one, and reads its status.
async fn lock(tx: &mut SqliteConnection, id: &str) -> Result<Option<GrantStatus>, DbError> {
    sqlx::query("UPDATE bundle_grants SET status = status WHERE id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    let status = sqlx::query_scalar("SELECT status FROM bundle_grants WHERE id = $1")
        .bind(id)
        .fetch_optional(tx)
        .await?;
    Ok(status)
}

/// A pending grant becomes the user's.
async fn activate(
    tx: &mut SqliteConnection,
    id: &str,
    user_id: Option<&str>,
) -> Result<(), DbError> {
    let turned = sqlx::query(
        "UPDATE bundle_grants
         SET status = 'active', user_id = $2, claimed_at = $3, pending_for_email = NULL
         WHERE id = $1 AND status = 'pending'",
    )
    .bind(id)
    .bind(user_id)
    .bind(now())
    .execute(&mut *tx)
    .await?;
    written(turned.rows_affected())?;
    follow(tx, id).await
}

/// Sets the entitlements of a grant to what the grant says.
async fn follow(tx: &mut SqliteConnection, id: &str) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE entitlements
         SET status = g.status, user_id = g.user_id, pending_for_email = g.pending_for_email,
             claimed_at = g.claimed_at, deleted_at = g.revoked_at
         FROM bundle_grants AS g
         WHERE g.id = $1 AND entitlements.grant_id = g.id",
    )
    .bind(id)
    .execute(tx)
    .await?;
    Ok(())
}

fn written(rows: u64) -> Result<(), DbError> {
    if rows == 1 {
        return Ok(());
    }
    let table = "bundle_grants";
    Err(Raced { table }.into())
}

/// The other app takes a product back. What it never told us of is recorded as revoked.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub async fn revoke(
    tx: &mut SqliteConnection,
    back: &EntitlementRevoke,
) -> Result<Revocation, DbError> {
    let app = back.envelope.source_app.as_str();
    let id = grant_id(app, &back.source_purchase_id, &back.target_product_id);
    let from = lock(&mut *tx, &id).await?;
    let to = grant_after(from, GrantMessage::Revoked);
    let outcome = match from {
        Some(from) if Some(from) == to => RevokeOutcome::AlreadyRevoked,
        Some(from) => {
            let turned = sqlx::query(
                "UPDATE bundle_grants
                 SET status = 'revoked', revoked_at = $3, pending_for_email = NULL
                 WHERE id = $1 AND status = $2",
            )
            .bind(&id)
            .bind(from)
            .bind(&back.revoked_at)
            .execute(&mut *tx)
            .await?;
            written(turned.rows_affected())?;
            follow(&mut *tx, &id).await?;
            RevokeOutcome::Revoked
        }
        None => {
            let inserted = sqlx::query(
                "INSERT INTO bundle_grants (id, source_app, source_purchase_id, product_id, status,
                     source_user_id, created_at, revoked_at)
                 VALUES ($1, $2, $3, $4, 'revoked', $5, $6, $7) ON CONFLICT DO NOTHING",
            )
            .bind(&id)
            .bind(app)
            .bind(&back.source_purchase_id)
            .bind(&back.target_product_id)
            .bind(&back.source_user_id)
            .bind(now())
            .bind(&back.revoked_at)
            .execute(&mut *tx)
            .await?;
            written(inserted.rows_affected())?;
            RevokeOutcome::Tombstoned
        }
    };
    let entitlement_ids = entitlement_ids(tx, &id).await?;
    Ok(Revocation {
        outcome,
        entitlement_ids,
    })
}

/// Gives a pending grant to `user_id`, who has become known as its buyer; `None` when it is pending
/// no more.
///
/// # Errors
/// When the database does not answer, or another writer was faster.
pub async fn claim(
    tx: &mut SqliteConnection,
    id: &str,
    user_id: &str,
) -> Result<Option<Grant>, DbError> {
    let from = lock(&mut *tx, id).await?;
    let to = grant_after(from, GrantMessage::Claimed);
    if from == to || to != Some(GrantStatus::Active) {
        return Ok(None);
    }
    activate(&mut *tx, id, Some(user_id)).await?;
    read(tx, id).await.map(Some)
}

/// The grants that wait for a user of the other app: those of purchases of theirs, and those of
/// purchases by nobody in particular under an address that is verified to be theirs.
///
/// # Errors
/// When the database does not answer.
pub async fn pending_for(
    tx: &mut SqliteConnection,
    source_app: &str,
    source_user_id: &str,
    verified_email: Option<&str>,
) -> Result<Vec<String>, DbError> {
    let ids = sqlx::query_scalar(
        "SELECT id FROM bundle_grants
         WHERE status = 'pending' AND source_app = $1
           AND (source_user_id = $2 OR source_user_id IS NULL AND pending_for_email = $3)
         ORDER BY source_purchase_id, product_id",
    )
    .bind(source_app)
    .bind(source_user_id)
    .bind(verified_email)
    .fetch_all(tx)
    .await?;
    Ok(ids)
}

#[derive(sqlx::FromRow)]
struct Row {
    source_purchase_id: String,
    product_id: String,
    status: GrantStatus,
    user_id: Option<String>,
    cross_app_sync_id: Option<String>,
}

/// The grant of this id.
///
/// # Errors
/// When there is none, or the database does not answer.
pub async fn read(tx: &mut SqliteConnection, id: &str) -> Result<Grant, DbError> {
    let row: Row = sqlx::query_as(
        "SELECT source_purchase_id, product_id, status, user_id, cross_app_sync_id
         FROM bundle_grants WHERE id = $1",
    )
    .bind(id)
    .fetch_one(&mut *tx)
    .await?;
    Ok(Grant {
        id: id.to_owned(),
        purchase_id: row.source_purchase_id,
        product_id: row.product_id,
        status: row.status,
        user_id: row.user_id,
        entitlement_ids: entitlement_ids(tx, id).await?,
        cross_app_sync_id: row.cross_app_sync_id,
    })
}

async fn entitlement_ids(tx: &mut SqliteConnection, grant: &str) -> Result<Vec<String>, DbError> {
    let ids = sqlx::query_scalar(
        "SELECT id FROM entitlements WHERE grant_id = $1 ORDER BY entitlement_type, resource_id",
    )
    .bind(grant)
    .fetch_all(tx)
    .await?;
    Ok(ids)
}

/// Whom a mail about a grant goes to; `None` when the grant is revoked or not there.
///
/// # Errors
/// When the database does not answer.
pub async fn recipient(pool: &SqlitePool, id: &str) -> Result<Option<Recipient>, DbError> {
    let recipient = sqlx::query_as(
        "SELECT COALESCE(u.email, g.buyer_email) AS email, COALESCE(u.name, g.buyer_name) AS name,
                p.name AS product
         FROM bundle_grants AS g
         LEFT JOIN users AS u ON u.id = g.user_id
         LEFT JOIN products AS p ON p.id = g.product_id
         WHERE g.id = $1 AND g.status <> 'revoked'",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?;
    Ok(recipient)
}

/// Whether a user has access to a product at the instant `at`, in ISO 8601 and UTC.
///
/// # Errors
/// When the database does not answer.
pub async fn has_access(
    pool: &SqlitePool,
    user_id: &str,
    product_id: &str,
    at: &str,
) -> Result<bool, DbError> {
    let found: Option<String> = sqlx::query_scalar(
        "SELECT id FROM entitlements
         WHERE user_id = $1 AND product_id = $2 AND status = 'active' AND deleted_at IS NULL
           AND (expires_at IS NULL OR expires_at > $3)
         LIMIT 1",
    )
    .bind(user_id)
    .bind(product_id)
    .bind(at)
    .fetch_optional(pool)
    .await?;
    Ok(found.is_some())
}
