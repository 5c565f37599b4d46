//! An event that does not say its name.

use serde::{Deserialize, Serialize};
use stepwell::Event;

#[derive(Event, Serialize, Deserialize)]
struct OrderPlaced {
    total: u64,
}

fn main() {}
