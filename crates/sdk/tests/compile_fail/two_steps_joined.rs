//! Two steps of one line under `join!`: which is recorded first would be chance.

use stepwell::{Attempt, Error, Step, workflow};

#[workflow]
async fn pay_and_reserve(step: &mut Step, order: u64) -> Result<(u64, u64), Error> {
    let (paid, reserved) = tokio::join!(
        async { step.run("pay", async |_: &Attempt| Ok(order)).await },
        async { step.run("reserve", async |_: &Attempt| Ok(order)).await },
    );
    Ok((paid?, reserved?))
}

fn main() {}
