//! Seeded once; afterwards the tables belong to the operators.

use sqlx::SqlitePool;

use super::*;
use crate::testing::Scratch;

async fn variants(pool: &SqlitePool) -> Vec<(String, i64, i64)> {
    let query = "SELECT id, initial_stock, stock FROM product_variants ORDER BY id";
    sqlx::query_as(query).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn a_fresh_database_holds_the_catalogue() {
    let scratch = Scratch::new().await;
    let variants = variants(&scratch.pool).await;
    let built_in: usize = CATALOGUE.iter().map(|product| product.variants.len()).sum();
    assert_eq!(variants.len(), built_in);
    assert!(variants.contains(&("var_aai-tee-grey-m".to_owned(), 24, 24)));
    assert!(variants.contains(&("var_step-socks-one".to_owned(), 58, 58)));
}

#[tokio::test]
async fn what_operators_change_or_remove_survives_every_restart() {
    let mut scratch = Scratch::new().await;
    for change in [
        "UPDATE products SET name = 'Vintage Tee', price_cents = 9900 WHERE sku = 'INN-AAI-TEE'",
        "UPDATE product_variants SET stock = 3 WHERE id = 'var_aai-tee-grey-m'",
        "DELETE FROM products WHERE sku = 'INN-STEP-SOCKS'",
    ] {
        sqlx::query(change).execute(&scratch.pool).await.unwrap();
    }
    let before = variants(&scratch.pool).await;
    for _ in 0..2 {
        scratch = scratch.reopen().await;
        assert_eq!(variants(&scratch.pool).await, before);
    }
    let products: Vec<(String, i64)> = sqlx::query_as("SELECT name, price_cents FROM products")
        .fetch_all(&scratch.pool)
        .await
        .unwrap();
    assert_eq!(products, [("Vintage Tee".to_owned(), 9_900)]);
}

#[tokio::test]
async fn two_starts_at_once_seed_once() {
    let scratch = Scratch::new().await;
    sqlx::query("DELETE FROM seeds")
        .execute(&scratch.pool)
        .await
        .unwrap();
    sqlx::query("DELETE FROM products")
        .execute(&scratch.pool)
        .await
        .unwrap();
    let (a, b) = tokio::join!(seed(&scratch.pool), seed(&scratch.pool));
    a.unwrap();
    b.unwrap();
    assert_eq!(variants(&scratch.pool).await.len(), 7);
}

#[test]
fn ids_are_unique_and_the_json_columns_are_json() {
    let mut ids = std::collections::BTreeSet::new();
    for product in CATALOGUE {
        assert!(ids.insert(product.id), "{}", product.id);
        for variant in product.variants {
            assert!(ids.insert(variant.id), "{}", variant.id);
        }
        for json in [product.colors, product.sizes] {
            assert!(
                serde_json::from_str::<Vec<serde_json::Value>>(json).is_ok(),
                "{json}"
            );
        }
    }
}
