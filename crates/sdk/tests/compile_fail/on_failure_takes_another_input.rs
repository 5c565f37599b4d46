//! A workflow for failed runs that takes something else than a failed run.

use stepwell::{Error, Step, workflow};

#[workflow]
async fn refund(_step: &mut Step, order: u64) -> Result<u64, Error> {
    Ok(order)
}

#[workflow(on_failure = refund)]
async fn pay(_step: &mut Step, order: u64) -> Result<u64, Error> {
    Ok(order)
}

fn main() {}
