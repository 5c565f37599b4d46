//! The payment provider: confirms payments and lists what was bought.

use reqwest::{RequestBuilder, Url};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::checkout_session::StripeLineItem;
use crate::config::{Secret, StripeConfig};
use crate::event::OrderPlaced;
use crate::outward::{CallError, Outward, below};
use crate::verdict::{Retry, Verdict};

const SERVICE: &str = "stripe";
/// The most line items Stripe puts on a page.
const PAGE_LIMIT: &str = "100";

/// A client of one Stripe account.
#[derive(Clone, Debug)]
pub struct Stripe {
    outward: Outward,
    api_base: Url,
    secret_key: Option<Secret>,
}

/// What `capture-payment` records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The payment; absent when nothing was to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<String>,
    /// `succeeded`, or `mocked` when nothing was to be paid.
    pub status: String,
    /// In cents.
    pub amount: i64,
    /// Lower-case ISO currency.
    pub currency: String,
}

/// Why a payment was not confirmed.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// Stripe could not be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Stripe has no money yet. It may still come: a delayed payment stays in `processing` for
    /// days.
    #[error(
        "payment {id} is {status}, expected succeeded: wait for the customer's bank or cancel the order"
    )]
    NotSucceeded {
        /// The payment intent.
        id: String,
        /// The state it is in.
        status: String,
    },
}

impl Verdict for CaptureError {
    fn retry(&self) -> Retry {
        match self {
            CaptureError::Call(error) => error.retry(),
            CaptureError::NotSucceeded { .. } => Retry::Later,
        }
    }
}

#[derive(Deserialize)]
struct PaymentIntent {
    id: String,
    status: String,
    amount: i64,
    currency: String,
}

#[derive(Deserialize)]
struct LineItems {
    data: Vec<StripeLineItem>,
    has_more: bool,
}

impl Stripe {
    pub(crate) fn new(config: StripeConfig, outward: Outward) -> Stripe {
        Stripe {
            outward,
            api_base: config.api_base,
            secret_key: config.secret_key,
        }
    }

    /// Confirms that the order's payment has succeeded. Checkout captures by itself, so nothing
    /// moves here and asking twice is harmless; the key lets Stripe's log show which attempts
    /// belong together.
    ///
    /// # Errors
    /// When Stripe cannot be asked or does not have the money.
    pub async fn capture(
        &self,
        order: &OrderPlaced,
        idempotency_key: &str,
    ) -> Result<Payment, CaptureError> {
        let Some(id) = &order.stripe_payment_intent_id else {
            let (amount, currency) = (order.amount_total, order.currency.clone());
            let status = "mocked".to_owned();
            return Ok(Payment {
                payment_intent_id: None,
                status,
                amount,
                currency,
            });
        };
        let request = self.get(&["v1", "payment_intents", id])?;
        let request = request.header("Idempotency-Key", idempotency_key);
        let intent: PaymentIntent = self.outward.send(SERVICE, request).await?;
        if intent.status != "succeeded" {
            return Err(CaptureError::NotSucceeded {
                id: intent.id,
                status: intent.status,
            });
        }
        Ok(Payment {
            payment_intent_id: Some(intent.id),
            status: intent.status,
            amount: intent.amount,
            currency: intent.currency,
        })
    }

    /// All line items of a checkout session, products included.
    ///
    /// # Errors
    /// When Stripe cannot be asked.
    pub(crate) async fn line_items(&self, session: &str) -> Result<Vec<StripeLineItem>, CallError> {
        let mut items: Vec<StripeLineItem> = Vec::new();
        loop {
            let mut query = vec![("limit", PAGE_LIMIT), ("expand[]", "data.price.product")];
            if let Some(last) = items.last() {
                query.push(("starting_after", last.id.as_str()));
            }
            let request = self.get(&["v1", "checkout", "sessions", session, "line_items"])?;
            let page: LineItems = self.outward.send(SERVICE, request.query(&query)).await?;
            let more = page.has_more && !page.data.is_empty();
            items.extend(page.data);
            if !more {
                return Ok(items);
            }
        }
    }

    fn get(&self, path: &[&str]) -> Result<RequestBuilder, CallError> {
        let name = "STRIPE_SECRET_KEY";
        let missing = CallError::NotConfigured {
            service: SERVICE,
            name,
        };
        let key = self.secret_key.as_ref().ok_or(missing)?;
        let url = below(&self.api_base, path);
        Ok(self.outward.http().get(url).bearer_auth(key.expose()))
    }
}

#[cfg(test)]
mod tests;
