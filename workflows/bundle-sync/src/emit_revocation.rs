//! `emit-revocation`: asks the other app to take back what a purchase gave, once all money went back.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::DbError;
use crate::db::outbox::Sent;
use crate::db::purchases::{self, Purchase};
use crate::db::syncs::{self, SyncKey};
use crate::event::{Checked as _, PurchaseRefunded, RevokeReason};
use crate::machine::{SyncMessage, SyncStatus};
use crate::revoking::owe_revoke;
use crate::send::{PATIENT, send_cross_app_event};

/// What a refund came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum Revoking {
    /// The other app was asked, as far as it let itself be asked.
    Asked {
        /// What became of each message.
        sent: Vec<Sent>,
    },
    /// The other app was never told of the purchase, and never will be.
    NeverTold,
    /// Not all of the money went back; a note stands at the purchase.
    Partial,
    /// There is no such purchase.
    PurchaseNotFound,
}

/// What `ask-back` records.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Asked {
    Ended(Revoking),
    /// The purchase still counts as paid: its refund is not stored yet.
    TooEarly,
    Owed(Vec<String>),
}

/// Asks for what a refunded purchase gave.
#[workflow(on = PurchaseRefunded, retries = 10)]
pub async fn emit_revocation(
    step: &mut Step,
    refunded: PurchaseRefunded,
) -> Result<Revoking, Error> {
    refunded.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    let asked = step
        .transaction("ask-back", &app.db, async |tx| {
            match ask(tx, &app, &refunded).await? {
                Asked::TooEarly => Err(Error::retryable(format_args!(
                    "revoke what purchase {} gave: its refund is not stored yet",
                    refunded.purchase_id
                ))),
                asked => Ok(asked),
            }
        })
        .await?;
    let owed = match asked {
        Asked::Ended(revoking) => return Ok(revoking),
        Asked::TooEarly => Vec::new(),
        Asked::Owed(owed) => owed,
    };
    let target = app.name.other();
    let count = owed.len();
    let sent = step
        .map("ask", owed, count, async |step: &mut Step, id: String| {
            send_cross_app_event(step, &app, target, &id, PATIENT).await
        })
        .await?;
    let sent = sent.into_iter().collect::<Result<_, _>>()?;
    Ok(Revoking::Asked { sent })
}

async fn ask(
    tx: &mut SqliteConnection,
    app: &App,
    refunded: &PurchaseRefunded,
) -> Result<Asked, DbError> {
    let Some(purchase) = purchases::lock(&mut *tx, &refunded.purchase_id).await? else {
        return Ok(Asked::Ended(Revoking::PurchaseNotFound));
    };
    // A shop may call a purchase refunded when a part of it was: the amounts decide.
    let full = refunded.full || refunded.amount_refunded >= refunded.amount;
    if !full {
        let note = format!(
            "refunded in part: {} of {}",
            refunded.amount_refunded, refunded.amount
        );
        purchases::annotate(tx, &purchase.id, &note).await?;
        return Ok(Asked::Ended(Revoking::Partial));
    }
    let Some(reason) = purchase.status.revokes() else {
        return Ok(Asked::TooEarly);
    };
    let target = app.name.other();
    let rows = syncs::of_purchase(&mut *tx, &purchase.id, target.as_str()).await?;
    if rows.is_empty() {
        close(tx, app, &purchase).await?;
        return Ok(Asked::Ended(Revoking::NeverTold));
    }
    owe(tx, app, &purchase, &rows, reason)
        .await
        .map(Asked::Owed)
}

/// Owes a revocation for each product that was told of. What was sold is frozen in the rows: the
/// product's metadata may have changed since.
async fn owe(
    tx: &mut SqliteConnection,
    app: &App,
    purchase: &Purchase,
    rows: &[syncs::Sync],
    reason: RevokeReason,
) -> Result<Vec<String>, DbError> {
    let mut owed = Vec::new();
    for row in rows.iter().filter(|row| row.status != SyncStatus::Revoked) {
        let about = (&*row.id, &*row.target_product_id);
        owed.push(owe_revoke(&mut *tx, app, purchase, about, reason).await?);
    }
    Ok(owed)
}

/// Leaves rows that are revoked already, so that the purchase stays silent when it is heard of.
async fn close(tx: &mut SqliteConnection, app: &App, purchase: &Purchase) -> Result<(), DbError> {
    let products = purchases::bundle_products(&mut *tx, &purchase.product_id).await?;
    let target = app.name.other();
    for product in products.unwrap_or_default() {
        if product.app == target.as_str() {
            let key = SyncKey {
                purchase_id: purchase.id.clone(),
                target_app: product.app,
                target_product_id: product.product_id,
            };
            syncs::hear(&mut *tx, &key, SyncMessage::Refunded).await?;
        }
    }
    Ok(())
}
