//! `emit-bundle-purchase`: tells the other app of each product of its own that a purchase sells.
//!
//! The products are frozen in the sync rows, which are written before anything is sent, in the
//! transaction that reads the purchase and the bundle. Sales never wait for the other app.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::{Error, Step, workflow};

use crate::app::{App, AppName};
use crate::db::alerts::{self, Alert};
use crate::db::outbox::{self, Sent};
use crate::db::purchases::{self, BundleProduct, Purchase};
use crate::db::syncs::{self, SyncKey};
use crate::db::{DbError, links};
use crate::event::{BundlePurchased, Checked as _, Email, PurchaseCreated};
use crate::machine::{SyncMessage, SyncStatus};
use crate::send::{PATIENT, send_cross_app_event};

/// What a purchase came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum Emitted {
    /// The other app was told, as far as it let itself be told.
    Told {
        /// What became of each message.
        sent: Vec<Sent>,
    },
    /// There is no such purchase.
    PurchaseNotFound,
    /// It gives no access any more.
    NotValid,
    /// The seats of a team's purchase are purchases of their own.
    OfATeam,
    /// It sells nothing of another app's.
    NoBundle,
    /// The product's metadata cannot be read; an alert says so.
    BadBundleProducts,
}

/// What `open-sync-rows` records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Opened {
    /// Nothing is to be sent.
    Ended(Emitted),
    /// The messages that are owed.
    Owed(Vec<String>),
}

/// Tells the other app of a purchase.
#[workflow(on = PurchaseCreated, retries = 10)]
pub async fn emit_bundle_purchase(
    step: &mut Step,
    created: PurchaseCreated,
) -> Result<Emitted, Error> {
    created.check().map_err(Error::terminal)?;
    let app = step.get::<App>();
    let opened = step
        .transaction("open-sync-rows", &app.db, async |tx| {
            Ok(open(tx, &app, &created.purchase_id).await?)
        })
        .await?;
    let owed = match opened {
        Opened::Ended(emitted) => return Ok(emitted),
        Opened::Owed(owed) => owed,
    };
    let target = app.name.other();
    let count = owed.len();
    let sent = step
        .map("tell", owed, count, async |step: &mut Step, id: String| {
            send_cross_app_event(step, &app, target, &id, PATIENT).await
        })
        .await?;
    let sent = sent.into_iter().collect::<Result<_, _>>()?;
    Ok(Emitted::Told { sent })
}

async fn open(tx: &mut SqliteConnection, app: &App, purchase_id: &str) -> Result<Opened, DbError> {
    let Some(purchase) = purchases::lock(&mut *tx, purchase_id).await? else {
        return Ok(Opened::Ended(Emitted::PurchaseNotFound));
    };
    if purchase.status.revokes().is_some() {
        return Ok(Opened::Ended(Emitted::NotValid));
    }
    if purchase.is_of_a_team() {
        return Ok(Opened::Ended(Emitted::OfATeam));
    }
    let products = match purchases::bundle_products(&mut *tx, &purchase.product_id).await? {
        Ok(products) => products,
        Err(_) => {
            let detail = "the bundleProducts metadata are not a list of app and productId";
            alerts::raise(
                &mut *tx,
                Alert::BadBundleProducts,
                &purchase.product_id,
                detail,
            )
            .await?;
            return Ok(Opened::Ended(Emitted::BadBundleProducts));
        }
    };
    let mut owed = Vec::new();
    for product in &products {
        // A bundle may list products of this app too; they need no bridge.
        if product.app == app.name.as_str() {
            continue;
        }
        if product.app.parse::<AppName>().is_err() {
            let subject = format!("{}:{}", purchase.product_id, product.app);
            let detail = "the bundleProducts metadata name an app there is not";
            alerts::raise(&mut *tx, Alert::UnknownTarget, &subject, detail).await?;
            continue;
        }
        owed.extend(owe(&mut *tx, app, &purchase, product).await?);
    }
    if owed.is_empty() && products.is_empty() {
        return Ok(Opened::Ended(Emitted::NoBundle));
    }
    Ok(Opened::Owed(owed))
}

/// Opens the sync row of one product and owes the message; `None` when it was revoked before.
async fn owe(
    tx: &mut SqliteConnection,
    app: &App,
    purchase: &Purchase,
    product: &BundleProduct,
) -> Result<Option<String>, DbError> {
    let target = app.name.other();
    let key = SyncKey {
        purchase_id: purchase.id.clone(),
        target_app: target.as_str().to_owned(),
        target_product_id: product.product_id.clone(),
    };
    let moved = syncs::hear(&mut *tx, &key, SyncMessage::Purchased).await?;
    if moved.to == Some(SyncStatus::Revoked) {
        return Ok(None);
    }
    let link = links::of_user(&mut *tx, &purchase.user_id, target).await?;
    let sold = BundlePurchased {
        envelope: app.envelope(),
        purchase_id: purchase.id.clone(),
        buyer_email: Email::new(purchase.buyer_email.clone()),
        linked_user_id: link.map(|link| link.linked_user_id),
        source_user_id: Some(purchase.user_id.clone()),
        bundle_product_id: purchase.product_id.clone(),
        target_product_id: product.product_id.clone(),
        buyer_name: purchase.buyer_name.clone(),
        purchased_at: purchase.purchased_at.clone(),
        purchase_status: purchase.status.as_str().to_owned(),
        cross_app_sync_id: key.id(),
    };
    let id = outbox::put(tx, target, &sold, Some(&key.id())).await?;
    Ok(Some(id))
}
