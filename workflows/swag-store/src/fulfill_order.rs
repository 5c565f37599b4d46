//! `fulfill-order`: confirm the payment, take the goods, tell the customer, tell who packs them.

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Step, workflow};

use crate::db::inventory::Reserved;
use crate::event::OrderPlaced;
use crate::mail::Confirmation;
use crate::shop::{MAIL_RETRIES, Recorded, Shop};
use crate::stripe::Payment;

/// What a fulfilled order leaves behind. Like the steps' outputs it names no person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The order.
    pub order_id: String,
    /// `fulfilled`.
    pub status: String,
    /// How it was paid.
    pub payment: Payment,
    /// What was taken from stock.
    pub inventory: Reserved,
    /// Whether the customer was told.
    pub confirmation: Confirmation,
    /// Where the order is recorded.
    pub recorded: Recorded,
}

/// Fulfils a paid order.
#[workflow(on = OrderPlaced, retries = 3)]
pub async fn fulfill_order(step: &mut Step, order: OrderPlaced) -> Result<Receipt, Error> {
    let shop = step.get::<Shop>();

    let payment = step
        .run("capture-payment", async |attempt: &Attempt| {
            shop.capture(&order, attempt).await
        })
        .await?;

    let inventory = step
        .transaction("reserve-inventory", &shop.db, async |tx| {
            Shop::reserve(tx, &order).await
        })
        .await?;

    let confirmation = step
        .run("send-confirmation", async |attempt: &Attempt| {
            shop.confirm(&order, attempt).await
        })
        .retries(MAIL_RETRIES)
        .await
        .unwrap_or_else(|spent| Confirmation::given_up(&spent));

    let recorded = step
        .run("record-to-sheet", async |_: &Attempt| {
            shop.record(&order).await
        })
        .await?;

    let status = "fulfilled".to_owned();
    Ok(Receipt {
        order_id: order.order_id,
        status,
        payment,
        inventory,
        confirmation,
        recorded,
    })
}

#[cfg(test)]
mod tests;
