//! A completed checkout session, as Stripe writes it, turned into the event the workflow waits for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::event::{Customer, Discount, LineItem, OrderPlaced, Shipping};

/// The envelope of a webhook; the object inside is read once the type is known.
#[derive(Debug, Deserialize)]
pub(crate) struct StripeEvent {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) data: StripeObject,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StripeObject {
    pub(crate) object: Value,
}

/// What we take from a checkout session.
#[derive(Deserialize)]
pub(crate) struct CheckoutSession {
    pub(crate) id: String,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    payment_intent: Option<Reference>,
    #[serde(default)]
    customer_email: Option<String>,
    #[serde(default)]
    customer_details: Option<CustomerDetails>,
    #[serde(default)]
    collected_information: Option<CollectedInformation>,
    #[serde(default)]
    amount_total: Option<i64>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    total_details: Option<TotalDetails>,
}

/// An id, or the object with that id where the account expands it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reference {
    Id(String),
    Object { id: String },
}

#[derive(Deserialize)]
struct CustomerDetails {
    email: Option<String>,
    name: Option<String>,
    phone: Option<String>,
}

#[derive(Deserialize)]
struct CollectedInformation {
    shipping_details: Option<ShippingDetails>,
}

#[derive(Deserialize)]
struct ShippingDetails {
    name: Option<String>,
    address: Option<Address>,
}

#[derive(Deserialize)]
struct Address {
    line1: Option<String>,
    line2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    postal_code: Option<String>,
    country: Option<String>,
}

#[derive(Deserialize)]
struct TotalDetails {
    amount_discount: Option<i64>,
}

/// One line item, its product expanded.
#[derive(Debug, Deserialize)]
pub(crate) struct StripeLineItem {
    pub(crate) id: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    quantity: Option<u32>,
    #[serde(default)]
    amount_total: i64,
    #[serde(default)]
    price: Option<Price>,
}

#[derive(Debug, Deserialize)]
struct Price {
    id: String,
    #[serde(default)]
    product: Option<Product>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Product {
    Id(String),
    Expanded {
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        metadata: BTreeMap<String, String>,
    },
}

impl CheckoutSession {
    /// The deployment the session was opened by, if it says so.
    pub(crate) fn app_origin(&self) -> Option<&str> {
        self.metadata("appOrigin")
            .map(|origin| origin.trim_end_matches('/'))
    }

    /// The event, for the deployment at `app_origin`.
    pub(crate) fn into_order(self, app_origin: &str, items: Vec<StripeLineItem>) -> OrderPlaced {
        let order_id = self.metadata("orderId").unwrap_or(&self.id).to_owned();
        let discount = self.discount();
        OrderPlaced {
            order_id,
            app_origin: Some(app_origin.to_owned()),
            stripe_session_id: Some(self.id),
            stripe_payment_intent_id: self.payment_intent.map(|reference| match reference {
                Reference::Id(id) | Reference::Object { id } => id,
            }),
            encrypted: customer(
                self.customer_details,
                self.customer_email,
                self.collected_information,
            ),
            amount_total: self.amount_total.unwrap_or_default(),
            currency: self.currency.unwrap_or_else(|| "usd".to_owned()),
            discount,
            line_items: items.into_iter().map(StripeLineItem::into_line).collect(),
            metadata: text_map(self.metadata.unwrap_or_default()),
        }
    }

    /// A code in the metadata; its worth is what Stripe took off, else what the checkout had
    /// reckoned.
    fn discount(&self) -> Option<Discount> {
        let code = self.metadata("discountCode")?.to_owned();
        let taken = self
            .total_details
            .as_ref()
            .and_then(|details| details.amount_discount);
        let reckoned = || {
            self.metadata("discountAmountCents")
                .and_then(|cents| cents.parse().ok())
        };
        Some(Discount {
            code,
            amount_cents: taken.or_else(reckoned).unwrap_or_default(),
        })
    }

    /// A metadata value that says something.
    fn metadata(&self, name: &str) -> Option<&str> {
        let value = self.metadata.as_ref()?.get(name)?;
        (!value.is_empty()).then_some(value.as_str())
    }
}

fn text_map(pairs: BTreeMap<String, String>) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect()
}

fn customer(
    details: Option<CustomerDetails>,
    session_email: Option<String>,
    collected: Option<CollectedInformation>,
) -> Customer {
    let shipping = collected
        .and_then(|collected| collected.shipping_details)
        .map(Shipping::from);
    let (email, name, phone) = details.map_or((None, None, None), |given| {
        (given.email, given.name, given.phone)
    });
    Customer {
        customer_email: email.or(session_email),
        customer_name: name
            .or_else(|| shipping.as_ref().and_then(|shipping| shipping.name.clone())),
        customer_phone: phone,
        shipping,
    }
}

impl From<ShippingDetails> for Shipping {
    fn from(details: ShippingDetails) -> Shipping {
        let mut shipping = Shipping {
            name: details.name,
            ..Shipping::default()
        };
        if let Some(address) = details.address {
            shipping.line1 = address.line1;
            shipping.line2 = address.line2;
            shipping.city = address.city;
            shipping.state = address.state;
            shipping.postal_code = address.postal_code;
            shipping.country = address.country;
        }
        shipping
    }
}

impl StripeLineItem {
    fn into_line(self) -> LineItem {
        let (price_id, product) = self.price.map_or((None, None), |p| (Some(p.id), p.product));
        let (stripe_product_id, product_name, metadata) = match product {
            Some(Product::Expanded { name, metadata }) => (None, name, metadata),
            Some(Product::Id(id)) => (Some(id), None, BTreeMap::new()),
            None => (None, None, BTreeMap::new()),
        };
        let known = |name: &str| {
            metadata
                .get(name)
                .filter(|value| !value.is_empty())
                .cloned()
        };
        LineItem {
            description: self.description.unwrap_or_default(),
            // Stripe leaves the quantity out for metered prices only, which the shop does not sell.
            quantity: self.quantity.unwrap_or(1),
            amount_total: self.amount_total,
            price_id,
            product_id: known("productId").or(stripe_product_id),
            product_name,
            sku: known("sku"),
            variant_id: known("variantId"),
            size: known("size"),
            color: known("color"),
        }
    }
}

#[cfg(test)]
mod tests;
