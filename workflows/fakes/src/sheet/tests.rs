//! Ranges, and what the values API says of them.

use super::*;

fn range(text: &str) -> A1Range {
    Sheet::range(text).unwrap()
}

fn row(id: &str) -> Vec<String> {
    vec![id.to_owned(), String::new(), "x".to_owned(), String::new()]
}

#[test]
fn ranges_are_read_as_the_notation_says() {
    let open = A1Range {
        columns: (0, 15),
        first_row: 1,
        last_row: None,
    };
    assert_eq!(range("Orders!A2:P"), open);
    assert_eq!(range("'Orders'!A2:P"), open);
    let one = A1Range {
        columns: (26, 26),
        first_row: 2,
        last_row: Some(2),
    };
    assert_eq!(range("Orders!AA3"), one);
    for nonsense in [
        "Other!A:A",
        "A:A",
        "Orders!",
        "Orders!a:a",
        "Orders!A0",
        "Orders!1:2",
    ] {
        assert_eq!(Sheet::range(nonsense), None, "{nonsense}");
    }
}

#[test]
fn columns_have_letters_like_a_sheets() {
    for (column, text) in [
        (0, "A"),
        (15, "P"),
        (25, "Z"),
        (26, "AA"),
        (51, "AZ"),
        (52, "BA"),
    ] {
        assert_eq!(letters(column), text);
        assert_eq!(corner(text), Some((column, None)));
    }
}

#[test]
fn an_append_goes_below_the_last_row_and_says_where() {
    let mut sheet = Sheet::with_header();
    let reply = sheet.append("s", &range("Orders!A:A"), vec![row("ord_1")]);
    assert_eq!(reply["updates"]["updatedRange"], "Orders!A2:D2");
    assert_eq!(reply["tableRange"], "Orders!A1:P1");
    let column = sheet.read(&range("Orders!A:A"), true);
    assert_eq!(column["values"], json!([["order_id", "ord_1"]]));
    let rows = sheet.read(&range("Orders!A2:P"), false);
    assert_eq!(rows["values"], json!([["ord_1", "", "x"]]));
}

#[test]
fn an_empty_range_has_no_values_at_all() {
    let sheet = Sheet::with_header();
    assert_eq!(sheet.read(&range("Orders!A2:P"), false).get("values"), None);
}

#[test]
fn an_update_writes_where_it_is_told() {
    let mut sheet = Sheet::with_header();
    sheet.update(
        "s",
        &range("Orders!B3:C3"),
        vec![vec!["x".to_owned(), "y".to_owned()]],
    );
    let rows = sheet.read(&range("Orders!A3:P3"), false);
    assert_eq!(rows["values"], json!([["", "x", "y"]]));
}
