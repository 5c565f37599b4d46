//! The order itself: written once, refreshed by a repeat, never taken from those who work on it.

use sqlx::{SqliteConnection, SqlitePool};

use super::{begin_writing, now};
use crate::event::{LineItem, OrderPlaced, Shipping};
use crate::order_row::{items_label, notes, ship_address};

/// Writes `order`, or refreshes customer, items, money and shipping of one that is there; status,
/// tracking, notes and `created_at` stay. Returns when the order was first recorded, in ISO 8601
/// and UTC.
///
/// # Errors
/// When the database fails; nothing is written then.
pub async fn record(pool: &SqlitePool, order: &OrderPlaced) -> sqlx::Result<String> {
    let mut tx = begin_writing(pool).await?;
    let created_at = upsert(&mut tx, order).await?;
    sqlx::query("DELETE FROM order_items WHERE order_id = $1")
        .bind(&order.order_id)
        .execute(&mut *tx)
        .await?;
    for (line, item) in order.line_items.iter().enumerate() {
        insert_item(&mut tx, &order.order_id, line, item).await?;
    }
    // Crash here: the old row, or none, is what the next attempt finds.
    tx.commit().await?;
    Ok(created_at)
}

async fn upsert(tx: &mut SqliteConnection, order: &OrderPlaced) -> sqlx::Result<String> {
    let customer = &order.encrypted;
    let nowhere = Shipping::default();
    let ship = customer.shipping.as_ref().unwrap_or(&nowhere);
    let discount = order.discount.as_ref();
    sqlx::query_scalar(
        "INSERT INTO orders (order_id, created_at, customer_email, customer_name, customer_phone, items,
             total_cents, currency, ship_address, ship_city, ship_state, ship_zip, ship_country, status, notes,
             stripe_session_id, discount_code, discount_amount_cents, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'pending', $14, $15, $16, $17, $2)
         ON CONFLICT (order_id) DO UPDATE SET
             customer_email = excluded.customer_email,
             customer_name = excluded.customer_name,
             customer_phone = excluded.customer_phone,
             items = excluded.items,
             total_cents = excluded.total_cents,
             currency = excluded.currency,
             ship_address = excluded.ship_address,
             ship_city = excluded.ship_city,
             ship_state = excluded.ship_state,
             ship_zip = excluded.ship_zip,
             ship_country = excluded.ship_country,
             stripe_session_id = excluded.stripe_session_id,
             discount_code = excluded.discount_code,
             discount_amount_cents = excluded.discount_amount_cents,
             updated_at = excluded.updated_at
         RETURNING created_at",
    )
    .bind(&order.order_id)
    .bind(now())
    .bind(customer.customer_email.as_deref().unwrap_or_default())
    .bind(customer.name())
    .bind(customer.customer_phone.as_deref().unwrap_or_default())
    .bind(items_label(&order.line_items))
    .bind(order.amount_total)
    .bind(order.currency.to_uppercase())
    .bind(ship_address(ship))
    .bind(ship.city.as_deref().unwrap_or_default())
    .bind(ship.state.as_deref().unwrap_or_default())
    .bind(ship.postal_code.as_deref().unwrap_or_default())
    .bind(ship.country.as_deref().unwrap_or_default())
    .bind(notes(order))
    .bind(&order.stripe_session_id)
    .bind(discount.map(|discount| discount.code.as_str()))
    .bind(discount.map(|discount| discount.amount_cents))
    .fetch_one(tx)
    .await
}

async fn insert_item(
    tx: &mut SqliteConnection,
    order_id: &str,
    line: usize,
    item: &LineItem,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO order_items (id, order_id, product_id, variant_id, sku, name, size, color, quantity, amount_total)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(format!("{order_id}:{line}"))
    .bind(order_id)
    .bind(&item.product_id)
    .bind(&item.variant_id)
    .bind(&item.sku)
    .bind(item.name())
    .bind(&item.size)
    .bind(&item.color)
    .bind(i64::from(item.quantity))
    .bind(item.amount_total)
    .execute(tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
