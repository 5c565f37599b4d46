//! A trigger whose type does not say which event it is.

use serde::{Deserialize, Serialize};
use stepwell::{Error, Step, workflow};

#[derive(Serialize, Deserialize)]
struct OrderPlaced {
    total: u64,
}

#[workflow(on = OrderPlaced)]
async fn fulfill_order(_step: &mut Step, order: OrderPlaced) -> Result<u64, Error> {
    Ok(order.total)
}

fn main() {}
