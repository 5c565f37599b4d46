//! `step` moved into a future spawned on the same thread: it would outlive its replay all the same.

use stepwell::{Attempt, Error, Step, workflow};

#[workflow]
async fn pay_aside(step: &mut Step, order: u64) -> Result<u64, Error> {
    tokio::task::spawn_local(async move {
        let _ = step.run("pay", async |_: &Attempt| Ok(order)).await;
    });
    Ok(order)
}

fn main() {}
