//! Taking an order's goods from stock: all of them or none, never below zero, once for each order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use thiserror::Error;

use super::now;
use crate::event::{LineItem, OrderPlaced};
use crate::verdict::{Retry, Verdict};

/// Who the ledger says took the goods.
const ACTOR: &str = "system:fulfill-order";

/// What `reserve-inventory` records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// One entry for each variant, ordered by variant id.
    pub reservations: Vec<Reservation>,
    /// How many there are.
    pub count: usize,
}

/// Goods that are the order's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The product's SKU.
    pub sku: String,
    /// The product's name.
    pub name: String,
    /// The variant.
    pub variant_id: String,
    /// Its size, if it has one.
    pub size: Option<String>,
    /// Its colour, if it has one.
    pub color: Option<String>,
    /// How many were taken.
    pub quantity: i64,
    /// How many were left.
    pub stock_after: i64,
    /// When, in ISO 8601 and UTC.
    pub reserved_at: String,
}

/// Why nothing was taken.
#[derive(Debug, Error)]
pub enum ReserveError {
    /// The shop has no such variant, and will not have it by asking again.
    #[error(
        "reserve stock for order {order_id}: no variant is called {wanted}: correct the order or add the variant"
    )]
    UnknownVariant {
        /// The order.
        order_id: String,
        /// The variant id or SKU that was asked for.
        wanted: String,
    },
    /// A line asks for nothing, or for more than can be counted.
    #[error(
        "reserve stock for order {order_id}: the quantity of {wanted} must be from 1 to {QUANTITY_MAX}"
    )]
    Quantity {
        /// The order.
        order_id: String,
        /// The variant id or SKU that was asked for.
        wanted: String,
    },
    /// Less is there than was asked for; a delivery within the retries rescues the order.
    #[error(
        "reserve stock for order {order_id}: {variant_id} has {stock} left, expected {quantity}: restock it"
    )]
    Insufficient {
        /// The order.
        order_id: String,
        /// The variant.
        variant_id: String,
        /// How many there are.
        stock: i64,
        /// How many were asked for.
        quantity: i64,
    },
    /// The database did not answer.
    #[error("reserve stock: {0}")]
    Database(#[from] sqlx::Error),
}

/// The most units of one variant an order may ask for.
pub const QUANTITY_MAX: i64 = 1_000_000;

impl Verdict for ReserveError {
    fn retry(&self) -> Retry {
        match self {
            ReserveError::UnknownVariant { .. } | ReserveError::Quantity { .. } => Retry::Never,
            ReserveError::Insufficient { .. } | ReserveError::Database(_) => Retry::Later,
        }
    }
}

/// A variant as it stands.
#[derive(sqlx::FromRow)]
struct Stocked {
    variant_id: String,
    size: Option<String>,
    color: Option<String>,
    stock: i64,
    product_id: String,
    sku: String,
    name: String,
}

/// Takes the goods of `order` inside the caller's transaction, which must be rolled back on an
/// error. An order that has its goods already gets the recorded rows and takes nothing.
///
/// # Errors
/// When a variant is unknown, a quantity is senseless, stock is short or the database fails.
pub async fn reserve(
    tx: &mut SqliteConnection,
    order: &OrderPlaced,
) -> Result<Reserved, ReserveError> {
    let recorded = recorded(tx, &order.order_id).await?;
    if !recorded.is_empty() {
        return Ok(Reserved {
            count: recorded.len(),
            reservations: recorded,
        });
    }
    let now = now();
    let mut reservations = Vec::new();
    // Ordered by variant, so that two orders for the same goods queue up instead of waiting for
    // each other in a ring.
    for (stocked, quantity) in wanted(tx, order).await?.into_values() {
        reservations.push(take(tx, &order.order_id, stocked, quantity, &now).await?);
    }
    // Crash here: the caller has not committed, so nothing was taken.
    Ok(Reserved {
        count: reservations.len(),
        reservations,
    })
}

/// The rows of an earlier attempt, with the stock the ledger says they left.
async fn recorded(tx: &mut SqliteConnection, order_id: &str) -> sqlx::Result<Vec<Reservation>> {
    sqlx::query_as(
        "SELECT r.sku, r.name, r.variant_id, r.size, r.color, r.quantity,
                a.new_stock AS stock_after, r.created_at AS reserved_at
         FROM order_reservations r
         JOIN inventory_adjustments a ON a.batch_id = $2 AND a.variant_id = r.variant_id
         WHERE r.order_id = $1
         ORDER BY r.variant_id",
    )
    .bind(order_id)
    .bind(batch(order_id))
    .fetch_all(tx)
    .await
}

/// What the order asks for, added up by variant: two lines of the same variant are one reservation.
async fn wanted(
    tx: &mut SqliteConnection,
    order: &OrderPlaced,
) -> Result<BTreeMap<String, (Stocked, i64)>, ReserveError> {
    let mut wanted = BTreeMap::<String, (Stocked, i64)>::new();
    for item in &order.line_items {
        let order_id = || order.order_id.clone();
        let named = || named(item).to_owned();
        let Some(stocked) = find(tx, item).await? else {
            return Err(ReserveError::UnknownVariant {
                order_id: order_id(),
                wanted: named(),
            });
        };
        let sum = &mut wanted
            .entry(stocked.variant_id.clone())
            .or_insert((stocked, 0))
            .1;
        *sum += i64::from(item.quantity);
        if item.quantity == 0 || *sum > QUANTITY_MAX {
            return Err(ReserveError::Quantity {
                order_id: order_id(),
                wanted: named(),
            });
        }
    }
    Ok(wanted)
}

/// What a message calls the line's goods.
fn named(item: &LineItem) -> &str {
    item.variant_id
        .as_deref()
        .or(item.sku.as_deref())
        .unwrap_or_else(|| item.name())
}

/// The variant by its id; only a line without one falls back to the first variant of its SKU.
async fn find(tx: &mut SqliteConnection, item: &LineItem) -> sqlx::Result<Option<Stocked>> {
    let (query, key) = match (&item.variant_id, &item.sku) {
        (Some(variant_id), _) => (
            "SELECT v.id AS variant_id, v.size, v.color, v.stock, p.id AS product_id, p.sku, p.name
             FROM product_variants v JOIN products p ON p.id = v.product_id
             WHERE v.id = $1",
            variant_id,
        ),
        (None, Some(sku)) => (
            "SELECT v.id AS variant_id, v.size, v.color, v.stock, p.id AS product_id, p.sku, p.name
             FROM product_variants v JOIN products p ON p.id = v.product_id
             WHERE p.sku = $1 ORDER BY v.id LIMIT 1",
            sku,
        ),
        (None, None) => return Ok(None),
    };
    sqlx::query_as(query).bind(key).fetch_optional(tx).await
}

/// Subtracts, and writes reservation and ledger row beside it.
async fn take(
    tx: &mut SqliteConnection,
    order_id: &str,
    stocked: Stocked,
    quantity: i64,
    now: &str,
) -> Result<Reservation, ReserveError> {
    let left: Option<i64> = sqlx::query_scalar(
        "UPDATE product_variants SET stock = stock - $1, updated_at = $2
         WHERE id = $3 AND stock >= $1
         RETURNING stock",
    )
    .bind(quantity)
    .bind(now)
    .bind(&stocked.variant_id)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(stock_after) = left else {
        return Err(ReserveError::Insufficient {
            order_id: order_id.to_owned(),
            variant_id: stocked.variant_id,
            stock: stocked.stock,
            quantity,
        });
    };
    let reservation = Reservation {
        sku: stocked.sku,
        name: stocked.name,
        variant_id: stocked.variant_id,
        size: stocked.size,
        color: stocked.color,
        quantity,
        stock_after,
        reserved_at: now.to_owned(),
    };
    record(tx, order_id, &stocked.product_id, &reservation).await?;
    Ok(reservation)
}

async fn record(
    tx: &mut SqliteConnection,
    order_id: &str,
    product_id: &str,
    taken: &Reservation,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO order_reservations (order_id, variant_id, quantity, sku, name, size, color, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(order_id)
    .bind(&taken.variant_id)
    .bind(taken.quantity)
    .bind(&taken.sku)
    .bind(&taken.name)
    .bind(&taken.size)
    .bind(&taken.color)
    .bind(&taken.reserved_at)
    .execute(&mut *tx)
    .await?;
    let batch = batch(order_id);
    sqlx::query(
        "INSERT INTO inventory_adjustments (id, batch_id, created_at, actor_email, source, reason, mode,
             product_id, product_name, sku, variant_id, size, color, previous_stock, quantity_change, new_stock)
         VALUES ($1, $2, $3, $4, 'order-fulfillment', $5, 'order_reservation',
             $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(format!("{batch}:{}", taken.variant_id))
    .bind(&batch)
    .bind(&taken.reserved_at)
    .bind(ACTOR)
    .bind(format!("order {order_id}"))
    .bind(product_id)
    .bind(&taken.name)
    .bind(&taken.sku)
    .bind(&taken.variant_id)
    .bind(&taken.size)
    .bind(&taken.color)
    .bind(taken.stock_after + taken.quantity)
    .bind(-taken.quantity)
    .bind(taken.stock_after)
    .execute(tx)
    .await?;
    Ok(())
}

/// The ledger's name for what an order took.
fn batch(order_id: &str) -> String {
    format!("res_{order_id}")
}

#[cfg(test)]
mod tests;
