//! `store/order.placed`: what the shop knows of an order when it has been paid.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepwell::Event;

/// An order was placed and paid for.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("store/order.placed", key = "orderId")]
#[serde(rename_all = "camelCase")]
pub struct OrderPlaced {
    /// The shop's id of the order: the key of everything the workflow writes.
    pub order_id: String,
    /// The deployment that took the order; two deployments may share one Stripe account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_origin: Option<String>,
    /// The checkout session: `cs_…`, or `api_<order id>` for an order that came over the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_session_id: Option<String>,
    /// The payment; absent when nothing was to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_payment_intent_id: Option<String>,
    /// Who ordered and where to: the only personal fields of the event.
    #[serde(default)]
    pub encrypted: Customer,
    /// The total in cents, after discount.
    pub amount_total: i64,
    /// Lower-case ISO currency.
    pub currency: String,
    /// The code that was used, if any.
    #[serde(default)]
    pub discount: Option<Discount>,
    /// What was ordered.
    pub line_items: Vec<LineItem>,
    /// The checkout session's metadata.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// The customer: personal, so it never goes into a step's output, a log line or a `Debug` text.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The address for mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<String>,
    /// The name given at checkout.
    #[serde(default)]
    pub customer_name: Option<String>,
    /// The phone number given at checkout.
    #[serde(default)]
    pub customer_phone: Option<String>,
    /// Where the goods go.
    #[serde(default)]
    pub shipping: Option<Shipping>,
}

/// A shipping address; every part may be missing.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Shipping {
    /// The recipient.
    pub name: Option<String>,
    /// Street and number.
    pub line1: Option<String>,
    /// Flat, floor, company.
    pub line2: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The state or province.
    pub state: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// Two-letter country.
    pub country: Option<String>,
}

/// A discount that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discount {
    /// The code as the customer typed it.
    pub code: String,
    /// What it took off, in cents.
    pub amount_cents: i64,
}

/// One line of the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineItem {
    /// The line's text at checkout.
    #[serde(default)]
    pub description: String,
    /// How many.
    pub quantity: u32,
    /// The line's total in cents.
    #[serde(default)]
    pub amount_total: i64,
    /// Stripe's price id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_id: Option<String>,
    /// The shop's product id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,
    /// The product's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// The product's SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The variant that is to be taken from stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<String>,
    /// The size, for reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// The colour, for reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

impl Customer {
    /// The name to address the customer by: their own, else the recipient's, else the local part of
    /// the address.
    #[must_use]
    pub fn name(&self) -> &str {
        let recipient = self
            .shipping
            .as_ref()
            .and_then(|shipping| shipping.name.as_deref());
        let local = self
            .customer_email
            .as_deref()
            .and_then(|mail| mail.split('@').next());
        self.customer_name
            .as_deref()
            .or(recipient)
            .or(local)
            .unwrap_or_default()
    }
}

impl LineItem {
    /// The product's name, else the line's text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.product_name.as_deref().unwrap_or(&self.description)
    }
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Customer(withheld)")
    }
}

impl fmt::Debug for Shipping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shipping(withheld)")
    }
}

#[cfg(test)]
mod tests;
