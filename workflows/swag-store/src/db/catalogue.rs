//! The built-in catalogue: what the shop sells before anyone changes it.

use sqlx::SqlitePool;

use super::{begin_writing, now};

/// The name under which the seeding is remembered.
const SEED: &str = "catalogue-1";

/// A built-in product.
#[derive(Debug)]
pub struct Product {
    /// The shop's id.
    pub id: &'static str,
    /// Its address on the site.
    pub slug: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What kind of thing it is.
    pub kind: &'static str,
    /// Its stock-keeping unit, shared by all variants.
    pub sku: &'static str,
    /// One line under the name.
    pub tagline: &'static str,
    /// The price in cents.
    pub price_cents: i64,
    /// `apparel` or `accessories`.
    pub category: &'static str,
    /// JSON: `[{name, hex, label}]`.
    pub colors: &'static str,
    /// JSON: the size names in order.
    pub sizes: &'static str,
    /// Its variants.
    pub variants: &'static [Variant],
}

/// A size and colour of a product, with its own stock.
#[derive(Debug)]
pub struct Variant {
    /// The shop's id.
    pub id: &'static str,
    /// The size, for a product that has sizes.
    pub size: Option<&'static str>,
    /// The colour, for a product that has colours.
    pub color: Option<&'static str>,
    /// The stock it is seeded with.
    pub stock: i64,
}

const fn grey_tee(id: &'static str, size: &'static str, stock: i64) -> Variant {
    Variant {
        id,
        size: Some(size),
        color: Some("Grey"),
        stock,
    }
}

/// Everything built in.
pub const CATALOGUE: &[Product] = &[
    Product {
        id: "aai-tee",
        slug: "aai-tee",
        name: "AAI Tee",
        kind: "tee",
        sku: "INN-AAI-TEE",
        tagline: "A heavyweight tee that survives restarts",
        price_cents: 2_800,
        category: "apparel",
        colors: r##"[{"name":"Grey","hex":"#8a8a8a","label":"Heather grey"}]"##,
        sizes: r#"["S","M","L","XL","XXL","XXXL"]"#,
        variants: &[
            grey_tee("var_aai-tee-grey-s", "S", 20),
            grey_tee("var_aai-tee-grey-m", "M", 24),
            grey_tee("var_aai-tee-grey-l", "L", 21),
            grey_tee("var_aai-tee-grey-xl", "XL", 23),
            grey_tee("var_aai-tee-grey-xxl", "XXL", 11),
            grey_tee("var_aai-tee-grey-xxxl", "XXXL", 7),
        ],
    },
    Product {
        id: "step-socks",
        slug: "step-socks",
        name: "Step Socks",
        kind: "socks",
        sku: "INN-STEP-SOCKS",
        tagline: "One step after the other",
        price_cents: 1_200,
        category: "accessories",
        colors: "[]",
        sizes: "[]",
        variants: &[Variant {
            id: "var_step-socks-one",
            size: None,
            color: None,
            stock: 58,
        }],
    },
];

/// Writes the catalogue unless it has been written before: what operators changed or removed since
/// stays as they left it.
pub(crate) async fn seed(pool: &SqlitePool) -> sqlx::Result<()> {
    let now = now();
    let mut tx = begin_writing(pool).await?;
    let first = sqlx::query(
        "INSERT INTO seeds (name, applied_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
    )
    .bind(SEED)
    .bind(&now)
    .execute(&mut *tx)
    .await?;
    if first.rows_affected() == 0 {
        return tx.rollback().await;
    }
    for product in CATALOGUE {
        sqlx::query(
            "INSERT INTO products (id, slug, name, type, sku, tagline, price_cents, category, colors, sizes, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(product.id)
        .bind(product.slug)
        .bind(product.name)
        .bind(product.kind)
        .bind(product.sku)
        .bind(product.tagline)
        .bind(product.price_cents)
        .bind(product.category)
        .bind(product.colors)
        .bind(product.sizes)
        .bind(&now)
        .execute(&mut *tx)
        .await?;
        for variant in product.variants {
            sqlx::query(
                "INSERT INTO product_variants (id, product_id, size, color, initial_stock, stock, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $5, $6)",
            )
            .bind(variant.id)
            .bind(product.id)
            .bind(variant.size)
            .bind(variant.color)
            .bind(variant.stock)
            .bind(&now)
            .execute(&mut *tx)
            .await?;
        }
    }
    // Crash here: nothing was seeded, and the next start seeds all of it.
    tx.commit().await
}

#[cfg(test)]
mod tests;
