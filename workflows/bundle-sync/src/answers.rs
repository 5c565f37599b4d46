//! What the granting app tells the selling one of its grants.

use sqlx::SqliteConnection;

use crate::app::{App, AppName};
use crate::db::grants::Grant;
use crate::db::{DbError, now, outbox};
use crate::event::{EntitlementGranted, Granted};
use crate::machine::GrantStatus;

/// Owes the selling app the news that it has recorded `grant`; returns the message's id.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn owe_granted(
    tx: &mut SqliteConnection,
    app: &App,
    source: AppName,
    grant: &Grant,
) -> Result<String, DbError> {
    let status = match grant.status {
        GrantStatus::Active => Granted::Active,
        GrantStatus::Pending | GrantStatus::Revoked => Granted::Pending,
    };
    // A product without resources has a grant and nothing that carries it yet.
    let first = grant.entitlement_ids.first().unwrap_or(&grant.id);
    let granted = EntitlementGranted {
        envelope: app.envelope(),
        source_purchase_id: grant.purchase_id.clone(),
        entitlement_id: first.clone(),
        entitlement_ids: grant.entitlement_ids.clone(),
        target_product_id: grant.product_id.clone(),
        target_user_id: grant.user_id.clone(),
        status,
        granted_at: now(),
        cross_app_sync_id: grant.cross_app_sync_id.clone(),
    };
    outbox::put(tx, source, &granted, None).await
}
