//! `handle-entitlement-granted`: notes that the other app has recorded a purchase of this one's.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::alerts::{self, Alert};
use crate::db::outbox::Sent;
use crate::db::syncs::{self, GivenThere, SyncKey};
use crate::db::{DbError, purchases};
use crate::event::{Checked as _, EntitlementGranted, RevokeReason};
use crate::machine::SyncStatus;
use crate::revoking::owe_revoke;
use crate::send::{PATIENT, send_cross_app_event};

/// What an answer came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum Noted {
    /// The sync row says so.
    Synced,
    /// The purchase is over: the other app was asked to take back what it gave.
    AskedBack {
        /// What became of asking.
        sent: Sent,
    },
    /// There is no such purchase; an alert says so.
    PurchaseNotFound,
}

/// What `mark-synced` records.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Marked {
    Synced,
    /// The message that asks for it back.
    AskBack(String),
    PurchaseNotFound,
}

/// Notes what the other app gave.
#[workflow(on = EntitlementGranted, retries = 10)]
pub async fn handle_entitlement_granted(
    step: &mut Step,
    granted: EntitlementGranted,
) -> Result<Noted, Error> {
    granted.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    let marked = step
        .transaction("mark-synced", &app.db, async |tx| {
            Ok(mark(tx, &app, &granted).await?)
        })
        .await?;
    match marked {
        Marked::Synced => Ok(Noted::Synced),
        Marked::PurchaseNotFound => Ok(Noted::PurchaseNotFound),
        Marked::AskBack(id) => {
            let target = granted.envelope.source_app;
            let sent = send_cross_app_event(step, &app, target, &id, PATIENT).await?;
            Ok(Noted::AskedBack { sent })
        }
    }
}

async fn mark(
    tx: &mut SqliteConnection,
    app: &App,
    granted: &EntitlementGranted,
) -> Result<Marked, DbError> {
    let purchase_id = &granted.source_purchase_id;
    let Some(purchase) = purchases::lock(&mut *tx, purchase_id).await? else {
        let detail = "the other app granted for a purchase this app does not have";
        alerts::raise(tx, Alert::UnknownPurchase, purchase_id, detail).await?;
        return Ok(Marked::PurchaseNotFound);
    };
    let key = SyncKey {
        purchase_id: purchase_id.clone(),
        target_app: granted.envelope.source_app.as_str().to_owned(),
        target_product_id: granted.target_product_id.clone(),
    };
    let given = GivenThere {
        entitlement_id: Some(&granted.entitlement_id),
        user_id: granted.target_user_id.as_deref(),
    };
    let moved = syncs::grant(&mut *tx, &key, &given).await?;
    let over = purchase.status.revokes();
    if over.is_none() && moved.to != Some(SyncStatus::Revoked) {
        return Ok(Marked::Synced);
    }
    // Under the id it has, so it reaches the other app once, whoever else asks.
    let reason = over.unwrap_or(RevokeReason::Manual);
    let about = (&*key.id(), &*key.target_product_id);
    let id = owe_revoke(tx, app, &purchase, about, reason).await?;
    Ok(Marked::AskBack(id))
}
