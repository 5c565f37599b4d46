//! A workflow that is a plain function.

use stepwell::workflow;

#[workflow]
fn fulfill_order(_step: &mut stepwell::Step, order: u64) -> Result<u64, stepwell::Error> {
    Ok(order)
}

fn main() {}
