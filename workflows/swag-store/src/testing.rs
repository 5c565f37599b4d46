//! What the shop's tests share: an order, a database of their own, fakes to call.

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use stepwell_fakes::Fakes;
use tempfile::TempDir;

use crate::config::Config;
use crate::event::{Customer, LineItem, OrderPlaced, Shipping};
use crate::shop::Shop;

/// A database file that goes away with the test.
pub(crate) struct Scratch {
    pub(crate) dir: TempDir,
    pub(crate) pool: SqlitePool,
}

impl Scratch {
    pub(crate) async fn new() -> Scratch {
        let dir = tempfile::tempdir().unwrap();
        let pool = open(&dir).await;
        Scratch { dir, pool }
    }

    /// The file opened anew, as after a restart.
    pub(crate) async fn reopen(self) -> Scratch {
        self.pool.close().await;
        let pool = open(&self.dir).await;
        Scratch {
            dir: self.dir,
            pool,
        }
    }
}

async fn open(dir: &TempDir) -> SqlitePool {
    let file = dir.path().join("shop.db");
    crate::db::open(SqliteConnectOptions::new().filename(file))
        .await
        .unwrap()
}

pub(crate) async fn fakes() -> Fakes {
    Fakes::start(([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// Settings that point at `fakes`, but for the names in `unset`.
pub(crate) fn config(fakes: &Fakes, dir: &TempDir, unset: &[&str]) -> Config {
    let env = fakes.env();
    let lookup = |name: &str| {
        let found = env
            .iter()
            .find(|(known, _)| *known == name && !unset.contains(known));
        found.map(|(_, value)| value.into())
    };
    Config::read(dir.path(), lookup).unwrap()
}

pub(crate) async fn shop(fakes: &Fakes, dir: &TempDir) -> Shop {
    Shop::connect(config(fakes, dir, &[])).await.unwrap()
}

pub(crate) fn tee(size: &str, quantity: u32) -> LineItem {
    LineItem {
        description: "AAI Tee".to_owned(),
        quantity,
        amount_total: 2_800 * i64::from(quantity),
        price_id: None,
        product_id: Some("aai-tee".to_owned()),
        product_name: Some("AAI Tee".to_owned()),
        sku: Some("INN-AAI-TEE".to_owned()),
        variant_id: Some(format!("var_aai-tee-grey-{}", size.to_lowercase())),
        size: Some(size.to_owned()),
        color: Some("Grey".to_owned()),
    }
}

pub(crate) fn order(id: &str) -> OrderPlaced {
    order_of(id, vec![tee("M", 1)])
}

pub(crate) fn order_of(id: &str, line_items: Vec<LineItem>) -> OrderPlaced {
    OrderPlaced {
        order_id: id.to_owned(),
        app_origin: Some("https://swag.example".to_owned()),
        stripe_session_id: Some(format!("cs_{id}")),
        stripe_payment_intent_id: Some(format!("pi_{id}")),
        encrypted: Customer {
            customer_email: Some("ada@customer.example".to_owned()),
            customer_name: Some("Ada Example".to_owned()),
            customer_phone: Some("+15550100".to_owned()),
            shipping: Some(Shipping {
                name: Some("Ada Example".to_owned()),
                line1: Some("1 Analytical Way".to_owned()),
                line2: Some("Engine Room".to_owned()),
                city: Some("Portland".to_owned()),
                state: Some("OR".to_owned()),
                postal_code: Some("97201".to_owned()),
                country: Some("US".to_owned()),
            }),
        },
        amount_total: line_items.iter().map(|item| item.amount_total).sum(),
        currency: "usd".to_owned(),
        discount: None,
        line_items,
        metadata: serde_json::Map::from_iter([("orderId".to_owned(), id.into())]),
    }
}
