//! An input of another type than the event that starts the workflow.

use serde::{Deserialize, Serialize};
use stepwell::{Error, Event, Step, workflow};

#[derive(Event, Serialize, Deserialize)]
#[event("store/order.placed")]
struct OrderPlaced {
    total: u64,
}

#[derive(Serialize, Deserialize)]
struct Refund {
    total: u64,
}

#[workflow(on = OrderPlaced)]
async fn fulfill_order(_step: &mut Step, refund: Refund) -> Result<u64, Error> {
    Ok(refund.total)
}

fn main() {}
