//! The order's row, written once and refreshed.

use sqlx::Row as _;

use super::*;
use crate::event::Discount;
use crate::testing::{Scratch, order, order_of, tee};

async fn one(pool: &SqlitePool, column: &str) -> String {
    let row = sqlx::query("SELECT * FROM orders")
        .fetch_one(pool)
        .await
        .unwrap();
    row.get(column)
}

async fn items(pool: &SqlitePool) -> Vec<(String, i64)> {
    let query = "SELECT variant_id, quantity FROM order_items ORDER BY id";
    sqlx::query_as(query).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn an_order_is_written_with_its_items() {
    let scratch = Scratch::new().await;
    let mut order = order_of("ord_1", vec![tee("M", 1), tee("S", 2)]);
    order.discount = Some(Discount {
        code: "SALES-1".to_owned(),
        amount_cents: 100,
    });
    record(&scratch.pool, &order).await.unwrap();
    for (column, value) in [
        ("order_id", "ord_1"),
        ("customer_email", "ada@customer.example"),
        ("customer_name", "Ada Example"),
        ("items", "AAI Tee (M/Grey), AAI Tee (S/Grey) × 2"),
        ("currency", "USD"),
        ("ship_address", "1 Analytical Way, Engine Room"),
        ("ship_zip", "97201"),
        ("status", "pending"),
        ("stripe_session_id", "cs_ord_1"),
        ("discount_code", "SALES-1"),
        ("notes", "Discount SALES-1: $1.00 off"),
    ] {
        assert_eq!(one(&scratch.pool, column).await, value, "{column}");
    }
    let expected = [
        ("var_aai-tee-grey-m".to_owned(), 1),
        ("var_aai-tee-grey-s".to_owned(), 2),
    ];
    assert_eq!(items(&scratch.pool).await, expected);
}

#[tokio::test]
async fn a_repeat_refreshes_the_order_and_keeps_what_people_did_to_it() {
    let scratch = Scratch::new().await;
    let first = record(&scratch.pool, &order("ord_1")).await.unwrap();
    sqlx::query("UPDATE orders SET status = 'shipped', tracking = 'T1', notes = 'gift'")
        .execute(&scratch.pool)
        .await
        .unwrap();
    let scratch = scratch.reopen().await;
    let mut again = order_of("ord_1", vec![tee("L", 3)]);
    again.encrypted.customer_name = Some("Countess".to_owned());
    assert_eq!(record(&scratch.pool, &again).await.unwrap(), first);
    for (column, value) in [
        ("customer_name", "Countess"),
        ("items", "AAI Tee (L/Grey) × 3"),
        ("status", "shipped"),
        ("tracking", "T1"),
        ("notes", "gift"),
        ("created_at", first.as_str()),
    ] {
        assert_eq!(one(&scratch.pool, column).await, value, "{column}");
    }
    assert_eq!(
        items(&scratch.pool).await,
        [("var_aai-tee-grey-l".to_owned(), 3)]
    );
}

#[tokio::test]
async fn the_time_is_iso_8601_in_utc_with_milliseconds() {
    let scratch = Scratch::new().await;
    let at = record(&scratch.pool, &order("ord_1")).await.unwrap();
    assert!(
        at.parse::<jiff::Timestamp>().is_ok() && at.ends_with('Z') && at.len() == 24,
        "{at}"
    );
}
