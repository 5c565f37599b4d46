//! What the engine is told of the workflow, and what becomes of an order when things go wrong.

mod anywhere;

use stepwell::{Event as _, Workflow as _};

use super::*;

#[test]
fn the_workflow_is_started_by_an_order_and_spells_out_four_steps() {
    assert_eq!(fulfill_order.name(), "fulfill-order");
    assert_eq!(fulfill_order.trigger(), Some("store/order.placed"));
    assert_eq!(fulfill_order.retries(), Some(3));
    let steps = [
        "capture-payment",
        "reserve-inventory",
        "send-confirmation",
        "record-to-sheet",
    ];
    assert_eq!(fulfill_order.steps(), steps);
    assert_eq!(OrderPlaced::KEY, Some("orderId"));
}
