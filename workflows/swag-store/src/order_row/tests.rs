//! The sixteen cells, and the label of the items.

use super::*;
use crate::event::{Customer, Discount};
use crate::testing::{order, tee};

fn line(name: &str, size: Option<&str>, color: Option<&str>, quantity: u32) -> LineItem {
    LineItem {
        product_name: Some(name.to_owned()),
        size: size.map(str::to_owned),
        color: color.map(str::to_owned),
        ..tee("M", quantity)
    }
}

#[test]
fn a_label_shows_what_is_known_and_quantities_above_one() {
    for (item, label) in [
        (line("Tee", Some("M"), Some("Grey"), 1), "Tee (M/Grey)"),
        (line("Tee", Some("M"), None, 2), "Tee (M) × 2"),
        (line("Tee", None, Some("Grey"), 1), "Tee (Grey)"),
        (line("Socks", None, None, 3), "Socks × 3"),
    ] {
        assert_eq!(items_label(std::slice::from_ref(&item)), label);
    }
    let both = [
        line("Tee", Some("M"), Some("Grey"), 2),
        line("Socks", None, None, 1),
    ];
    assert_eq!(items_label(&both), "Tee (M/Grey) × 2, Socks");
    assert_eq!(items_label(&[]), "");
}

#[test]
fn a_line_without_a_product_name_is_called_by_its_description() {
    let item = LineItem {
        product_name: None,
        ..line("", None, None, 1)
    };
    assert_eq!(items_label(&[item]), "AAI Tee");
}

#[test]
fn a_row_has_sixteen_cells_in_the_headers_order() {
    let mut order = order("ord_1");
    order.discount = Some(Discount {
        code: "SALES-1".to_owned(),
        amount_cents: 1_050,
    });
    let row = order_row(&order, "2026-01-02T03:04:05.678Z");
    let expected = [
        ("order_id", "ord_1"),
        ("created_at", "2026-01-02T03:04:05.678Z"),
        ("email", "ada@customer.example"),
        ("name", "Ada Example"),
        ("items", "AAI Tee (M/Grey)"),
        ("total_cents", "2800"),
        ("currency", "USD"),
        ("ship_address", "1 Analytical Way, Engine Room"),
        ("ship_city", "Portland"),
        ("ship_state", "OR"),
        ("ship_zip", "97201"),
        ("ship_country", "US"),
        ("phone", "+15550100"),
        ("status", "ready_to_ship"),
        ("tracking", ""),
        ("notes", "Discount SALES-1: $10.50 off"),
    ];
    let cells: Vec<(&str, &str)> = HEADER
        .into_iter()
        .zip(row.iter().map(String::as_str))
        .collect();
    assert_eq!(cells, expected);
}

#[test]
fn what_is_missing_is_an_empty_cell() {
    let mut order = order("ord_1");
    order.encrypted = Customer::default();
    let row = order_row(&order, "");
    for at in [1, 2, 3, 7, 8, 9, 10, 11, 12, 14, 15] {
        assert_eq!(row[at], "", "{}", HEADER[at]);
    }
}

#[test]
fn an_address_of_one_line_has_no_comma() {
    let one = |line2: Option<&str>| Shipping {
        line1: Some("1 Way".to_owned()),
        line2: line2.map(str::to_owned),
        ..Shipping::default()
    };
    assert_eq!(ship_address(&one(None)), "1 Way");
    assert_eq!(ship_address(&one(Some(""))), "1 Way");
}

#[test]
fn cents_become_dollars() {
    for (cents, text) in [
        (0, "$0.00"),
        (5, "$0.05"),
        (12_345, "$123.45"),
        (-100, "-$1.00"),
    ] {
        assert_eq!(dollars(cents), text);
    }
    assert_eq!(dollars(i64::MIN), "-$92233720368547758.08");
}
