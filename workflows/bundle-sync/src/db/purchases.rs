//! Purchases as the sync reads them, and the products of other apps that a bundle sells.

use serde::Deserialize;
use sqlx::SqliteConnection;

use super::DbError;
use crate::event::RevokeReason;

/// How a purchase stands, in the words of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
pub enum PurchaseStatus {
    /// It gives access.
    Valid,
    /// It gives access, at a regional price.
    Restricted,
    /// All of the money went back.
    Refunded,
    /// The buyer disputes the payment.
    Disputed,
    /// The buyer is banned.
    Banned,
}

impl PurchaseStatus {
    /// Why access is to be taken back; `None` while the purchase gives access.
    #[must_use]
    pub fn revokes(self) -> Option<RevokeReason> {
        match self {
            Self::Valid | Self::Restricted => None,
            Self::Refunded => Some(RevokeReason::Refund),
            Self::Disputed => Some(RevokeReason::Dispute),
            Self::Banned => Some(RevokeReason::Ban),
        }
    }

    /// The word events carry.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "Valid",
            Self::Restricted => "Restricted",
            Self::Refunded => "Refunded",
            Self::Disputed => "Disputed",
            Self::Banned => "Banned",
        }
    }
}

/// A purchase. Its buyer is personal.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Purchase {
    /// Its id.
    pub id: String,
    /// Who bought.
    pub user_id: String,
    /// What.
    pub product_id: String,
    /// How many.
    pub quantity: i64,
    /// How it stands.
    pub status: PurchaseStatus,
    /// The address given at the checkout.
    pub buyer_email: String,
    /// The name given at the checkout.
    pub buyer_name: Option<String>,
    /// When, in ISO 8601.
    pub purchased_at: String,
}

impl Purchase {
    /// Whether it is a team's, whose seats are purchases of their own and whose buyer holds none.
    #[must_use]
    pub fn is_of_a_team(&self) -> bool {
        self.quantity > 1
    }
}

impl std::fmt::Debug for Purchase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Purchase({})", self.id)
    }
}

/// Reads a purchase and keeps others from changing it until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(
    tx: &mut SqliteConnection,
    purchase_id: &str,
) -> Result<Option<Purchase>, DbError> {
    // A write that changes nothing takes the row's lock in every database.
    sqlx::query("UPDATE purchases SET status = status WHERE id = $1")
        .bind(purchase_id)
        .execute(&mut *tx)
        .await?;
    let purchase = sqlx::query_as(
        "SELECT id, user_id, product_id, quantity, status, buyer_email, buyer_name, purchased_at
         FROM purchases WHERE id = $1",
    )
    .bind(purchase_id)
    .fetch_optional(tx)
    .await?;
    Ok(purchase)
}

/// Leaves a note on a purchase.
///
/// # Errors
/// When the database does not answer.
pub async fn annotate(
    tx: &mut SqliteConnection,
    purchase_id: &str,
    note: &str,
) -> Result<(), DbError> {
    sqlx::query("UPDATE purchases SET note = $2 WHERE id = $1")
        .bind(purchase_id)
        .bind(note)
        .execute(tx)
        .await?;
    Ok(())
}

/// One product of another app in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct BundleProduct {
    /// The app, as the metadata name it.
    pub app: String,
    /// Its product.
    #[serde(rename = "productId")]
    pub product_id: String,
}

/// The products of other apps that `product_id` sells; none for a product without a bundle. The
/// inner result says that the metadata cannot be read.
///
/// # Errors
/// When the database does not answer.
pub async fn bundle_products(
    tx: &mut SqliteConnection,
    product_id: &str,
) -> Result<Result<Vec<BundleProduct>, serde_json::Error>, DbError> {
    let metadata: Option<Option<String>> =
        sqlx::query_scalar("SELECT bundle_products FROM products WHERE id = $1")
            .bind(product_id)
            .fetch_optional(tx)
            .await?;
    match metadata.flatten() {
        Some(json) if !json.trim().is_empty() => Ok(serde_json::from_str(&json)),
        Some(_) | None => Ok(Ok(Vec::new())),
    }
}
