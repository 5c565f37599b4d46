//! The recorded clock inside a step's body: `now` is a durable call like any other.

use stepwell::{Attempt, Error, Step, workflow};

#[workflow]
async fn stamp(step: &mut Step, order: u64) -> Result<u64, Error> {
    let stamped = step
        .run("stamp", async |_: &Attempt| {
            let at = step.now().await;
            Ok(at.as_ms() + order)
        })
        .await?;
    Ok(stamped)
}

fn main() {}
