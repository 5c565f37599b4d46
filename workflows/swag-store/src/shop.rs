//! The shop as its workflow and routes know it: a database and three services outside.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use stepwell::sqlx::{Sqlite, SqliteError};
use stepwell::{Attempt, Error};
use thiserror::Error as ThisError;

use crate::config::{Config, Secret};
use crate::db::inventory::{self, Reserved};
use crate::db::{self, OpenError, orders};
use crate::event::OrderPlaced;
use crate::mail::{Confirmation, Mail};
use crate::order_row::order_row;
use crate::outward::Outward;
use crate::sheets::{Appended, OrdersSheet};
use crate::stripe::{Payment, Stripe};
use crate::verdict::{Retry, Verdict as _};

/// The name journals give the shop's database.
const DATABASE_LABEL: &str = "swag-store";

/// Retries of the confirmation mail; the goods do not wait longer for it.
pub(crate) const MAIL_RETRIES: u32 = 2;

/// Everything the shop works with. Cloning it shares it.
#[derive(Clone, Debug)]
pub struct Shop {
    /// The database: stock, reservations, orders.
    pub db: Sqlite,
    /// The payment provider.
    pub stripe: Stripe,
    /// The mail provider.
    pub mail: Mail,
    /// The orders sheet, if there is one.
    pub sheet: Option<OrdersSheet>,
    pub(crate) app_origin: String,
    pub(crate) webhook_secret: Option<Secret>,
}

/// Why the shop could not be opened.
#[derive(Debug, ThisError)]
pub enum ConnectError {
    /// The database file.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot keep what steps promise.
    #[error("use the shop's database: {0}")]
    Unfit(#[from] SqliteError),
    /// The HTTP client; in most cases the machine has no certificate authorities.
    #[error("prepare the client for services outside: {0}: install the system's CA certificates")]
    Client(#[source] reqwest::Error),
}

/// What `record-to-sheet` records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// When, in ISO 8601 and UTC.
    pub recorded_at: String,
    /// Where the order is in the sheet.
    #[serde(flatten)]
    pub sheet: Option<Appended>,
    /// What is not set, so that no sheet was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

impl Shop {
    /// Opens the database and prepares the clients; calls nobody.
    ///
    /// # Errors
    /// When the database cannot be opened or does not sync, or the machine has no certificate
    /// authorities.
    pub async fn connect(config: Config) -> Result<Shop, ConnectError> {
        let tls = config.needs_tls();
        let outward = Outward::new(config.call_timeout, tls).map_err(ConnectError::Client)?;
        let pool = db::open(config.database.clone()).await?;
        let db = Sqlite::new(pool, DATABASE_LABEL).await?;
        Ok(Shop::with(config, db, outward))
    }

    /// A shop that touches nothing and that nobody calls: for replays of its workflow, which run no
    /// step. `None` where not even a client can be made.
    #[must_use]
    pub fn unplugged() -> Option<Shop> {
        let config = Config::read(Path::new(""), |_| None).ok()?;
        let outward = Outward::new(config.call_timeout, false).ok()?;
        Some(Shop::with(
            config,
            Sqlite::unplugged(DATABASE_LABEL),
            outward,
        ))
    }

    fn with(config: Config, db: Sqlite, outward: Outward) -> Shop {
        Shop {
            db,
            webhook_secret: config.stripe.webhook_secret.clone(),
            stripe: Stripe::new(config.stripe, outward.clone()),
            sheet: config
                .sheet
                .map(|sheet| OrdersSheet::new(sheet, outward.clone())),
            mail: Mail::new(config.mail, config.app_origin.clone(), outward),
            app_origin: config.app_origin,
        }
    }

    /// The body of `capture-payment`.
    pub(crate) async fn capture(
        &self,
        order: &OrderPlaced,
        attempt: &Attempt,
    ) -> Result<Payment, Error> {
        let captured = self.stripe.capture(order, attempt.idempotency_key()).await;
        captured.map_err(|error| error.into_step_error())
    }

    /// The body of `reserve-inventory`.
    pub(crate) async fn reserve(
        tx: &mut SqliteConnection,
        order: &OrderPlaced,
    ) -> Result<Reserved, Error> {
        inventory::reserve(tx, order)
            .await
            .map_err(|error| error.into_step_error())
    }

    /// The body of `send-confirmation`: fails only while another attempt is to come and may help.
    pub(crate) async fn confirm(
        &self,
        order: &OrderPlaced,
        attempt: &Attempt,
    ) -> Result<Confirmation, Error> {
        let error = match self.mail.confirm(order, attempt.idempotency_key()).await {
            Ok(confirmation) => return Ok(confirmation),
            Err(error) => error,
        };
        if attempt.number() > MAIL_RETRIES || error.retry() == Retry::Never {
            return Ok(Confirmation::given_up(&error));
        }
        // By our own backoff, whatever patience the service asks for: the packing does not wait for
        // a mail.
        Err(Error::retryable(error))
    }

    /// The body of `record-to-sheet`: the order's row in the database, then in the sheet.
    pub(crate) async fn record(&self, order: &OrderPlaced) -> Result<Recorded, Error> {
        let created_at = orders::record(self.db.pool(), order).await?;
        // Crash here: the next attempt refreshes the row and goes on to the sheet.
        let Some(sheet) = &self.sheet else {
            let skipped = Some("ORDERS_SHEET_ID".to_owned());
            return Ok(Recorded {
                recorded_at: db::now(),
                sheet: None,
                skipped,
            });
        };
        let row = order_row(order, &created_at);
        let appended = sheet
            .append_once(&row)
            .await
            .map_err(|error| error.into_step_error())?;
        Ok(Recorded {
            recorded_at: db::now(),
            sheet: Some(appended),
            skipped: None,
        })
    }
}

#[cfg(test)]
mod tests;
