//! A durable call inside a step's body: the inner result would be recorded before its outer step.

use stepwell::{Attempt, Error, Step, workflow};

#[workflow]
async fn pay_then_mail(step: &mut Step, order: u64) -> Result<u64, Error> {
    let paid = step
        .run("pay", async |_: &Attempt| {
            step.run("mail", async |_: &Attempt| Ok(order)).await?;
            Ok(order)
        })
        .await?;
    Ok(paid)
}

fn main() {}
