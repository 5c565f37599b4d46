//! `step` moved into a spawned future: it would outlive the replay that owns it.

use stepwell::{Attempt, Error, Step, workflow};

#[workflow]
async fn pay_aside(step: &mut Step, order: u64) -> Result<u64, Error> {
    tokio::spawn(async move {
        let _ = step.run("pay", async |_: &Attempt| Ok(order)).await;
    });
    Ok(order)
}

fn main() {}
