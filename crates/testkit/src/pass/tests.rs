//! Where two outputs differ, and how that is said.

use serde_json::json;

use super::*;

fn said(expected: Value, found: Value) -> Option<String> {
    Comparable::Output(expected).difference(&Comparable::Output(found))
}

#[test]
fn of_two_outputs_the_first_place_that_differs_is_named() {
    let order = |stock: u32| json!({ "id": "a", "goods": [{ "stock": 1 }, { "stock": stock }] });
    assert_eq!(said(order(2), order(2)), None);
    let place = "the output 3 at .goods[1].stock, calmly to 2";
    assert_eq!(said(order(2), order(3)).as_deref(), Some(place));
    let whole = "the output {\"b\":1}, calmly to {\"a\":1}";
    let other_fields = said(json!({ "a": 1 }), json!({ "b": 1 }));
    assert_eq!(other_fields.as_deref(), Some(whole));
}
