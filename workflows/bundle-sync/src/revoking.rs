//! Asking the granting app to take back what one purchase gave.

use sqlx::SqliteConnection;

use crate::app::App;
use crate::db::purchases::Purchase;
use crate::db::{DbError, now, outbox, syncs};
use crate::event::{Email, EntitlementRevoke, RevokeReason};

/// Owes the other app the wish to revoke one product of `purchase`, and notes that it was asked;
/// returns the message's id. Asking again is the same message.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn owe_revoke(
    tx: &mut SqliteConnection,
    app: &App,
    purchase: &Purchase,
    (sync_id, target_product_id): (&str, &str),
    reason: RevokeReason,
) -> Result<String, DbError> {
    let at = now();
    syncs::request_revocation(&mut *tx, sync_id, &at).await?;
    let revoke = EntitlementRevoke {
        envelope: app.envelope(),
        source_purchase_id: purchase.id.clone(),
        target_product_id: target_product_id.to_owned(),
        reason,
        buyer_email: Some(Email::new(purchase.buyer_email.clone())),
        source_user_id: Some(purchase.user_id.clone()),
        revoked_at: at,
    };
    // No sync row fails with it: one whose revocation cannot be delivered is not unsold again.
    outbox::put(tx, app.name.other(), &revoke, None).await
}
