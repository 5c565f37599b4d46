//! The swag store: its workflow, database, HTTP routes, and the clients of services it calls.
//!
//! The way of an order, file by file:
//!
//! 1. `webhook` takes Stripe's notice of a completed checkout, believes it if `signature` does,
//!    asks `stripe` what was bought, lets `checkout_session` turn both into an [`OrderPlaced`] and
//!    sends that to the engine.
//! 2. [`fulfill_order`](mod@fulfill_order) runs: `stripe` confirms the payment, `db::inventory`
//!    takes the goods from stock inside a transaction step, `mail` tells the customer, `db::orders`
//!    and `sheets` tell the people who pack.
//! 3. `config` says where all of them are; [`Shop`] holds them together; `outward` and `verdict`
//!    say which failures are worth another attempt.
//!
//! Everything here is what any user of `stepwell` could write: the engine is reached through its
//! authoring crate alone.
//!
//! ```no_run
//! # async fn example(client: stepwell::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use stepwell_swag_store::{Config, Shop, registry, router};
//!
//! let shop = Shop::connect(Config::from_env("/var/lib/stepwell".as_ref())?).await?;
//! let workflows = registry(shop.clone());
//! let routes = router(shop, client);
//! # Ok(())
//! # }
//! ```

mod checkout_session;
pub mod config;
pub mod db;
pub mod event;
pub mod fulfill_order;
pub mod mail;
pub mod order_row;
mod outward;
mod service_account;
pub mod sheets;
mod shop;
pub mod signature;
pub mod stripe;
mod verdict;
mod webhook;

#[cfg(test)]
mod testing;

pub use config::{Config, ConfigError};
pub use event::OrderPlaced;
pub use fulfill_order::Receipt;
pub use outward::CallError;
pub use service_account::ServiceAccount;
pub use shop::{ConnectError, Recorded, Shop};
pub use verdict::{Retry, Verdict};
pub use webhook::router;

/// The shop's workflows with what they depend on, to be merged into an engine's registry.
#[must_use]
pub fn registry(shop: Shop) -> stepwell::Registry {
    stepwell::Registry::new()
        .with(fulfill_order::fulfill_order)
        .provide(shop)
}
