//! An option no workflow has.

use stepwell::workflow;

#[workflow(attempts = 4)]
async fn fulfill_order(_step: &mut stepwell::Step, order: u64) -> Result<u64, stepwell::Error> {
    Ok(order)
}

fn main() {}
