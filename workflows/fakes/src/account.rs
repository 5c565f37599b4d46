//! The fake Stripe account: what was paid there, and what Stripe says about it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::cart::{Cart, CartItem, Shipping};
use crate::fakes::STRIPE_WEBHOOK_SECRET;

/// A payment as Stripe keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentIntent {
    /// `pi_…`.
    pub id: String,
    /// `succeeded`, `processing`, `requires_payment_method`, ….
    pub status: String,
    /// In cents.
    pub amount: i64,
    /// Lower-case ISO currency.
    pub currency: String,
}

/// A checkout the customer has completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaidCheckout {
    /// `cs_…`.
    pub session_id: String,
    /// The order id in the session's metadata.
    pub order_id: String,
    /// `pi_…`; absent when nothing was to be paid.
    pub payment_intent_id: Option<String>,
    /// The body of the `checkout.session.completed` webhook Stripe would deliver.
    pub event: String,
    /// Its `stripe-signature` header, made with `STRIPE_WEBHOOK_SECRET` at the time of payment.
    pub signature: String,
}

/// What Stripe knows about the account.
#[derive(Debug)]
pub(crate) struct Account {
    /// Makes ids differ from those of an earlier start, whose events the engine may still remember.
    salt: u64,
    opened: u64,
    intents: BTreeMap<String, PaymentIntent>,
    sessions: BTreeMap<String, Vec<CartItem>>,
}

impl Account {
    pub(crate) fn new(salt: u64) -> Account {
        Account {
            salt,
            opened: 0,
            intents: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    pub(crate) fn put_intent(&mut self, intent: PaymentIntent) {
        self.intents.insert(intent.id.clone(), intent);
    }

    /// The customer pays: session, line items and payment intent exist from here on.
    pub(crate) fn pay(&mut self, cart: Cart) -> PaidCheckout {
        self.opened += 1;
        let unique = format!("{:x}{:04x}", self.salt, self.opened);
        let session_id = cart
            .session_id
            .clone()
            .unwrap_or_else(|| format!("cs_test_{unique}"));
        let order_id = cart
            .order_id
            .clone()
            .unwrap_or_else(|| format!("ord_{unique}"));
        let subtotal: i64 = cart.items.iter().map(CartItem::total).sum();
        let off = cart.discount.as_ref().map_or(0, |(_, cents)| *cents);
        let total = (subtotal - off).max(0);
        // Stripe makes no payment intent for a session that costs nothing.
        let payment_intent_id = (total > 0).then(|| format!("pi_{unique}"));
        if let Some(id) = payment_intent_id.clone() {
            let (status, currency) = (cart.payment_status.clone(), cart.currency.clone());
            self.put_intent(PaymentIntent {
                id,
                status,
                amount: total,
                currency,
            });
        }
        let session = json!({
            "id": session_id,
            "object": "checkout.session",
            "amount_subtotal": subtotal,
            "amount_total": total,
            "collected_information": { "shipping_details": cart.shipping.as_ref().map(shipping_details) },
            "currency": cart.currency,
            "customer_details": {
                "address": null,
                "email": cart.email,
                "name": cart.name,
                "phone": cart.phone,
                "tax_exempt": "none",
                "tax_ids": [],
            },
            "customer_email": null,
            "livemode": false,
            "metadata": metadata(&cart, &order_id),
            "mode": "payment",
            "payment_intent": payment_intent_id,
            "payment_status": if total > 0 { "paid" } else { "no_payment_required" },
            "status": "complete",
            "total_details": { "amount_discount": off, "amount_shipping": 0, "amount_tax": 0 },
        });
        let event = json!({
            "id": format!("evt_{unique}"),
            "object": "event",
            "api_version": "2025-10-29.clover",
            "created": 1_700_000_000 + self.opened,
            "data": { "object": session },
            "livemode": false,
            "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "type": "checkout.session.completed",
        });
        self.sessions.insert(session_id.clone(), cart.items);
        let event = event.to_string();
        PaidCheckout {
            session_id,
            order_id,
            payment_intent_id,
            signature: signature(&event),
            event,
        }
    }

    pub(crate) fn intent(&self, id: &str) -> Option<PaymentIntent> {
        if let Some(known) = self.intents.get(id) {
            return Some(known.clone());
        }
        let word = id.strip_prefix("pi_")?;
        let states = [
            "processing",
            "canceled",
            "requires_payment_method",
            "requires_action",
            "requires_capture",
        ];
        let state = states.into_iter().find(|state| word.starts_with(state));
        let status = match state {
            Some(state) => state,
            None if word.starts_with("missing") => return None,
            None => "succeeded",
        };
        Some(PaymentIntent {
            id: id.to_owned(),
            status: status.to_owned(),
            amount: 2_800,
            currency: "usd".to_owned(),
        })
    }

    pub(crate) fn items(&self, session: &str) -> Option<Vec<CartItem>> {
        match self.sessions.get(session) {
            Some(items) => Some(items.clone()),
            None if session.starts_with("cs_missing") => None,
            None => Some(vec![CartItem::tee("M")]),
        }
    }
}

fn shipping_details(shipping: &Shipping) -> Value {
    json!({
        "address": {
            "city": shipping.city,
            "country": shipping.country,
            "line1": shipping.line1,
            "line2": shipping.line2,
            "postal_code": shipping.postal_code,
            "state": shipping.state,
        },
        "name": shipping.name,
    })
}

/// The header Stripe would send with `body` at this moment.
fn signature(body: &str) -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_s = since_epoch.unwrap_or_default().as_secs();
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(STRIPE_WEBHOOK_SECRET.as_bytes())
        .expect("any key length fits");
    mac.update(format!("{now_s}.{body}").as_bytes());
    format!("t={now_s},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Stripe metadata: every value is a string.
fn metadata(cart: &Cart, order_id: &str) -> Value {
    let mut pairs = BTreeMap::from([("orderId", order_id.to_owned())]);
    if let Some(origin) = &cart.app_origin {
        pairs.insert("appOrigin", origin.clone());
    }
    if let Some((code, cents)) = &cart.discount {
        pairs.insert("discountCode", code.clone());
        pairs.insert("discountAmountCents", cents.to_string());
    }
    json!(pairs)
}
