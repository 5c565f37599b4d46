//! `handle-entitlement-revoked`: notes that the other app gives no access through a purchase any more.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Error, Step, workflow};

use crate::app::App;
use crate::db::alerts::{self, Alert};
use crate::db::syncs::{self, SyncKey};
use crate::db::{DbError, purchases};
use crate::event::{Checked as _, EntitlementRevoked};
use crate::machine::SyncMessage;

/// What a confirmation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmed {
    /// The sync row says so, for good.
    Revoked,
    /// There is no such purchase; an alert says so.
    PurchaseNotFound,
}

/// Notes that access is over.
#[workflow(on = EntitlementRevoked, retries = 10)]
pub async fn handle_entitlement_revoked(
    step: &mut Step,
    revoked: EntitlementRevoked,
) -> Result<Confirmed, Error> {
    revoked.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    let confirmed = step
        .transaction("mark-revoked", &app.db, async |tx| {
            Ok(mark(tx, &revoked).await?)
        })
        .await?;
    Ok(confirmed)
}

async fn mark(
    tx: &mut SqliteConnection,
    revoked: &EntitlementRevoked,
) -> Result<Confirmed, DbError> {
    let purchase_id = &revoked.source_purchase_id;
    if purchases::lock(&mut *tx, purchase_id).await?.is_none() {
        let detail = "the other app revoked for a purchase this app does not have";
        alerts::raise(tx, Alert::UnknownPurchase, purchase_id, detail).await?;
        return Ok(Confirmed::PurchaseNotFound);
    }
    let key = SyncKey {
        purchase_id: purchase_id.clone(),
        target_app: revoked.envelope.source_app.as_str().to_owned(),
        target_product_id: revoked.target_product_id.clone(),
    };
    syncs::hear(tx, &key, SyncMessage::Revoked).await?;
    Ok(Confirmed::Revoked)
}
