//! An event under the prefix that is the engine's own.

use serde::{Deserialize, Serialize};
use stepwell::Event;

#[derive(Event, Serialize, Deserialize)]
#[event("stepwell/order.placed")]
struct OrderPlaced {
    total: u64,
}

fn main() {}
