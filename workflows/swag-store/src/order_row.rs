//! An order as one row of sixteen texts: what the people who pack see.

use crate::event::{LineItem, OrderPlaced, Shipping};

/// The sheet's columns, A to P.
pub const HEADER: [&str; 16] = [
    "order_id",
    "created_at",
    "email",
    "name",
    "items",
    "total_cents",
    "currency",
    "ship_address",
    "ship_city",
    "ship_state",
    "ship_zip",
    "ship_country",
    "phone",
    "status",
    "tracking",
    "notes",
];

/// The status a row is born with; people change it in the sheet.
const READY: &str = "ready_to_ship";

/// One row, in the order of [`HEADER`].
pub type OrderRow = [String; HEADER.len()];

/// The row of `order`, first recorded at `created_at` (ISO 8601, UTC). What is missing is empty.
#[must_use]
pub fn order_row(order: &OrderPlaced, created_at: &str) -> OrderRow {
    let customer = &order.encrypted;
    let nowhere = Shipping::default();
    let ship = customer.shipping.as_ref().unwrap_or(&nowhere);
    [
        order.order_id.clone(),
        created_at.to_owned(),
        text(&customer.customer_email),
        customer.name().to_owned(),
        items_label(&order.line_items),
        order.amount_total.to_string(),
        order.currency.to_uppercase(),
        ship_address(ship),
        text(&ship.city),
        text(&ship.state),
        text(&ship.postal_code),
        text(&ship.country),
        text(&customer.customer_phone),
        READY.to_owned(),
        String::new(),
        notes(order),
    ]
}

/// `Name (size/color) × qty, …`: the bracket with what is known, the quantity above one only.
#[must_use]
pub fn items_label(items: &[LineItem]) -> String {
    let labels: Vec<String> = items.iter().map(item_label).collect();
    labels.join(", ")
}

fn item_label(item: &LineItem) -> String {
    let mut label = item.name().to_owned();
    let variant: Vec<&str> = [&item.size, &item.color]
        .into_iter()
        .filter_map(|part| part.as_deref())
        .collect();
    if !variant.is_empty() {
        label.push_str(&format!(" ({})", variant.join("/")));
    }
    if item.quantity > 1 {
        label.push_str(&format!(" × {}", item.quantity));
    }
    label
}

/// Both address lines, joined.
#[must_use]
pub fn ship_address(ship: &Shipping) -> String {
    let lines = [&ship.line1, &ship.line2]
        .into_iter()
        .filter_map(|line| line.as_deref());
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(", ")
}

/// The discount that was used, for the people who wonder about the total.
#[must_use]
pub fn notes(order: &OrderPlaced) -> String {
    let discount = order.discount.as_ref();
    discount.map_or_else(String::new, |discount| {
        format!(
            "Discount {}: {} off",
            discount.code,
            dollars(discount.amount_cents)
        )
    })
}

/// `$28.00`; a debt as `-$28.00`.
#[must_use]
pub fn dollars(cents: i64) -> String {
    let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
    format!("{sign}${}.{:02}", cents / 100, cents % 100)
}

fn text(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests;
