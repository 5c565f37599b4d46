//! What a shop and a sign-in write: users, their accounts elsewhere, products, purchases, refunds.
//!
//! The sync reads these rows. In an app of its own they belong to the rest of it.

use sqlx::SqliteConnection;

use super::DbError;
use super::purchases::PurchaseStatus;
use crate::event::{Email, Provider};

/// A user to be recorded.
#[derive(Clone, Debug)]
pub struct NewUser<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its address.
    pub email: &'a Email,
    /// Whether the address is verified.
    pub email_verified: bool,
    /// Its name.
    pub name: Option<&'a str>,
}

/// A purchase to be recorded.
#[derive(Clone, Debug)]
pub struct NewPurchase<'a> {
    /// Its id.
    pub id: &'a str,
    /// Who bought.
    pub user_id: &'a str,
    /// What.
    pub product_id: &'a str,
    /// How many; a purchase of several is a team's, whose seats are purchases of their own.
    pub quantity: i64,
    /// The address given at the checkout.
    pub buyer_email: &'a Email,
    /// The name given at the checkout.
    pub buyer_name: Option<&'a str>,
    /// What was paid, in cents.
    pub amount: i64,
    /// When, in ISO 8601.
    pub purchased_at: &'a str,
}

/// Records a user, or its new address, name and verification.
///
/// # Errors
/// When the address is another user's, or the database does not answer.
pub async fn put_user(tx: &mut SqliteConnection, user: &NewUser<'_>) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO users (id, email, email_verified, name) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET email = excluded.email,
             email_verified = excluded.email_verified, name = excluded.name",
    )
    .bind(user.id)
    .bind(user.email.normalised())
    .bind(i64::from(user.email_verified))
    .bind(user.name)
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes a user of the selling side: links, purchases and sync rows go along; what the other app
/// granted was paid for and stays.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_user(tx: &mut SqliteConnection, user_id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM users WHERE id = $1")
        .bind(user_id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Records that an account of `provider` is the user's.
///
/// # Errors
/// When there is no such user, or the database does not answer.
pub async fn put_oauth_account(
    tx: &mut SqliteConnection,
    provider: Provider,
    provider_account_id: &str,
    user_id: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO oauth_accounts (provider, provider_account_id, user_id) VALUES ($1, $2, $3)
         ON CONFLICT (provider, provider_account_id) DO NOTHING",
    )
    .bind(provider.as_str())
    .bind(provider_account_id)
    .bind(user_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Records a product, with the metadata that say which products of other apps it sells.
///
/// # Errors
/// When the database does not answer.
pub async fn put_product(
    tx: &mut SqliteConnection,
    id: &str,
    name: &str,
    bundle_products: Option<&str>,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO products (id, name, bundle_products) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name,
             bundle_products = excluded.bundle_products",
    )
    .bind(id)
    .bind(name)
    .bind(bundle_products)
    .execute(tx)
    .await?;
    Ok(())
}

/// Records what a product gives access to.
///
/// # Errors
/// When there is no such product, or the database does not answer.
pub async fn put_resource(
    tx: &mut SqliteConnection,
    product_id: &str,
    entitlement_type: &str,
    resource_id: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO product_resources (product_id, entitlement_type, resource_id)
         VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(product_id)
    .bind(entitlement_type)
    .bind(resource_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Records a purchase; one that is recorded already stays as it is.
///
/// # Errors
/// When the buyer is no user, or the database does not answer.
pub async fn put_purchase(
    tx: &mut SqliteConnection,
    purchase: &NewPurchase<'_>,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO purchases (id, user_id, product_id, quantity, status, buyer_email, buyer_name,
             amount, purchased_at)
         VALUES ($1, $2, $3, $4, 'Valid', $5, $6, $7, $8)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(purchase.id)
    .bind(purchase.user_id)
    .bind(purchase.product_id)
    .bind(purchase.quantity)
    .bind(purchase.buyer_email.expose())
    .bind(purchase.buyer_name)
    .bind(purchase.amount)
    .bind(purchase.purchased_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Records that `amount_refunded` cents of a purchase went back in all. Only all of it ends the
/// purchase.
///
/// # Errors
/// When the database does not answer.
pub async fn put_refund(
    tx: &mut SqliteConnection,
    purchase_id: &str,
    amount_refunded: i64,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE purchases
         SET amount_refunded = $2,
             status = CASE WHEN $2 >= amount THEN 'Refunded' ELSE status END
         WHERE id = $1 AND amount_refunded < $2",
    )
    .bind(purchase_id)
    .bind(amount_refunded)
    .execute(tx)
    .await?;
    Ok(())
}

/// Records a purchase's status, as a dispute or a ban sets it.
///
/// # Errors
/// When the database does not answer.
pub async fn put_status(
    tx: &mut SqliteConnection,
    purchase_id: &str,
    status: PurchaseStatus,
) -> Result<(), DbError> {
    sqlx::query("UPDATE purchases SET status = $2 WHERE id = $1")
        .bind(purchase_id)
        .bind(status)
        .execute(tx)
        .await?;
    Ok(())
}
