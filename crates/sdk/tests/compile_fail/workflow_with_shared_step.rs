//! A workflow that takes its step by shared reference, over which two steps could race.

use stepwell::workflow;

#[workflow]
async fn fulfill_order(_step: &stepwell::Step, order: u64) -> Result<u64, stepwell::Error> {
    Ok(order)
}

fn main() {}
