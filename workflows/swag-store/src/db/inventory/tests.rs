//! Stock is taken once, by everyone or by no one, and the books agree.

use sqlx::SqlitePool;

use super::*;
use crate::db::begin_writing;
use crate::testing::{Scratch, order, order_of, tee};

/// One attempt of the step: a transaction that is committed or rolled back.
async fn attempt(pool: &SqlitePool, order: &OrderPlaced) -> Result<Reserved, ReserveError> {
    let mut tx = begin_writing(pool).await?;
    let reserved = reserve(&mut tx, order).await?;
    tx.commit().await?;
    Ok(reserved)
}

async fn stock(pool: &SqlitePool, variant: &str) -> i64 {
    let query = "SELECT stock FROM product_variants WHERE id = $1";
    sqlx::query_scalar(query)
        .bind(variant)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn set_stock(pool: &SqlitePool, variant: &str, stock: i64) {
    let query = "UPDATE product_variants SET stock = $1, initial_stock = $1 WHERE id = $2";
    sqlx::query(query)
        .bind(stock)
        .bind(variant)
        .execute(pool)
        .await
        .unwrap();
}

async fn count(pool: &SqlitePool, table: &'static str) -> i64 {
    let query = match table {
        "ledger" => "SELECT COUNT(*) FROM inventory_adjustments",
        _ => "SELECT COUNT(*) FROM order_reservations",
    };
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

/// For every variant: what it began with plus all changes is what it has.
async fn the_books_agree(pool: &SqlitePool) {
    let off: Vec<String> = sqlx::query_scalar(
        "SELECT v.id FROM product_variants v
         WHERE v.stock <> v.initial_stock + COALESCE(
             (SELECT SUM(a.quantity_change) FROM inventory_adjustments a WHERE a.variant_id = v.id), 0)",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert_eq!(off, Vec::<String>::new());
}

#[tokio::test]
async fn an_order_takes_its_goods_and_the_ledger_says_so() {
    let scratch = Scratch::new().await;
    let order = order_of("ord_1", vec![tee("S", 2), tee("M", 1)]);
    let reserved = attempt(&scratch.pool, &order).await.unwrap();
    assert_eq!(reserved.count, 2);
    let taken: Vec<_> = reserved
        .reservations
        .iter()
        .map(|taken| (taken.variant_id.as_str(), taken.quantity, taken.stock_after))
        .collect();
    assert_eq!(
        taken,
        [("var_aai-tee-grey-m", 1, 23), ("var_aai-tee-grey-s", 2, 18)]
    );
    assert_eq!(reserved.reservations[0].sku, "INN-AAI-TEE");
    assert_eq!(reserved.reservations[0].size.as_deref(), Some("M"));
    assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-s").await, 18);
    assert_eq!(count(&scratch.pool, "ledger").await, 2);
    the_books_agree(&scratch.pool).await;
}

#[tokio::test]
async fn a_replay_takes_nothing_and_returns_what_was_recorded() {
    let mut scratch = Scratch::new().await;
    let order = order_of("ord_1", vec![tee("S", 2), tee("M", 1)]);
    let first = attempt(&scratch.pool, &order).await.unwrap();
    attempt(&scratch.pool, &crate::testing::order("ord_2"))
        .await
        .unwrap();
    for _ in 0..2 {
        scratch = scratch.reopen().await;
        assert_eq!(attempt(&scratch.pool, &order).await.unwrap(), first);
    }
    assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-s").await, 18);
    assert_eq!(count(&scratch.pool, "ledger").await, 3);
    the_books_agree(&scratch.pool).await;
}

#[tokio::test]
async fn an_attempt_that_dies_before_its_commit_took_nothing() {
    let scratch = Scratch::new().await;
    let mut tx = begin_writing(&scratch.pool).await.unwrap();
    reserve(&mut tx, &order("ord_1")).await.unwrap();
    drop(tx);
    let scratch = scratch.reopen().await;
    assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-m").await, 24);
    assert_eq!(count(&scratch.pool, "reservations").await, 0);
    the_books_agree(&scratch.pool).await;
}

#[tokio::test]
async fn two_orders_that_race_for_the_last_one_leave_one_winner_and_no_debt() {
    for round in 0..20 {
        let scratch = Scratch::new().await;
        set_stock(&scratch.pool, "var_aai-tee-grey-m", 1).await;
        let (a, b) = (order("ord_a"), order("ord_b"));
        let (a, b) = tokio::join!(attempt(&scratch.pool, &a), attempt(&scratch.pool, &b));
        assert_eq!(
            u32::from(a.is_ok()) + u32::from(b.is_ok()),
            1,
            "round {round}: {a:?} {b:?}"
        );
        let lost = a.err().or(b.err()).unwrap();
        assert!(
            matches!(
                lost,
                ReserveError::Insufficient {
                    stock: 0,
                    quantity: 1,
                    ..
                }
            ),
            "{lost}"
        );
        assert_eq!(
            lost.retry(),
            Retry::Later,
            "a delivery may rescue the order"
        );
        assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-m").await, 0);
        the_books_agree(&scratch.pool).await;
    }
}

#[tokio::test]
async fn many_orders_at_once_sell_what_there_is_and_not_one_more() {
    let scratch = Scratch::new().await;
    set_stock(&scratch.pool, "var_aai-tee-grey-s", 7).await;
    set_stock(&scratch.pool, "var_aai-tee-grey-m", 7).await;
    let mut attempts = tokio::task::JoinSet::new();
    for n in 0..20 {
        // Half of the carts name the same goods the other way round.
        let mut items = vec![tee("S", 1), tee("M", 1)];
        if n % 2 == 0 {
            items.reverse();
        }
        let (pool, order) = (scratch.pool.clone(), order_of(&format!("ord_{n}"), items));
        attempts.spawn(async move { attempt(&pool, &order).await.is_ok() });
    }
    let sold = attempts
        .join_all()
        .await
        .into_iter()
        .filter(|sold| *sold)
        .count();
    assert_eq!(sold, 7);
    assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-m").await, 0);
    the_books_agree(&scratch.pool).await;
}

#[tokio::test]
async fn one_short_line_keeps_the_whole_order_from_taking_anything() {
    let scratch = Scratch::new().await;
    let error = attempt(
        &scratch.pool,
        &order_of("ord_1", vec![tee("S", 1), tee("XXXL", 8)]),
    )
    .await;
    let error = error.unwrap_err();
    assert!(
        matches!(
            &error,
            ReserveError::Insufficient {
                stock: 7,
                quantity: 8,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-s").await, 20);
    assert_eq!(count(&scratch.pool, "ledger").await, 0);
}

#[tokio::test]
async fn an_order_that_was_short_succeeds_after_a_delivery() {
    let scratch = Scratch::new().await;
    set_stock(&scratch.pool, "var_aai-tee-grey-m", 0).await;
    attempt(&scratch.pool, &order("ord_1")).await.unwrap_err();
    set_stock(&scratch.pool, "var_aai-tee-grey-m", 5).await;
    attempt(&scratch.pool, &order("ord_1")).await.unwrap();
    assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-m").await, 4);
}

#[tokio::test]
async fn two_lines_of_one_variant_are_one_reservation() {
    let scratch = Scratch::new().await;
    let order = order_of("ord_1", vec![tee("M", 1), tee("S", 1), tee("M", 2)]);
    let reserved = attempt(&scratch.pool, &order).await.unwrap();
    assert_eq!(reserved.count, 2);
    assert_eq!(reserved.reservations[0].quantity, 3);
    assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-m").await, 21);
    the_books_agree(&scratch.pool).await;
}

#[tokio::test]
async fn two_lines_of_one_variant_are_short_together() {
    let scratch = Scratch::new().await;
    let order = order_of("ord_1", vec![tee("XXXL", 4), tee("XXXL", 4)]);
    let error = attempt(&scratch.pool, &order).await.unwrap_err();
    assert!(
        matches!(
            &error,
            ReserveError::Insufficient {
                stock: 7,
                quantity: 8,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn an_unknown_variant_is_final_and_does_not_fall_back_to_the_sku() {
    let scratch = Scratch::new().await;
    let error = attempt(
        &scratch.pool,
        &order_of("ord_1", vec![tee("S", 1), tee("Q", 1)]),
    )
    .await;
    let error = error.unwrap_err();
    assert!(
        matches!(&error, ReserveError::UnknownVariant { wanted, .. } if wanted == "var_aai-tee-grey-q")
    );
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-s").await, 20);
}

#[tokio::test]
async fn a_line_without_a_variant_takes_the_first_one_of_its_sku() {
    let scratch = Scratch::new().await;
    let item = LineItem {
        variant_id: None,
        ..tee("M", 1)
    };
    let reserved = attempt(&scratch.pool, &order_of("ord_1", vec![item]))
        .await
        .unwrap();
    assert_eq!(reserved.reservations[0].variant_id, "var_aai-tee-grey-l");
    let nothing = LineItem {
        variant_id: None,
        sku: None,
        ..tee("M", 1)
    };
    let error = attempt(&scratch.pool, &order_of("ord_2", vec![nothing]))
        .await
        .unwrap_err();
    assert!(matches!(error, ReserveError::UnknownVariant { .. }));
}

#[tokio::test]
async fn senseless_quantities_are_final() {
    let scratch = Scratch::new().await;
    for items in [
        vec![tee("M", 0)],
        vec![tee("M", u32::MAX), tee("M", u32::MAX)],
    ] {
        let error = attempt(&scratch.pool, &order_of("ord_1", items))
            .await
            .unwrap_err();
        assert!(matches!(error, ReserveError::Quantity { .. }), "{error}");
        assert_eq!(error.retry(), Retry::Never);
    }
    assert_eq!(stock(&scratch.pool, "var_aai-tee-grey-m").await, 24);
}

#[tokio::test]
async fn an_order_of_nothing_takes_nothing() {
    let scratch = Scratch::new().await;
    let reserved = attempt(&scratch.pool, &order_of("ord_1", Vec::new()))
        .await
        .unwrap();
    assert_eq!(
        reserved,
        Reserved {
            reservations: Vec::new(),
            count: 0
        }
    );
}

#[tokio::test]
async fn what_is_recorded_names_no_person() {
    let scratch = Scratch::new().await;
    let reserved = attempt(&scratch.pool, &order("ord_1")).await.unwrap();
    let recorded = serde_json::to_string(&reserved).unwrap();
    for personal in ["ada@", "Ada", "Analytical", "5550100", "97201"] {
        assert!(!recorded.contains(personal), "{recorded}");
    }
}
