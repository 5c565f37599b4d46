//! A step that is named and never awaited: it would silently not happen.
#![deny(unused_must_use)]

use stepwell::{Attempt, Error, Step, workflow};

#[workflow]
async fn forget_to_pay(step: &mut Step, order: u64) -> Result<u64, Error> {
    step.run("pay", async |_: &Attempt| Ok(order));
    Ok(order)
}

fn main() {}
