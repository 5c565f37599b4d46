//! Two steps named before either is awaited: both would hold the line.

use stepwell::{Attempt, Error, Step, workflow};

#[workflow]
async fn pay_and_reserve(step: &mut Step, order: u64) -> Result<(u64, u64), Error> {
    let paid = step.run("pay", async |_: &Attempt| Ok(order));
    let reserved = step.run("reserve", async |_: &Attempt| Ok(order));
    Ok((paid.await?, reserved.await?))
}

fn main() {}
