//! What a customer brings to the checkout page.

use serde::{Deserialize, Serialize};

/// What the customer buys and who they are. `Default` is one tee for an invented customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cart {
    /// `metadata.orderId`; made up when absent.
    pub order_id: Option<String>,
    /// The checkout session's id; made up when absent.
    pub session_id: Option<String>,
    /// `metadata.appOrigin`: the deployment that opened the checkout.
    pub app_origin: Option<String>,
    /// The customer's address for mail.
    pub email: String,
    /// The customer's name.
    pub name: String,
    /// The customer's phone number.
    pub phone: Option<String>,
    /// Where the goods go.
    pub shipping: Option<Shipping>,
    /// Lower-case ISO currency.
    pub currency: String,
    /// The lines of the cart.
    pub items: Vec<CartItem>,
    /// `metadata.discountCode` and what it took off, in cents.
    pub discount: Option<(String, i64)>,
    /// The state of the payment intent: `succeeded`, `processing`, ….
    pub payment_status: String,
}

/// One line of a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CartItem {
    /// The product's name.
    pub name: String,
    /// The shop's own product id.
    pub product_id: Option<String>,
    /// The product's SKU.
    pub sku: Option<String>,
    /// The variant's id.
    pub variant_id: Option<String>,
    /// The size as the shop writes it.
    pub size: Option<String>,
    /// The colour as the shop writes it.
    pub color: Option<String>,
    /// How many.
    pub quantity: u32,
    /// The price of one, in cents.
    pub unit_cents: i64,
}

/// A shipping address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shipping {
    /// The recipient.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// Flat, floor, company.
    pub line2: Option<String>,
    /// The city.
    pub city: String,
    /// The state or province.
    pub state: String,
    /// The postal code.
    pub postal_code: String,
    /// Two-letter country.
    pub country: String,
}

impl Default for Cart {
    fn default() -> Cart {
        Cart {
            order_id: None,
            session_id: None,
            app_origin: None,
            email: "ada@customer.example".to_owned(),
            name: "Ada Example".to_owned(),
            phone: Some("+15550100".to_owned()),
            shipping: Some(Shipping {
                name: "Ada Example".to_owned(),
                line1: "1 Analytical Way".to_owned(),
                line2: Some("Engine Room".to_owned()),
                city: "Portland".to_owned(),
                state: "OR".to_owned(),
                postal_code: "97201".to_owned(),
                country: "US".to_owned(),
            }),
            currency: "usd".to_owned(),
            items: vec![CartItem::tee("M")],
            discount: None,
            payment_status: "succeeded".to_owned(),
        }
    }
}

impl CartItem {
    /// One tee of the built-in catalogue, in the given size (`S` … `XXXL`).
    #[must_use]
    pub fn tee(size: &str) -> CartItem {
        CartItem {
            name: "AAI Tee".to_owned(),
            product_id: Some("aai-tee".to_owned()),
            sku: Some("INN-AAI-TEE".to_owned()),
            variant_id: Some(format!("var_aai-tee-grey-{}", size.to_lowercase())),
            size: Some(size.to_owned()),
            color: Some("Grey".to_owned()),
            quantity: 1,
            unit_cents: 2_800,
        }
    }

    /// One pair of socks of the built-in catalogue.
    #[must_use]
    pub fn socks() -> CartItem {
        CartItem {
            name: "Step Socks".to_owned(),
            product_id: Some("step-socks".to_owned()),
            sku: Some("INN-STEP-SOCKS".to_owned()),
            variant_id: Some("var_step-socks-one".to_owned()),
            size: None,
            color: None,
            quantity: 1,
            unit_cents: 1_200,
        }
    }

    /// The same line with another quantity.
    #[must_use]
    pub fn times(mut self, quantity: u32) -> CartItem {
        self.quantity = quantity;
        self
    }

    pub(crate) fn total(&self) -> i64 {
        self.unit_cents * i64::from(self.quantity)
    }
}
