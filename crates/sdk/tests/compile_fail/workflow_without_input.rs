//! A workflow that takes no input.

use stepwell::workflow;

#[workflow]
async fn fulfill_order(_step: &mut stepwell::Step) -> Result<u64, stepwell::Error> {
    Ok(1)
}

fn main() {}
